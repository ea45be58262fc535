#pragma once

#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "kv/chunk_store.h"
#include "replication/project_id.h"

namespace syncline {

// Two values in conflict, for a merge of the embedder's own.
struct MergeInput {
  ProjectId project;
  std::string path;  // Or "doc:<namespace>/<key>".
  // The nearest common ancestor's bytes, where this device has them.
  std::optional<std::string> ancestor;
  // By version, so in the same order on all devices.
  std::string first;
  std::string second;
};

// Gives the merged bytes, or nothing: declined, and Syncline's own merge is
// tried. Called on a worker thread, by several at once. Should be a function
// of its argument alone, the same on all devices: devices that merge apart
// from each other then propose the same; if they do not, the newer proposal
// wins.
using MergeFunction =
    std::function<std::optional<std::string>(const MergeInput&)>;

// A merge as a worker does it. Payloads are those of files or documents.
struct MergeWork {
  ProjectId project;
  std::string path;
  bool document = false;
  std::optional<std::string> base;
  std::string first;
  std::string second;
  bool second_is_newer = false;
  MergeFunction custom;
};

struct Merged {
  std::string payload;  // Its chunks are durable.
  std::string by;       // "text-1", "json-1" or "custom".
};

// Merges; nothing if nobody can. Blocks on the disk.
//   kNotFound  content is missing by now
//   other      from the chunk store
absl::StatusOr<std::optional<Merged>> RunMerge(ChunkStore& chunks,
                                               const MergeWork& work);

}  // namespace syncline
