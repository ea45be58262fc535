#include "node/client/event_link.h"

#include <string>

#include <boost/asio/post.hpp>

#include "base/status.h"
#include "node/client/append_wire.h"
#include "node/client/control_address.h"
#include "node/client/event_methods.h"
#include "node/client/feed_wire.h"
#include "node/client/remote_feed.h"
#include "proto/control.capnp.h"
#include "proto/words.h"

namespace syncline {
namespace {

using control::EventControl;
using control::RecordSink;
using AppendParams = EventControl::AppendEventsParams;
using AppendResults = EventControl::AppendEventsResults;
using capnp::AnyPointer;

absl::Status LostStatus() {
  return MakeStatus(absl::StatusCode::kUnavailable,
                    "the connection to the node is lost");
}

absl::Status SilentStatus() {
  return MakeStatus(absl::StatusCode::kUnavailable,
                    "the node shows no sign of life");
}

// What went wrong with the call itself.
absl::Status FaultOf(const capnp::rpc::Return::Reader& answer) {
  if (answer.isResults()) return absl::OkStatus();
  if (!answer.isException()) return absl::CancelledError("the call was ended");
  const auto exception = answer.getException();
  const auto reason = exception.getReason();
  const bool lost =
      exception.getType() == capnp::rpc::Exception::Type::DISCONNECTED;
  return MakeStatus(
      lost ? absl::StatusCode::kUnavailable : absl::StatusCode::kInternal,
      {reason.begin(), reason.size()});
}

absl::StatusOr<AppendOutcome> AppendAnswer(
    const capnp::rpc::Return::Reader& answer) {
  SYNCLINE_RETURN_IF_ERROR(FaultOf(answer));
  const auto result =
      answer.getResults().getContent().getAs<AppendResults>().getResult();
  return OutcomeOf(result);
}

}  // namespace

absl::StatusOr<std::shared_ptr<EventLink>> EventLink::Connect(
    const boost::asio::any_io_executor& executor,
    const std::filesystem::path& home, std::int64_t silence_ms_max,
    std::function<void()> on_lost) {
  SYNCLINE_ASSIGN_OR_RETURN(auto socket, ConnectControl(executor, home));
  std::shared_ptr<EventLink> link(
      new EventLink(executor, silence_ms_max, std::move(on_lost)));
  SYNCLINE_ASSIGN_OR_RETURN(
      link->socket_, MessageSocket::Adopt(
                         executor, std::move(socket), kControlMessageBytesMax,
                         [weak = std::weak_ptr(link)] {
                           if (const auto self = weak.lock()) {
                             self->OnReadable();
                           }
                         },
                         nullptr));
  link->rpc_.emplace(*link->socket_);
  const PlainRpc::Id bootstrap = link->questions_.Add({});  // 0
  link->rpc_->SendBootstrap(bootstrap, kEventObject);
  link->socket_->Flush();
  link->socket_->WaitReadable();
  if (silence_ms_max > 0) link->WaitForTick();
  return link;
}

// ---- calls

void EventLink::Append(const std::shared_ptr<const AppendBatch>& batch,
                       AppendAnswered done) {
  if (gone()) {
    return boost::asio::post(executor_, [done = std::move(done), why = lost_] {
      done(why.ok() ? LostStatus() : why);
    });
  }
  PlainRpc::Call call;
  call.question = questions_.Add({std::move(done), nullptr});
  call.interface_id = capnp::typeId<EventControl>();
  call.method_id = EventMethods::kAppendEvents;
  rpc_->SendCall(call, AppendWords(*batch), [&](AnyPointer::Builder content) {
    FillAppend(content.initAs<AppendParams>(), *batch);
  });
  FlushSoon();
}

PlainRpc::Id EventLink::OpenFeed(std::shared_ptr<RemoteFeed> feed,
                                 const std::vector<FeedSource>& sources,
                                 Visibility visibility) {
  PlainRpc::Call call;
  call.capability = exports_.Add(feed);
  call.question =
      questions_.Add({nullptr, std::move(feed), *call.capability, false});
  call.interface_id = capnp::typeId<EventControl>();
  call.method_id = EventMethods::kFeed;
  constexpr std::size_t kSourceWords = 16;
  std::size_t words = 8;
  for (const FeedSource& source : sources) {
    words += kSourceWords + TextWords(source.project.size());
  }
  rpc_->SendCall(call, words, [&](AnyPointer::Builder content) {
    auto params = content.initAs<EventControl::FeedParams>();
    auto list = params.initSources(static_cast<unsigned>(sources.size()));
    for (unsigned i = 0; i < list.size(); ++i) FillSource(list[i], sources[i]);
    params.setWritten(visibility == Visibility::kWritten);
    params.setSink(PlainRpc::AnyCapability().castAs<RecordSink>());
  });
  FlushSoon();
  return call.question;
}

void EventLink::CloseFeed(PlainRpc::Id feed) {
  if (gone()) return;
  Question* question = questions_.Find(feed);
  if (question == nullptr || std::exchange(question->closed, true)) return;
  rpc_->SendFinish(feed);
  FlushSoon();
}

void EventLink::AnswerPush(PlainRpc::Id push) {
  if (gone()) return;
  rpc_->SendNoResults(push);
  FlushSoon();
}

// What is said while messages are read leaves when all are.
void EventLink::FlushSoon() {
  if (!reading_) socket_->Flush();
}

// ---- messages

// If a callback throws, the exception is the executor's, and the rest is read
// in a handler of its own; as it is where there is much.
void EventLink::OnReadable() {
  constexpr int kMessagesAtOnce = 64;
  struct Rest {
    EventLink& link;
    bool all_read = false;
    ~Rest() { link.OnRead(all_read); }
  };
  const auto self = shared_from_this();
  reading_ = true;
  Rest rest{*this};
  for (int left = kMessagesAtOnce; left > 0 && !gone(); --left) {
    MessageSocket::Words message;
    const MessageSocket::Input input = socket_->Next(message);
    rest.all_read = input == MessageSocket::Input::kNothingNow;
    if (rest.all_read) return;
    heard_ = true;
    const bool good = input == MessageSocket::Input::kMessage &&
                      rpc_->Receive(message, *this).ok();
    // Outside of what catches exceptions.
    if (answer_) {
      Answer answer = *std::exchange(answer_, std::nullopt);
      answer.first(std::move(answer.second));
    }
    if (!good && !gone()) Lose(LostStatus());
  }
}

void EventLink::OnRead(bool all_read) {
  reading_ = false;
  if (gone()) {
    socket_ = nullptr;
    return;
  }
  socket_->Flush();
  if (all_read) return socket_->WaitReadable();
  boost::asio::post(executor_, [self = shared_from_this()] {
    if (!self->gone()) self->OnReadable();
  });
}

void EventLink::OnBootstrap(PlainRpc::Id question, AnyPointer::Reader) {
  rpc_->SendException(question, MakeStatus(absl::StatusCode::kUnimplemented,
                                           "a client offers nothing"));
}

void EventLink::OnCall(const capnp::rpc::Call::Reader& call) {
  const auto target = call.getTarget();
  const std::shared_ptr<RemoteFeed>* found =
      target.isImportedCap() ? exports_.Find(target.getImportedCap()) : nullptr;
  const PlainRpc::Id question = call.getQuestionId();
  if (found == nullptr ||
      call.getInterfaceId() != capnp::typeId<RecordSink>()) {
    return rpc_->SendException(
        question,
        MakeStatus(absl::StatusCode::kUnimplemented, "no such capability"));
  }
  const std::shared_ptr<RemoteFeed> feed = *found;
  const AnyPointer::Reader content = call.getParams().getContent();
  switch (call.getMethodId()) {
    case SinkMethods::kStart:
      rpc_->SendNoResults(question);
      return feed->OnStart(
          StartsOf(content.getAs<RecordSink::StartParams>().getSources()));
    case SinkMethods::kPush: {
      ReadPieces(content.getAs<RecordSink::PushParams>().getPieces(), pieces_);
      return feed->OnPush(question, pieces_);
    }
    default:
      rpc_->SendException(question, MakeStatus(absl::StatusCode::kUnimplemented,
                                               "no such method"));
  }
}

void EventLink::OnReturn(const capnp::rpc::Return::Reader& answer) {
  const PlainRpc::Id id = answer.getAnswerId();
  Question* found = questions_.Find(id);
  if (found == nullptr || id == 0) return;  // 0: the bootstrap.
  const Question question = std::move(*found);
  questions_.Remove(id);
  if (!question.closed) rpc_->FinishLater(id);
  if (question.sign) {
    asked_ = false;
    return;
  }
  if (question.feed) return OnFeedReturn(question, answer);
  answer_.emplace(question.answered, AppendAnswer(answer));
}

void EventLink::OnFeedReturn(const Question& question,
                             const capnp::rpc::Return::Reader& answer) {
  exports_.Remove(question.sink);
  const absl::Status fault = FaultOf(answer);
  if (!fault.ok()) {
    return question.feed->OnEnd({FeedEnd::Why::kFailed, 0, {}, {}, fault});
  }
  question.feed->OnEnd(EndOf(answer.getResults()
                                 .getContent()
                                 .getAs<EventControl::FeedResults>()
                                 .getEnd()));
}

// ---- ending

void EventLink::WaitForTick() {
  tick_.expires_after(std::chrono::milliseconds((silence_ms_max_ + 1) / 2));
  tick_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    const auto self = weak.lock();
    if (!error && self && !self->gone()) self->OnTick();
  });
}

// One tick without a message may have gone by while this program was stopped
// or let nobody run the executor; after it there was time to read.
void EventLink::OnTick() {
  const bool waits = questions_.size() > 1 + (asked_ ? 1 : 0);  // Bootstrap.
  silent_ticks_ = waits && !heard_ ? silent_ticks_ + 1 : 0;
  heard_ = false;
  if (silent_ticks_ == 2) {
    const auto self = shared_from_this();
    Lose(SilentStatus());
    if (!reading_) socket_ = nullptr;
    return;
  }
  if (silent_ticks_ > 0 && !std::exchange(asked_, true)) {
    Question sign;
    sign.sign = true;
    rpc_->SendBootstrap(questions_.Add(std::move(sign)), kEventObject);
    FlushSoon();
  }
  WaitForTick();
}

void EventLink::Lose(absl::Status why) {
  const auto self = shared_from_this();
  lost_ = std::move(why);
  tick_.cancel();
  for (const Question& question : questions_.TakeAll()) {
    if (closed_) return;
    if (question.feed) {
      question.feed->OnEnd({FeedEnd::Why::kFailed, 0, {}, {}, lost_});
    } else if (question.answered) {
      question.answered(lost_);
    }
  }
  const auto on_lost = std::exchange(on_lost_, nullptr);
  if (!closed_ && on_lost) on_lost();
}

void EventLink::Close() {
  closed_ = true;
  tick_.cancel();
  questions_.TakeAll();
  exports_.TakeAll();
  if (!reading_) socket_ = nullptr;
}

}  // namespace syncline
