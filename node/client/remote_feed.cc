#include "node/client/remote_feed.h"

#include <utility>

#include <boost/asio/post.hpp>

#include "base/status.h"
#include "node/client/event_link.h"
#include "proto/kj_status.h"

namespace syncline {

void RemoteFeed::Open(const std::shared_ptr<EventLink>& link,
                      const absl::Status& lost,
                      const std::vector<FeedSource>& sources,
                      Visibility visibility) {
  if (link == nullptr) {
    end_ = FeedEnd{FeedEnd::Why::kFailed, 0, {}, {}, lost};
    return DeliverLater();
  }
  link_ = link;
  seqs_.resize(sources.size());
  question_ = link->OpenFeed(shared_from_this(), sources, visibility);
}

// ---- from the node

void RemoteFeed::OnStart(std::vector<FeedStart> starts) {
  if (cancelled_ || starts.size() != seqs_.size()) return;
  starts_ = std::move(starts);
  for (std::size_t i = 0; i < starts_.size(); ++i) {
    seqs_[i] = starts_[i].position.seq;
  }
  starting_ = true;
  Deliver();
}

void RemoteFeed::OnPush(PlainRpc::Id id,
                        const std::vector<FeedRecords>& records) {
  pushes_.push_back({id, records, 0, {}});
  if (cancelled_) return AnswerPush();
  const auto self = shared_from_this();
  Deliver();
  if (!pushes_.empty() && pushes_.back().id == id) Keep(pushes_.back());
}

// The message goes now.
void RemoteFeed::Keep(Push& push) {
  std::size_t bytes = 0;
  for (std::size_t i = push.next; i < push.records.size(); ++i) {
    bytes += push.records[i].span.bytes.size();
  }
  push.kept.reserve(bytes);
  for (std::size_t i = push.next; i < push.records.size(); ++i) {
    RecordSpan& span = push.records[i].span;
    const std::size_t at = push.kept.size();
    push.kept += span.bytes;
    span.bytes = std::string_view(push.kept).substr(at);
  }
}

void RemoteFeed::OnEnd(FeedEnd end) {
  if (!end_) end_ = std::move(end);
  Deliver();
}

// ---- to the consumer

void RemoteFeed::DeliverLater() {
  if (std::exchange(posted_, true)) return;
  boost::asio::post(executor_, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) {
      self->posted_ = false;
      self->Deliver();
    }
  });
}

// The one place that calls the consumer: what it throws ends its feed and
// nothing else.
void RemoteFeed::Deliver() {
  if (cancelled_ || delivering_) return;
  const auto self = shared_from_this();
  delivering_ = true;
  const absl::Status thrown = CatchKj([this] { CallConsumer(); });
  if (!thrown.ok() && !cancelled_) {
    Finish({FeedEnd::Why::kFailed,
            at_source_,
            {},
            {},
            MakeStatus(absl::StatusCode::kAborted,
                       "the consumer threw: " +
                           std::string(FromAbsl(thrown.message())))});
  } else if (!cancelled_ && end_ && (pushes_.empty() || paused_)) {
    Finish(*end_);
  }
  delivering_ = false;
}

void RemoteFeed::CallConsumer() {
  if (std::exchange(starting_, false) && handlers_.on_start) {
    handlers_.on_start(starts_);
  }
  while (!cancelled_ && !paused_ && !pushes_.empty()) {
    if (!DeliverPush(pushes_.front())) return;
    AnswerPush();
  }
}

bool RemoteFeed::DeliverPush(Push& push) {
  while (push.next < push.records.size()) {
    if (paused_) return false;
    const FeedRecords& records = push.records[push.next++];
    if (records.source >= starts_.size()) continue;
    at_source_ = records.source;
    seqs_[records.source] = records.span.last;
    if (handlers_.on_records) handlers_.on_records(records);
    if (cancelled_) return false;
  }
  return true;
}

void RemoteFeed::AnswerPush() {
  const PlainRpc::Id id = pushes_.front().id;
  pushes_.pop_front();
  if (const auto link = link_.lock()) link->AnswerPush(id);
}

void RemoteFeed::Finish(const FeedEnd& end) {
  Cancel();
  if (!handlers_.on_end) return;
  // Nobody is left to be told.
  CatchKj([&] { handlers_.on_end(end); }).IgnoreError();
}

void RemoteFeed::Cancel() {
  if (std::exchange(cancelled_, true)) return;
  const auto link = link_.lock();
  if (!link) return;
  link->CloseFeed(question_);
  // In a later handler: the consumer may be reading a push.
  boost::asio::post(executor_, [self = shared_from_this()] {
    while (!self->pushes_.empty()) self->AnswerPush();
  });
}

void RemoteFeed::Resume() {
  if (std::exchange(paused_, false)) DeliverLater();
}

FeedPosition RemoteFeed::position(std::size_t source) const {
  if (source >= starts_.size()) return {};
  return {starts_[source].position.log, seqs_[source]};
}

}  // namespace syncline
