// Events and feeds.

#include <capnp/message.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "base/status.h"
#include "node/control_service.h"
#include "node/event_ops.h"
#include "node/feed.h"
#include "node/log_feed.h"
#include "proto/kj_status.h"

namespace syncline {
namespace {

std::string_view ViewOf(capnp::Data::Reader data) {
  return {reinterpret_cast<const char*>(data.begin()), data.size()};
}
std::string_view ViewOf(capnp::Text::Reader text) {
  return {text.begin(), text.size()};
}
capnp::Data::Reader ToData(std::string_view bytes) {
  return {reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()};
}

// ---- append

struct Outcome {
  std::vector<Seq> firsts;                                    // By run.
  std::vector<std::pair<std::size_t, absl::Status>> refused;  // By event.
};

// One call: all of its runs go into their logs in this turn, and it is
// answered when the last of them is safe.
class EventAppend : public std::enable_shared_from_this<EventAppend> {
 public:
  EventAppend(NodeCore& core, Durability durability, Callback<Outcome> done)
      : core_(core), durability_(durability), done_(std::move(done)) {}

  void Start(capnp::List<control::EventRun>::Reader runs) {
    outcome_.firsts.resize(runs.size());
    left_ = 1;
    for (unsigned i = 0; i < runs.size(); ++i) AddRun(i, runs[i]);
    OneDone();
  }

 private:
  void AddRun(std::size_t index, control::EventRun::Reader run) {
    const auto payloads = run.getPayloads();
    const std::size_t first_event = events_;
    events_ += payloads.size();
    const std::string_view channel = ViewOf(run.getChannel());
    views_.clear();
    for (const auto payload : payloads) {
      views_.push_back({channel, ViewOf(payload)});
    }
    const absl::StatusOr<Replica*> replica = FindReplica(run.getProject());
    if (!replica.ok()) {
      return Refuse(first_event, views_.size(), replica.status());
    }
    if (views_.empty()) return;
    ++left_;
    const EventsTaken taken =
        AppendEvents(**replica, views_, durability_,
                     [self = shared_from_this(), index, first_event,
                      count = views_.size()](const absl::Status& status) {
                       if (!status.ok()) {
                         self->outcome_.firsts[index] = Seq();
                         self->Refuse(first_event, count, status);
                       }
                       self->OneDone();
                     });
    outcome_.firsts[index] = taken.first;
    for (const auto& [event, status] : taken.refused) {
      outcome_.refused.emplace_back(first_event + event, status);
    }
    if (taken.taken == 0) --left_;
  }

  // Runs of one project mostly follow one another.
  absl::StatusOr<Replica*> FindReplica(capnp::Text::Reader name) {
    if (replica_ == nullptr || name_ != ViewOf(name)) {
      name_ = ViewOf(name);
      replica_ = nullptr;
      SYNCLINE_ASSIGN_OR_RETURN(ProjectRuntime * project, core_.Find(name_));
      replica_ = project->replica.get();
    }
    return replica_;
  }

  void Refuse(std::size_t first, std::size_t count,
              const absl::Status& status) {
    std::erase_if(outcome_.refused, [&](const auto& one) {
      return one.first >= first && one.first < first + count;
    });
    for (std::size_t i = first; i < first + count; ++i) {
      outcome_.refused.emplace_back(i, status);
    }
  }

  void OneDone() {
    if (--left_ > 0) return;
    std::sort(outcome_.refused.begin(), outcome_.refused.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    done_(std::move(outcome_));
  }

  NodeCore& core_;  // Used in Start() only.
  const Durability durability_;
  const Callback<Outcome> done_;
  std::string name_;
  Replica* replica_ = nullptr;
  std::vector<EventView> views_;
  std::size_t events_ = 0;
  std::size_t left_ = 0;
  Outcome outcome_;
};

void FillOutcome(control::EventsAppended::Builder out, const Outcome& in) {
  auto firsts = out.initFirsts(static_cast<unsigned>(in.firsts.size()));
  for (unsigned i = 0; i < firsts.size(); ++i) {
    firsts.set(i, in.firsts[i].value);
  }
  auto refused = out.initRefused(static_cast<unsigned>(in.refused.size()));
  for (unsigned i = 0; i < refused.size(); ++i) {
    const auto& [event, status] = in.refused[i];
    refused[i].setEvent(static_cast<std::uint32_t>(event));
    FillFailure(refused[i].initFailure(), status);
  }
}

// ---- feeds

constexpr std::size_t kPushBytesMax = 256u << 10;
constexpr std::size_t kPushBytesMin = 4u << 10;
// Shared out among all feeds, each of which may have two pushes on their way:
// what consumers that stall can cost together is twice this.
constexpr std::size_t kAllPushBytes = 64u << 20;

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

// Pushes what a feed has to a sink that may be far away. One push is on its
// way until it is answered, and what gathers meanwhile goes into the next; two
// where there is more than enough, so that reading goes on while the other
// side works. A slow sink costs its own two messages and nothing else.
//
// Belongs to the call's promise; inside the loop.
class FeedPush {
 public:
  FeedPush(NodeCore& core, KjLoop& loop, Visibility visibility,
           std::shared_ptr<std::size_t> feeds, control::RecordSink::Client sink)
      : loop_(loop),
        sink_(kj::mv(sink)),
        feeds_(std::move(feeds)),
        tasks_(errors_) {
    ++*feeds_;
    feed_ = std::make_shared<LogFeed>(
        core.weak_from_this(), visibility,
        [this, alive = std::weak_ptr<char>(alive_)] { PushLater(alive); });
  }
  ~FeedPush() {
    --*feeds_;
    feed_->Stop();
  }

  kj::Promise<FeedEnd> Run(const std::vector<FeedSource>& sources) {
    auto end = kj::newPromiseAndFulfiller<FeedEnd>();
    end_ = kj::mv(end.fulfiller);
    if (feed_->Open(sources)) SendStart();
    Push();
    return kj::mv(end.promise);
  }

 private:
  using Answer = capnp::Response<control::RecordSink::PushResults>;

  // A sink that fails gets no more; its caller is about to drop the call.
  struct Errors final : kj::TaskSet::ErrorHandler {
    void taskFailed(kj::Exception&&) override { failed = true; }
    bool failed = false;
  };

  // Of all feeds that a group of records makes ready, one handler.
  void PushLater(const std::weak_ptr<char>& alive) {
    loop_.Post([this, alive] {
      if (!alive.expired()) Push();
    });
  }

  void SendStart() {
    const std::vector<FeedStart>& starts = feed_->starts();
    auto request = sink_.startRequest();
    auto list = request.initSources(static_cast<unsigned>(starts.size()));
    for (unsigned i = 0; i < list.size(); ++i) {
      auto position = list[i].initPosition();
      position.setLog(ToData(starts[i].position.log.bytes));
      position.setSeq(starts[i].position.seq.value);
      list[i].setHead(starts[i].head.value);
    }
    tasks_.add(request.send().ignoreResult());
  }

  void Push() {
    while (end_.get() != nullptr && !errors_.failed) {
      const std::size_t room =
          std::clamp(kAllPushBytes / *feeds_, kPushBytesMin, kPushBytesMax);
      const std::size_t window = last_bytes_ >= room / 2 ? 2 : 1;
      if (in_flight_ >= window) return;
      const std::size_t bytes = Gather(room);
      if (bytes == 0) break;
      last_bytes_ = bytes;
      Send();
    }
    if (end_.get() == nullptr || !feed_->ended()) return;
    end_->fulfill(FeedEnd(*feed_->ended()));
    end_ = nullptr;
  }

  std::size_t Gather(std::size_t room) {
    gathered_.clear();
    std::size_t bytes = 0;
    FeedRecords records;
    while (bytes < room && feed_->Next(room - bytes, records)) {
      bytes += records.span.bytes.size();
      gathered_.push_back(std::move(records));
    }
    return bytes;
  }

  void Send() {
    constexpr std::size_t kPieceWords = 8;
    std::size_t words = 2 * kPieceWords;
    for (const FeedRecords& one : gathered_) {
      words += kPieceWords + one.span.bytes.size() / sizeof(capnp::word);
    }
    auto request = sink_.pushRequest(capnp::MessageSize{words, 0});
    auto pieces = request.initPieces(static_cast<unsigned>(gathered_.size()));
    for (unsigned i = 0; i < pieces.size(); ++i) {
      const FeedRecords& one = gathered_[i];
      pieces[i].setSource(static_cast<std::uint32_t>(one.source));
      pieces[i].setFirst(one.span.first.value);
      pieces[i].setLast(one.span.last.value);
      pieces[i].setRecords(ToData(one.span.bytes));
    }
    gathered_.clear();
    ++in_flight_;
    tasks_.add(request.send().then([this](Answer&& answer) {
      --in_flight_;
      Push();
      answered_ = kj::mv(answer);
    }));
    // Now its end shares a packet with the push.
    answered_ = nullptr;
  }

  KjLoop& loop_;
  control::RecordSink::Client sink_;
  const std::shared_ptr<std::size_t> feeds_;  // How many there are.
  const std::shared_ptr<char> alive_ = std::make_shared<char>();
  std::shared_ptr<LogFeed> feed_;
  kj::Own<kj::PromiseFulfiller<FeedEnd>> end_;  // Null: told.
  std::vector<FeedRecords> gathered_;
  std::size_t in_flight_ = 0;
  std::size_t last_bytes_ = 0;
  // Of the last push. To drop an answer is a message, which would wake the
  // other side for nothing: it waits for the next push.
  kj::Maybe<Answer> answered_;
  Errors errors_;
  kj::TaskSet tasks_;
};

}  // namespace

kj::Promise<void> ControlService::appendEvents(AppendEventsContext context) {
  const auto params = context.getParams();
  const Durability durability =
      params.getDurable() ? Durability::kDurable : Durability::kBuffered;
  auto promise = bridge_.Await<Outcome>(
      [&](Callback<Outcome> done) {
        std::make_shared<EventAppend>(core_, durability, std::move(done))
            ->Start(params.getRuns());
      },
      ControlBridge::Tell::kAtOnce);
  context.releaseParams();
  return AnswerLater(context, kj::mv(promise),
                     [](auto out, const Outcome& in) { FillOutcome(out, in); });
}

kj::Promise<void> ControlService::feed(FeedContext context) {
  context.allowCancellation();
  const auto params = context.getParams();
  std::vector<FeedSource> sources;
  for (const auto source : params.getSources()) {
    sources.push_back(SourceOf(source));
  }
  auto push = kj::heap<FeedPush>(
      core_, bridge_.loop(),
      params.getWritten() ? Visibility::kWritten : Visibility::kDurable, feeds_,
      params.getSink());
  context.releaseParams();
  auto ended = push->Run(sources);
  return ended
      .then([context](const FeedEnd& end) mutable {
        FillEnd(context.getResults().initEnd(), end);
      })
      .attach(kj::mv(push));
}

}  // namespace syncline
