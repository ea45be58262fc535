#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "clock/version_vector.h"
#include "log/append_log.h"
#include "node/incident.h"
#include "replication/project_id.h"
#include "replication/state/strategy.h"

// What a node tells of itself: plain values, part of node/types.h.

namespace syncline {

struct MirrorReport {
  std::string dir;
  std::string state;  // scanning, idle, syncing, paused, error.
  std::uint64_t scanned_files = 0;
  std::uint64_t pending = 0;
  std::string error;
};

struct ProjectReport {
  std::string name;
  ProjectId id;
  Strategy strategy = Strategy::kMerge;
  std::vector<MirrorReport> mirrors;
  LogId log;
  Seq head;
  Seq durable;
  Seq horizon;
  VersionVector frontier;
  Hash digest;
  std::uint64_t items = 0;
  std::uint64_t bytes = 0;
  std::uint64_t conflicts = 0;
  std::uint64_t missing_chunks = 0;
  // Why changes are refused, or the retention policy cannot be applied; else
  // empty.
  std::string error;
};

struct PeerReport {
  std::string id;
  std::string name;
  std::string address;
  std::string state;  // connected, connecting, offline, refused.
  std::vector<std::string> projects;
  std::string last_error;
  std::int64_t retry_at_ms = 0;
  std::int64_t rtt_ms = -1;
  std::uint64_t sent_bytes = 0;
  std::uint64_t received_bytes = 0;
};

struct NodeReport {
  std::string device_id;
  std::string device_name;
  std::uint64_t uptime_s = 0;
  bool serving = false;
  // Why this node took another origin for its entries, the last time.
  std::optional<Incident> incident;
  std::vector<ProjectReport> projects;  // By name.
  std::vector<PeerReport> peers;        // By id.
};

// What a sweep could not take in: path -> why.
struct ScanReport {
  std::vector<MirrorReport> mirrors;
  std::vector<std::pair<std::string, std::string>> problems;
};

struct WaitReport {
  std::uint64_t conflicts = 0;  // Open, in the projects waited for.
  // Paths that their folders could not read or write: not in sync.
  std::uint64_t failed = 0;
  std::uint64_t paused = 0;  // Folders that were not waited for.
};

struct InvitationReport {
  std::string code;
  std::int64_t expires_ms = 0;  // Since 1970.
};

struct JoinReport {
  struct Place {
    std::string project;
    std::string dir;  // Empty: not mirrored.
  };
  std::string device_id;  // Of the one who invited.
  std::string device_name;
  std::vector<Place> places;
  std::vector<std::string> missing;  // In the invitation, but given no more.
};

struct Finding {
  std::string project;
  std::string where;  // A path, or "log <seq>".
  std::string what;
};

struct VerifyReport {
  static constexpr std::size_t kFindingsMax = 1000;
  std::uint64_t projects = 0;
  std::uint64_t records = 0;
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  std::uint64_t missing_chunks = 0;
  std::vector<Finding> findings;
  std::uint64_t findings_left_out = 0;
  std::uint64_t wanted_again = 0;  // Damaged contents, to be fetched again.
};

}  // namespace syncline
