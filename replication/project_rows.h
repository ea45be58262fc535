#pragma once

#include <string>
#include <string_view>

#include "kv/keys.h"

namespace syncline {

// Rows of Column::kProjects that replication keeps beside those of the log
// (log/FORMAT.md): project number, one letter, key.
enum class ProjectRow : char {
  kDevice = 'd',   // Origin -> Ed25519 public key of its device.
  kSettled = 'g',  // Origin whose fork was given up here -> varint counter up
                   // to which both sides were the same, chain hash (32) behind
                   // the first entry of what was given up, if anything.
  kDoubt = 'q',    // Origin that others may hold another history of
                   // (Replica::Doubt()) -> nothing; "t": a state told.
  kGivenUp = 'u',  // Origin and counter (u64) of an entry of such a fork that
                   // was given up -> the chain hash behind it.
  kCut = 'k',      // Seq -> signatures (replication/chain_cuts.h).
  kProof = 'p',    // Origin -> the newest signed chain hash (the same).
  kReady = 'r',    // (Under the number of a project that is made anew: see
                   // replication/rebuild.h.)
  kState = 's',    // Another node's state on its way in: state_intake.cc.
  kWant = 'w',     // SHA-256 of a payload that lacks chunks -> the payload.
  // Conflicts (replication/conflict_records.cc). Seq u64 and path of a record
  // that made one -> it; of one that ended one -> the rest of that row's key.
  kConflict = 'c',
  kConflictEnd = 'v',
};

inline std::string ProjectRowPrefix(ProjectNumber project, ProjectRow row) {
  std::string prefix = ProjectPrefix(project);
  prefix.push_back(static_cast<char>(row));
  return prefix;
}

inline std::string ProjectRowKey(ProjectNumber project, ProjectRow row,
                                 std::string_view key) {
  return ProjectRowPrefix(project, row).append(key);
}

}  // namespace syncline
