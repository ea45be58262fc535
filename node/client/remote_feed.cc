#include "node/client/remote_feed.h"

#include <kj/debug.h>

#include <string>
#include <utility>

#include "base/status.h"
#include "proto/kj_status.h"

namespace syncline {
namespace {

std::string_view ViewOf(capnp::Data::Reader data) {
  return {reinterpret_cast<const char*>(data.begin()), data.size()};
}

absl::Status StatusOf(control::Failure::Reader failure) {
  return MakeStatus(
      static_cast<absl::StatusCode>(failure.getCode()),
      {failure.getMessage().begin(), failure.getMessage().size()});
}

void FillSource(control::FeedSource::Builder out, const FeedSource& in) {
  out.setProject({in.project.c_str(), in.project.size()});
  switch (in.from) {
    case FeedSource::From::kLive:
      return out.setLive();
    case FeedSource::From::kOldest:
      return out.setOldest();
    case FeedSource::From::kPosition:
      break;
  }
  auto position = out.initBehind();
  const std::string& log = in.position.log.bytes;
  position.setLog({reinterpret_cast<const kj::byte*>(log.data()), log.size()});
  position.setSeq(in.position.seq.value);
}

FeedEnd EndOf(control::FeedEnd::Reader in) {
  FeedEnd end;
  end.source = in.getSource();
  const auto read = [&](control::Horizon::Reader horizon, const char* what) {
    end.horizon = Seq{horizon.getHorizon()};
    end.head = Seq{horizon.getHead()};
    end.status = FailedPrecondition(what);
  };
  switch (in.which()) {
    case control::FeedEnd::CANCELLED:
      end.why = FeedEnd::Why::kCancelled;
      end.status = StatusOf(in.getCancelled());
      return end;
    case control::FeedEnd::BEHIND_HORIZON:
      end.why = FeedEnd::Why::kBehindHorizon;
      read(in.getBehindHorizon(), "the position was truncated away");
      return end;
    case control::FeedEnd::CURSOR_INVALID:
      end.why = FeedEnd::Why::kCursorInvalid;
      read(in.getCursorInvalid(), "the position is not one of this log");
      return end;
    case control::FeedEnd::FAILED:
      end.why = FeedEnd::Why::kFailed;
      end.status = StatusOf(in.getFailed());
      return end;
  }
  end.why = FeedEnd::Why::kFailed;
  end.status = Internal("an answer of a newer program");
  return end;
}

}  // namespace

class RemoteFeed::Sink final : public control::RecordSink::Server {
 public:
  explicit Sink(std::weak_ptr<RemoteFeed> feed) : feed_(std::move(feed)) {}

 protected:
  kj::Promise<void> start(StartContext context) override {
    const auto feed = feed_.lock();
    if (feed) feed->OnStart(context.getParams().getSources());
    return kj::READY_NOW;
  }
  kj::Promise<void> push(PushContext context) override {
    const auto feed = feed_.lock();
    if (!feed) return KJ_EXCEPTION(DISCONNECTED, "the feed was cancelled");
    return feed->OnPush(context);
  }

 private:
  const std::weak_ptr<RemoteFeed> feed_;
};

RemoteFeed::RemoteFeed(KjLoop& loop, FeedHandlers handlers)
    : loop_(loop), handlers_(std::move(handlers)) {}

RemoteFeed::~RemoteFeed() = default;

// ---- inside the loop

void RemoteFeed::Open(control::EventControl::Client* target,
                      const absl::Status& lost, std::vector<FeedSource> sources,
                      Visibility visibility) {
  if (target == nullptr) {
    end_ = FeedEnd{FeedEnd::Why::kFailed, 0, {}, {}, lost};
    return DeliverLater();
  }
  seqs_.resize(sources.size());
  loop_.Post([self = shared_from_this(), client = *target,
              sources = std::move(sources), visibility]() mutable {
    if (!self->cancelled_) self->Call(client, sources, visibility);
  });
}

void RemoteFeed::Call(control::EventControl::Client& target,
                      const std::vector<FeedSource>& sources,
                      Visibility visibility) {
  auto request = target.feedRequest();
  auto list = request.initSources(static_cast<unsigned>(sources.size()));
  for (unsigned i = 0; i < list.size(); ++i) FillSource(list[i], sources[i]);
  request.setWritten(visibility == Visibility::kWritten);
  request.setSink(kj::heap<Sink>(weak_from_this()));
  call_ = request.send()
              .then([this](capnp::Response<control::EventControl::FeedResults>&&
                               response) { OnEnd(EndOf(response.getEnd())); },
                    [this](kj::Exception&& exception) {
                      OnEnd({FeedEnd::Why::kFailed,
                             0,
                             {},
                             {},
                             StatusFromKj(exception)});
                    })
              .eagerlyEvaluate(nullptr);
}

void RemoteFeed::OnStart(capnp::List<control::FeedStart>::Reader starts) {
  if (cancelled_ || starts.size() != seqs_.size()) return;
  starts_.clear();
  for (const auto start : starts) {
    const auto position = start.getPosition();
    const Seq seq = {position.getSeq()};
    seqs_[starts_.size()] = seq;
    starts_.push_back({{LogId{std::string(ViewOf(position.getLog()))}, seq},
                       Seq{start.getHead()}});
  }
  starting_ = true;
  DeliverLater();
}

kj::Promise<void> RemoteFeed::OnPush(PushContext context) {
  auto answered = kj::newPromiseAndFulfiller<void>();
  if (cancelled_) return kj::READY_NOW;
  pushes_.push_back({context, kj::mv(answered.fulfiller), 0});
  DeliverLater();
  return kj::mv(answered.promise);
}

void RemoteFeed::OnEnd(FeedEnd end) {
  if (!end_) end_ = std::move(end);
  DeliverLater();
}

// ---- outside

void RemoteFeed::DeliverLater() {
  if (std::exchange(posted_, true)) return;
  loop_.Leave([weak = weak_from_this()] {
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
    loop_.Enter([this] {
      pushes_.front().answer->fulfill();
      pushes_.pop_front();
    });
  }
}

bool RemoteFeed::DeliverPush(Push& push) {
  const auto pieces = push.context.getParams().getPieces();
  while (push.next_piece < pieces.size()) {
    if (paused_) return false;
    const auto piece = pieces[push.next_piece++];
    FeedRecords records;
    records.source = piece.getSource();
    records.span = {Seq{piece.getFirst()}, Seq{piece.getLast()},
                    ViewOf(piece.getRecords()), nullptr};
    if (records.source >= starts_.size()) continue;
    at_source_ = records.source;
    seqs_[records.source] = records.span.last;
    if (handlers_.on_records) handlers_.on_records(records);
    if (cancelled_) return false;  // The push may be gone.
  }
  return true;
}

void RemoteFeed::Finish(const FeedEnd& end) {
  Cancel();
  if (!handlers_.on_end) return;
  // Nobody is left to be told.
  CatchKj([&] { handlers_.on_end(end); }).IgnoreError();
}

void RemoteFeed::Cancel() {
  if (std::exchange(cancelled_, true)) return;
  // In a later handler: the consumer may be reading a push.
  loop_.Post([self = shared_from_this()] { self->DropCall(); });
}

void RemoteFeed::DropCall() {
  cancelled_ = true;
  for (Push& push : pushes_) push.answer->fulfill();
  pushes_.clear();
  call_ = nullptr;
}

void RemoteFeed::Resume() {
  if (std::exchange(paused_, false)) DeliverLater();
}

FeedPosition RemoteFeed::position(std::size_t source) const {
  if (source >= starts_.size()) return {};
  return {starts_[source].position.log, seqs_[source]};
}

}  // namespace syncline
