#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/hash.h"
#include "kv/keys.h"
#include "log/cursors.h"
#include "replication/mirror/mirror.h"
#include "replication/replica.h"

namespace syncline {

// One open project of a node.
struct ProjectRuntime {
  ProjectNumber number;
  std::unique_ptr<Replica> replica;
  std::unique_ptr<Cursors> cursors;                          // When wanted.
  std::map<std::uint32_t, std::unique_ptr<Mirror>> mirrors;  // Started ones.
  std::map<std::uint32_t, std::string> mirror_errors;        // Of the others.
  // The sum of visible sizes, and the state that it is of.
  std::optional<std::pair<Hash, std::uint64_t>> bytes;
  bool verifying = false;  // Its log is being read on a worker thread.
};

}  // namespace syncline
