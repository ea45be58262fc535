#pragma once

#include <kj/async.h>

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "node/feed.h"
#include "proto/control.capnp.h"
#include "proto/kj_loop.h"

namespace syncline {

// One feed of a node in another process: takes its pushes, and calls the
// consumer outside the loop. A push is answered when the consumer has dealt
// with it, so at most two are here.
//
// On the loop's executor, and outside the loop unless said.
class RemoteFeed : public std::enable_shared_from_this<RemoteFeed> {
 public:
  // `loop` must live until DropCall().
  RemoteFeed(KjLoop& loop, FeedHandlers handlers);
  ~RemoteFeed();

  // Asks for it in a later handler; null: ends with `lost`.
  void Open(control::EventControl::Client* target, const absl::Status& lost,
            std::vector<FeedSource> sources, Visibility visibility);
  // No call to the consumer any more. What is of the loop is dropped later...
  void Cancel();
  // ... or at once. Inside the loop.
  void DropCall();
  void Pause() { paused_ = true; }
  void Resume();
  [[nodiscard]] FeedPosition position(std::size_t source) const;

 private:
  class Sink;
  using PushContext = capnp::CallContext<control::RecordSink::PushParams,
                                         control::RecordSink::PushResults>;
  struct Push {
    PushContext context;  // Keeps the message.
    kj::Own<kj::PromiseFulfiller<void>> answer;
    unsigned next_piece = 0;
  };

  // Inside the loop.
  void Call(control::EventControl::Client& target,
            const std::vector<FeedSource>& sources, Visibility visibility);
  void OnStart(capnp::List<control::FeedStart>::Reader starts);
  kj::Promise<void> OnPush(PushContext context);
  void OnEnd(FeedEnd end);

  void DeliverLater();
  void Deliver();
  void CallConsumer();
  // False: the push is not dealt with yet.
  bool DeliverPush(Push& push);
  void Finish(const FeedEnd& end);

  KjLoop& loop_;
  const FeedHandlers handlers_;
  std::vector<FeedStart> starts_;
  std::vector<Seq> seqs_;  // By source: the last one delivered.
  std::optional<FeedEnd> end_;
  std::deque<Push> pushes_;           // Of the loop.
  kj::Promise<void> call_ = nullptr;  // Of the loop.
  std::size_t at_source_ = 0;         // What the consumer is called with.
  bool starting_ = false;
  bool cancelled_ = false;
  bool paused_ = false;
  bool posted_ = false;
  bool delivering_ = false;
};

}  // namespace syncline
