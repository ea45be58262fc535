#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kv/file_content.h"
#include "node/types.h"

namespace syncline {

class NodeCore;

// Gives the content of a file (or the target of a symlink) in pieces, each
// verified, as fast as they are asked for. One call at a time. Bound to the
// node's loop; the disk is read on its worker threads.
class ContentSource : public std::enable_shared_from_this<ContentSource> {
 public:
  static std::shared_ptr<ContentSource> Open(NodeCore& core,
                                             const FileInfo& info,
                                             std::string payload);

  // The next piece; empty at the end.
  //   kUnavailable  a piece is not on this node yet
  //   kDataLoss     a piece is damaged
  void Next(Callback<std::string> done);

 private:
  // Chunks still to be read; the last is the next. Lists stand for what they
  // name. Used by one worker at a time.
  struct Cursor {
    struct Step {
      FileContent::Ref ref;
      int level = 0;
      bool last = false;  // Ends its content.
    };
    std::vector<Step> steps;
    std::string target;  // Of a symlink.
    void Push(const std::vector<FileContent::Ref>& refs, int level, bool last);
    absl::StatusOr<std::string> Next(const ChunkStore& chunks);
  };

  explicit ContentSource(NodeCore& core);
  absl::Status Start(const FileInfo& info, const std::string& payload);

  std::weak_ptr<NodeCore> core_;
  std::shared_ptr<Cursor> cursor_;
  absl::Status opened_;
  bool busy_ = false;
};

}  // namespace syncline
