#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "absl/status/status.h"
#include "node/feed.h"
#include "proto/plain_rpc.h"

namespace syncline {

class EventLink;

// One feed of a node in another process: takes its pushes and calls the
// consumer. A push is answered when the consumer has dealt with it, so at most
// two are here.
//
// On the executor.
class RemoteFeed : public std::enable_shared_from_this<RemoteFeed> {
 public:
  RemoteFeed(boost::asio::any_io_executor executor, FeedHandlers handlers)
      : executor_(std::move(executor)), handlers_(std::move(handlers)) {}

  // Asks for it; null: ends with `lost`.
  void Open(const std::shared_ptr<EventLink>& link, const absl::Status& lost,
            const std::vector<FeedSource>& sources, Visibility visibility);
  // No call to the consumer any more.
  void Cancel();
  void Pause() { paused_ = true; }
  void Resume();
  [[nodiscard]] FeedPosition position(std::size_t source) const;

  // What comes from the node; calls the consumer. The bytes of `records` are
  // valid during the call, `push` is to be answered.
  void OnStart(std::vector<FeedStart> starts);
  void OnPush(PlainRpc::Id push, const std::vector<FeedRecords>& records);
  void OnEnd(FeedEnd end);

 private:
  struct Push {
    PlainRpc::Id id = 0;
    std::vector<FeedRecords> records;
    std::size_t next = 0;
    std::string kept;  // Their bytes, where they had to be.
  };

  void DeliverLater();
  void Deliver();
  void CallConsumer();
  // False: the push is not dealt with yet.
  bool DeliverPush(Push& push);
  void AnswerPush();
  static void Keep(Push& push);
  void Finish(const FeedEnd& end);

  const boost::asio::any_io_executor executor_;
  const FeedHandlers handlers_;
  std::weak_ptr<EventLink> link_;
  PlainRpc::Id question_ = 0;  // What the link knows it by.
  std::vector<FeedStart> starts_;
  std::vector<Seq> seqs_;  // By source: the last one delivered.
  std::optional<FeedEnd> end_;
  std::deque<Push> pushes_;
  std::size_t at_source_ = 0;  // What the consumer is called with.
  bool starting_ = false;
  bool cancelled_ = false;
  bool paused_ = false;
  bool posted_ = false;
  bool delivering_ = false;
};

}  // namespace syncline
