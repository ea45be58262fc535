#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "base/hash.h"
#include "clock/version_vector.h"
#include "replication/fork.h"
#include "replication/peer/invitation.h"
#include "replication/project_id.h"
#include "replication/segment_check.h"
#include "replication/state_header.h"

// The messages of proto/peer.capnp (interface Peer) as plain values: what
// sessions are written in. Meaning of the fields: proto/peer.capnp.

namespace syncline {

// Limits on what a peer may send or ask for.
inline constexpr std::size_t kAnnouncedProjectsMax = 10'000;
inline constexpr std::size_t kChunksAskedMax = 256;
inline constexpr std::size_t kHistoryAskedMax = 64;
inline constexpr std::size_t kPositionOriginsMax = 64;
inline constexpr std::size_t kChunkAnswerBytesMax = 1u << 20;
inline constexpr std::size_t kInlineChunkBytesMax = 16u << 10;
inline constexpr std::size_t kSegmentBytes = 256u << 10;
inline constexpr std::uint32_t kWindowBytesLeast = 1;  // One entry at a time.
inline constexpr std::uint32_t kWindowBytesStart = 1u << 20;
inline constexpr std::uint32_t kWindowBytesMax = 8u << 20;
// Frontiers with more slots are left out where they are only hints.
inline constexpr std::size_t kHintSlotsMax = 64;

struct Announcement {
  std::vector<ProjectInfo> projects;
  std::vector<std::string> addresses;
};

struct Position {
  Hash frontier_hash;
  std::optional<VersionVector> frontier;
  std::optional<Hash> digest;
  std::vector<ChainHead> chains;
  VersionVector truncated;
  std::string log_id;
  std::vector<SettledFork> settled;
};

struct Stop {
  enum class Reason : std::uint8_t {
    kNotShared,
    kFence,
    kDiverged,
    kTruncated,
    kFull,
    kFailed,
    kStale,
  };
  Reason reason = Reason::kFailed;
  std::string detail;
  // Of a kFence: whose history is contradicted, if it is of one.
  std::optional<Origin> origin = {};
};

using CompareAnswer = std::variant<Position, Stop>;

// Nothing: cannot tell.
using ChainHashes = std::vector<std::optional<Hash>>;
using HistoryAnswer = std::variant<ChainHashes, Stop>;

struct PullRequest {
  ProjectId project;
  std::uint32_t stream = 0;
  VersionVector frontier;
  std::uint32_t window_bytes = kWindowBytesStart;
  std::uint32_t inline_chunk_bytes_max = kInlineChunkBytesMax;
  std::string state_id;   // Of a state that came in part; or empty.
  std::string state_key;  // It should go on behind that.
};
struct PullStarted {};
// The log does not reach back: a state comes, its pieces from behind `from`.
struct PullState {
  StateHeader header;
  std::string from;
};
using PullAnswer = std::variant<PullStarted, Stop, PullState>;

struct StatePush {
  ProjectId project;
  std::uint32_t stream = 0;
  std::string id;
  std::string rows;
  bool end = false;
};

struct Segment {
  ProjectId project;
  std::uint32_t stream = 0;
  std::string frames;
  std::vector<ChainHead> chains;
  std::vector<std::string> chunks;
  std::uint64_t last = 0;
  std::uint64_t head = 0;
  std::optional<VersionVector> durable;

  // What counts against the window.
  [[nodiscard]] std::size_t bytes() const;
};
struct PushDurable {
  std::optional<VersionVector> frontier;
  std::uint32_t window_bytes = kWindowBytesStart;
};
using PushAnswer = std::variant<PushDurable, Stop>;

// Nothing: missing.
using ChunkResults = std::vector<std::optional<std::string>>;
using ChunksAnswer = std::variant<ChunkResults, Stop>;

// What one side of a session may ask of the other. A session offers this to
// its peer, and is given one that reaches its peer.
//
// `done` comes later, never from within the call, and not at all once the
// session has ended. Its status is OK unless the connection is lost
// (kUnavailable) or the other side broke the protocol (kInvalidArgument).
class PeerCalls {
 public:
  template <typename T>
  using Done = std::function<void(absl::StatusOr<T>)>;
  using Called = std::function<void(absl::Status)>;

  virtual ~PeerCalls() = default;
  virtual void Announce(Announcement announcement, Called done) = 0;
  virtual void Compare(const ProjectId& project, Position position,
                       Done<CompareAnswer> done) = 0;
  virtual void History(const ProjectId& project, const Origin& origin,
                       std::vector<std::uint64_t> counters,
                       Done<HistoryAnswer> done) = 0;
  virtual void Pull(PullRequest request, Done<PullAnswer> done) = 0;
  virtual void Push(Segment segment, Done<PushAnswer> done) = 0;
  virtual void PushState(StatePush piece, Done<PushAnswer> done) = 0;
  virtual void Ended(const ProjectId& project, std::uint32_t stream, Stop stop,
                     Called done) = 0;
  virtual void Chunks(const ProjectId& project, std::vector<Hash> hashes,
                      Done<ChunksAnswer> done) = 0;
  virtual void MoreContent(const ProjectId& project, Called done) = 0;
  // Only to a peer that has kFeatureLacking; others need not care.
  virtual void Lacking(const ProjectId& /*project*/, std::uint64_t /*pieces*/,
                       Called /*done*/) {}
  virtual void Copied(const Origin& origin, Called done) = 0;
  virtual void Ping(Called done) = 0;
  virtual void Goodbye(std::string reason, Called done) = 0;
};

}  // namespace syncline
