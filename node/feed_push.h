#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "node/feed.h"
#include "node/log_feed.h"
#include "proto/plain_rpc.h"

namespace syncline {

class FeedPush;

// What the node asked a client: the feed that waits for the answer; null: it
// ended meanwhile.
struct FeedQuestion {
  FeedPush* feed = nullptr;
  bool is_push = false;
};

// Pushes what a feed has to a sink that may be far away. One push is on its
// way until it is answered, and what gathers meanwhile goes into the next; two
// where there is more than enough, so that reading goes on while the other
// side works. A slow sink costs its own two messages and nothing else.
//
// Bound to the node's loop. Writes to `rpc` and leaves the sending to others.
class FeedPush {
 public:
  // `feeds`: how many there are in this node, itself counted in. `on_ready` is
  // called when Push() has something to do again.
  FeedPush(const std::weak_ptr<NodeCore>& core, PlainRpc& rpc,
           IdTable<FeedQuestion>& questions, std::shared_ptr<std::size_t> feeds,
           PlainRpc::Id sink, Visibility visibility,
           std::function<void()> on_ready);
  ~FeedPush();
  FeedPush(const FeedPush&) = delete;
  FeedPush& operator=(const FeedPush&) = delete;

  void Open(const std::vector<FeedSource>& sources);
  // Pushes what may be pushed now.
  void Push();
  // Of a question; `taken`: the sink goes on.
  void OnAnswer(PlainRpc::Id question, bool is_push, bool taken);
  // Why it has no more, once all before it was pushed.
  [[nodiscard]] const FeedEnd* ended() const { return end_ ? &*end_ : nullptr; }

 private:
  PlainRpc::Call CallOf(std::uint16_t method, bool is_push);
  void SendStart();
  std::size_t Gather(std::size_t room);
  void Send();

  PlainRpc& rpc_;
  IdTable<FeedQuestion>& questions_;
  const std::shared_ptr<std::size_t> feeds_;
  const PlainRpc::Id sink_;
  std::shared_ptr<LogFeed> feed_;
  std::optional<FeedEnd> end_;
  std::vector<PlainRpc::Id> asked_;
  std::vector<FeedRecords> gathered_;  // Kept for its memory, as is:
  std::vector<PlainRpc::Tail> tails_;
  std::size_t in_flight_ = 0;
  std::size_t last_bytes_ = 0;
  bool failed_ = false;
};

}  // namespace syncline
