#include "node/event_connection.h"

#include <capnp/serialize.h>

#include <string>
#include <utility>

#include <boost/asio/post.hpp>

#include "base/status.h"
#include "node/client/control_address.h"
#include "node/client/event_methods.h"
#include "node/control_bridge.h"
#include "node/event_append.h"
#include "node/event_runs.h"
#include "proto/control.capnp.h"
#include "proto/kj_status.h"

namespace syncline {
namespace {

using capnp::AnyPointer;
using control::EventControl;

std::string_view ViewOf(capnp::Data::Reader data) {
  return {reinterpret_cast<const char*>(data.begin()), data.size()};
}

// ---- what messages say

FeedSource SourceOf(control::FeedSource::Reader in) {
  std::string project = FromKj(in.getProject());
  switch (in.which()) {
    case control::FeedSource::LIVE:
      return FeedSource::Live(std::move(project));
    case control::FeedSource::OLDEST:
      return FeedSource::Oldest(std::move(project));
    case control::FeedSource::BEHIND:
      break;
  }
  const auto position = in.getBehind();
  return FeedSource::Behind(
      std::move(project),
      {LogId{std::string(ViewOf(position.getLog()))}, Seq{position.getSeq()}});
}

void FillEnd(control::FeedEnd::Builder out, const FeedEnd& in) {
  out.setSource(static_cast<std::uint32_t>(in.source));
  const auto fill = [&](control::Horizon::Builder horizon) {
    horizon.setHorizon(in.horizon.value);
    horizon.setHead(in.head.value);
  };
  switch (in.why) {
    case FeedEnd::Why::kCancelled:
      return FillFailure(out.initCancelled(), in.status);
    case FeedEnd::Why::kBehindHorizon:
      return fill(out.initBehindHorizon());
    case FeedEnd::Why::kCursorInvalid:
      return fill(out.initCursorInvalid());
    case FeedEnd::Why::kFailed:
      return FillFailure(out.initFailed(), in.status);
  }
}

}  // namespace

bool EventConnection::IsWanted(MessageSocket::Words first_message) {
  bool wanted = false;
  // What is no message, or not all of one, is none.
  CatchKj([&] {
    capnp::FlatArrayMessageReader reader(first_message);
    const auto message = reader.getRoot<capnp::rpc::Message>();
    if (!message.isBootstrap()) return;
    const auto object = message.getBootstrap().getDeprecatedObjectId();
    wanted = !object.isNull() && object.getAs<capnp::Text>() == kEventObject;
  }).IgnoreError();
  return wanted;
}

absl::StatusOr<std::unique_ptr<EventConnection>> EventConnection::Start(
    NodeCore& core, boost::asio::local::stream_protocol::socket socket,
    std::shared_ptr<std::size_t> feeds, std::function<void()> on_lost) {
  std::unique_ptr<EventConnection> connection(
      new EventConnection(core, std::move(feeds), std::move(on_lost)));
  EventConnection* const self = connection.get();
  SYNCLINE_ASSIGN_OR_RETURN(
      self->socket_, MessageSocket::Adopt(
                         core.io().get_executor(), std::move(socket),
                         kControlMessageBytesMax, [self] { self->Read(); },
                         [self] {
                           if (self->full_) self->ReadLater();
                         }));
  self->rpc_ = std::make_unique<PlainRpc>(*self->socket_);
  self->ReadLater();
  return connection;
}

EventConnection::EventConnection(NodeCore& core,
                                 std::shared_ptr<std::size_t> feeds,
                                 std::function<void()> on_lost)
    : core_(core),
      feeds_count_(std::move(feeds)),
      on_lost_(std::move(on_lost)) {}

// ---- reading

bool EventConnection::IsFull() const {
  return unanswered_bytes_ > kControlMessageBytesMax ||
         socket_->unsent_bytes() > kControlMessageBytesMax;
}

void EventConnection::ReadLater() {
  boost::asio::post(core_.io(), [this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired() && !lost_) Read();
  });
}

// A bounded number of messages; then others get their turn.
void EventConnection::Read() {
  constexpr int kMessagesAtOnce = 64;
  reading_ = true;
  auto input = MessageSocket::Input::kMessage;
  for (int left = kMessagesAtOnce; left > 0 && !IsFull(); --left) {
    MessageSocket::Words message;
    input = socket_->Next(message);
    if (input == MessageSocket::Input::kMessage &&
        !rpc_->Receive(message, *this).ok()) {
      input = MessageSocket::Input::kLost;
    }
    if (input != MessageSocket::Input::kMessage) break;
  }
  reading_ = false;
  if (input == MessageSocket::Input::kLost) return Lose();
  socket_->Flush();
  full_ = IsFull();
  if (full_) return;  // An answer or the drained socket goes on.
  if (input == MessageSocket::Input::kNothingNow) {
    socket_->WaitReadable();
  } else {
    ReadLater();
  }
}

void EventConnection::Lose() {
  if (std::exchange(lost_, true)) return;
  feeds_.clear();
  on_lost_();
}

// ---- messages

void EventConnection::OnBootstrap(PlainRpc::Id question, AnyPointer::Reader) {
  rpc_->SendBootstrapResult(question);
}

void EventConnection::OnCall(const capnp::rpc::Call::Reader& call) {
  if (call.getInterfaceId() == capnp::typeId<EventControl>()) {
    if (call.getMethodId() == EventMethods::kAppendEvents) return Append(call);
    if (call.getMethodId() == EventMethods::kFeed) return Feed(call);
  }
  rpc_->SendException(
      call.getQuestionId(),
      MakeStatus(absl::StatusCode::kUnimplemented, "no such method"));
}

void EventConnection::OnReturn(const capnp::rpc::Return::Reader& answer) {
  const PlainRpc::Id id = answer.getAnswerId();
  const FeedQuestion* found = questions_.Find(id);
  if (found == nullptr) return;
  const FeedQuestion question = *found;
  questions_.Remove(id);
  rpc_->FinishLater(id);
  if (question.feed == nullptr) return;
  question.feed->OnAnswer(id, question.is_push, answer.isResults());
  if (question.feed->ended() == nullptr) return;
  for (const auto& [feed, push] : feeds_) {
    if (push.get() == question.feed) return EndFeed(feed);
  }
}

void EventConnection::OnFinish(PlainRpc::Id question) {
  // Appends go on; their answers are on the way.
  if (feeds_.erase(question) > 0) rpc_->SendCanceled(question);
}

// ---- appends

void EventConnection::Append(const capnp::rpc::Call::Reader& call) {
  const auto params =
      call.getParams().getContent().getAs<EventControl::AppendEventsParams>();
  const EventRuns runs(params.getRuns());
  const PlainRpc::Id question = call.getQuestionId();
  ++unanswered_;
  unanswered_bytes_ += runs.bytes();
  AppendRuns(
      core_, runs.views(),
      params.getDurable() ? Durability::kDurable : Durability::kBuffered,
      [this, alive = std::weak_ptr(alive_), question,
       bytes = runs.bytes()](const absl::StatusOr<AppendOutcome>& outcome) {
        if (alive.expired()) return;
        --unanswered_;
        unanswered_bytes_ -= bytes;
        AnswerAppend(question, outcome);
      });
}

// A lone answer leaves at once, others together; behind the records, where
// somebody follows.
void EventConnection::AnswerAppend(
    PlainRpc::Id question, const absl::StatusOr<AppendOutcome>& outcome) {
  constexpr std::size_t kRefusedWords = 64;
  if (lost_) return;
  const std::size_t words =
      outcome.ok()
          ? 8 + outcome->firsts.size() + kRefusedWords * outcome->refused.size()
          : kRefusedWords;
  rpc_->SendResults(question, words, [&](AnyPointer::Builder content) {
    auto result =
        content.initAs<EventControl::AppendEventsResults>().initResult();
    if (!outcome.ok()) return FillFailure(result, outcome.status());
    FillOutcome(result.initValue(), *outcome);
  });
  if (reading_) return;
  if (unanswered_ == 0 && *feeds_count_ == 0) {
    socket_->Flush();
  } else {
    socket_->FlushLater();
  }
  if (full_) ReadLater();
}

// ---- feeds

void EventConnection::Feed(const capnp::rpc::Call::Reader& call) {
  const PlainRpc::Id id = call.getQuestionId();
  const auto payload = call.getParams();
  const auto capabilities = payload.getCapTable();
  if (capabilities.size() != 1 || !capabilities[0].isSenderHosted() ||
      feeds_.contains(id)) {
    return rpc_->SendException(id, InvalidArgument("a feed needs a sink"));
  }
  const auto params = payload.getContent().getAs<EventControl::FeedParams>();
  std::vector<FeedSource> sources;
  for (const auto source : params.getSources()) {
    sources.push_back(SourceOf(source));
  }
  FeedPush& feed =
      *feeds_
           .emplace(id, std::make_unique<FeedPush>(
                            core_.weak_from_this(), *rpc_, questions_,
                            feeds_count_, capabilities[0].getSenderHosted(),
                            params.getWritten() ? Visibility::kWritten
                                                : Visibility::kDurable,
                            [this, id] { PushSoon(id); }))
           .first->second;
  feed.Open(sources);
  feed.Push();
  if (feed.ended() != nullptr) EndFeed(id);
}

// Of all feeds that a group of records makes ready, one handler; a lone feed
// does not wait for it.
void EventConnection::PushSoon(PlainRpc::Id feed) {
  ready_.push_back(feed);
  if (feeds_.size() == 1) return PushReady();
  if (ready_.size() > 1) return;
  boost::asio::post(core_.io(), [this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired() && !lost_) PushReady();
  });
}

void EventConnection::PushReady() {
  for (const PlainRpc::Id id : std::exchange(ready_, {})) {
    const auto found = feeds_.find(id);
    if (found == feeds_.end()) continue;
    found->second->Push();
    if (found->second->ended() != nullptr) EndFeed(id);
  }
  socket_->Flush();
}

void EventConnection::EndFeed(PlainRpc::Id feed) {
  const auto found = feeds_.find(feed);
  const FeedEnd end = *found->second->ended();
  feeds_.erase(found);
  constexpr std::size_t kEndWords = 64;
  rpc_->SendResults(feed, kEndWords, [&](AnyPointer::Builder content) {
    FillEnd(content.initAs<EventControl::FeedResults>().initEnd(), end);
  });
}

}  // namespace syncline
