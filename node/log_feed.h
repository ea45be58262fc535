#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "log/subscription.h"
#include "node/feed.h"
#include "replication/replica.h"

namespace syncline {

class NodeCore;

// Cursors over the logs of some projects, read by whoever asks, in turn: what
// is behind every feed, in process and over the socket.
//
// Bound to the node's loop.
class LogFeed : public std::enable_shared_from_this<LogFeed> {
 public:
  // `on_ready` is called once after Next() gave nothing, when there is
  // something or the feed ended; never from within a call of the feed.
  LogFeed(std::weak_ptr<NodeCore> core, Visibility visibility,
          std::function<void()> on_ready);
  ~LogFeed();

  // Once. False: ended() says why.
  bool Open(const std::vector<FeedSource>& sources);

  // Records of the next source that has some, up to about `bytes_max`. False:
  // nothing now, or ended().
  bool Next(std::size_t bytes_max, FeedRecords& out);

  // Why there is no more; nothing while there may be.
  [[nodiscard]] const std::optional<FeedEnd>& ended() const { return ended_; }
  [[nodiscard]] const std::vector<FeedStart>& starts() const { return starts_; }
  // Behind the last record that Next() gave.
  [[nodiscard]] FeedPosition position(std::size_t source) const;

  // No call comes any more.
  void Stop();
  // Ends it because the node goes, or if it reads `project`.
  void Close(std::optional<ProjectNumber> project);

 private:
  struct Source {
    ProjectNumber project;
    std::unique_ptr<Subscription> records;
  };

  bool OpenSource(NodeCore& core, std::size_t index, const FeedSource& from);
  void OnReady(std::size_t index);
  bool End(FeedEnd end);
  // Next() of that source failed.
  bool EndAt(std::size_t index, const absl::Status& status);
  [[nodiscard]] AppendLog* FindLog(ProjectNumber project) const;

  const std::weak_ptr<NodeCore> core_;
  const Visibility visibility_;
  const std::function<void()> on_ready_;
  std::vector<Source> sources_;
  std::vector<FeedStart> starts_;
  std::deque<std::size_t> ready_;  // Sources that may have records.
  bool stopped_ = false;
  bool waiting_ = false;  // Next() gave nothing since `on_ready_`.
  std::optional<FeedEnd> ended_;
};

}  // namespace syncline
