#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "kv/file_content.h"
#include "node/types.h"

namespace syncline {

class NodeCore;

// Takes a file in pieces and puts it at a path as one entry, once whole and
// durable. Dropping it before Finish() leaves nothing but chunks that nobody
// names. One call at a time: the next after the answer. Bound to the node's
// loop; hashing and disk work are done on its worker threads.
class FileWriter : public std::enable_shared_from_this<FileWriter> {
 public:
  // Refuses at once what Finish() would refuse now.
  static absl::StatusOr<std::shared_ptr<FileWriter>> Open(
      NodeCore& core, ProjectNumber project, std::string path,
      const PutOptions& options);

  void Add(std::string bytes, StatusCallback done);
  void Finish(Callback<Written> done);

 private:
  FileWriter(NodeCore& core, ProjectNumber project, std::string path,
             const PutOptions& options);
  void Commit(const std::string& payload, Callback<Written> done);

  std::weak_ptr<NodeCore> core_;
  ProjectNumber project_;
  std::string path_;
  PutOptions options_;
  std::shared_ptr<ContentWriter> writer_;  // Shared with the work under way.
  bool busy_ = false;
};

}  // namespace syncline
