// event append.

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include <boost/json/monotonic_resource.hpp>
#include <boost/json/parse.hpp>

#include "base/status.h"
#include "node/cli/invocation.h"
#include "node/cli/output.h"
#include "node/client/append_queue.h"
#include "node/client/append_wire.h"
#include "node/client/event_limits.h"
#include "proto/kj_status.h"

namespace syncline::cli {
namespace {

struct EventArgs {
  std::string project;
  std::string channel;
  std::optional<std::string> event;
  bool buffered = false;
};

constexpr std::string_view kBlanks = " \t\r";

// OK, or why `text` is no JSON.
absl::Status CheckJson(std::string_view text) {
  std::array<unsigned char, 4096> memory;
  boost::json::monotonic_resource arena(memory.data(), memory.size());
  boost::json::error_code error;
  boost::json::parse({text.data(), text.size()}, error, &arena);
  if (!error) return absl::OkStatus();
  return InvalidArgument("not JSON: " + error.message());
}

// Appends events through a queue that gathers them into messages. Stops at
// the first that fails; all before it were or will be answered.
class Appender {
 public:
  Appender(const EventArgs& args, bool json, Session& session)
      : args_(args), json_(json), session_(session) {
    queue_ = std::make_shared<AppendQueue>(
        session.loop().executor(),
        [this](const auto& batch, AppendAnswered done) {
          session_.loop().Enter([&] { Send(*batch, std::move(done)); });
        },
        AppendQueue::Options());
    session.loop().Enter([this] { calls_ = std::make_unique<Calls>(); });
  }
  ~Appender() {
    queue_->Close();
    session_.loop().Enter([this] { calls_ = nullptr; });
  }

  // `where` is for the error: "line 3".
  void Add(std::string_view event, const std::string& where) {
    const absl::Status valid = CheckJson(event);
    if (!valid.ok()) return Fail(Annotate(valid, where));
    queue_->Append(
        args_.project, args_.channel, event,
        args_.buffered ? Durability::kBuffered : Durability::kDurable,
        [this, where](const absl::StatusOr<Seq>& seq) {
          if (seq.ok()) return Count(*seq);
          if (absl::IsUnavailable(seq.status())) ++unanswered_;
          Fail(where.empty() || !absl::IsInvalidArgument(seq.status())
                   ? seq.status()
                   : Annotate(seq.status(), where));
        });
  }

  void Fail(const absl::Status& status) { status_.Update(status); }
  [[nodiscard]] bool failed() const { return !status_.ok(); }

  // Until no more than `bytes` wait for their answers.
  void Drain(std::size_t bytes) {
    Fail(session_.RunUntil([&] {
      return bytes == 0 ? queue_->UnansweredEvents() == 0
                        : queue_->UnansweredBytes() <= bytes;
    }));
  }

  absl::StatusOr<ExitCode> Finish() {
    Drain(0);
    if (failed()) return WithCounts();
    if (!json_ && appended_ > 0) {
      PrintLine(appended_ == 1 ? fmt::format("appended 1 event, seq {}", first_)
                               : fmt::format("appended {} events, seq {} to {}",
                                             appended_, first_, last_));
    }
    return ExitCode::kDone;
  }

 private:
  struct Calls final : kj::TaskSet::ErrorHandler {
    void taskFailed(kj::Exception&&) override {}
    kj::TaskSet tasks{*this};
  };

  // Inside the loop; answers leave it.
  void Send(const AppendBatch& batch, AppendAnswered done) {
    auto request = session_.client().appendEventsRequest(
        capnp::MessageSize{AppendWords(batch), 0});
    FillAppend(request, batch);
    const auto answer = [this, done](absl::StatusOr<AppendOutcome> outcome) {
      session_.loop().Leave(
          [done, outcome = std::move(outcome)] { done(outcome); });
    };
    calls_->tasks.add(request.send().then(
        [answer](auto&& response) { answer(OutcomeOf(response.getResult())); },
        [answer](kj::Exception&& exception) {
          answer(Session::FaultOf(StatusFromKj(exception)));
        }));
  }

  // The error, and what became of the events.
  [[nodiscard]] absl::Status WithCounts() const {
    std::string text(FromAbsl(status_.message()));
    const std::uint64_t unanswered = unanswered_ + queue_->UnansweredEvents();
    if (!args_.event) {
      text += appended_ == 1 ? " (1 event was"
                             : fmt::format(" ({} events were", appended_);
      text += " appended before";
      if (unanswered > 0) text += fmt::format(", {} may be", unanswered);
      text += ')';
    } else if (unanswered > 0) {
      text += " (the event may be appended)";
    }
    return MakeStatus(status_.code(), text);
  }

  void Count(Seq seq) {
    if (appended_++ == 0) first_ = seq.value;
    last_ = seq.value;
    if (json_) PrintLine(fmt::format("{{\"seq\":{}}}", seq.value));
  }

  const EventArgs& args_;
  const bool json_;
  Session& session_;
  std::shared_ptr<AppendQueue> queue_;
  std::unique_ptr<Calls> calls_;
  absl::Status status_;
  std::uint64_t appended_ = 0;
  std::uint64_t unanswered_ = 0;  // The connection was lost before.
  std::uint64_t first_ = 0;
  std::uint64_t last_ = 0;
};

// Reads lines from stdin. While there is more to read at once, nothing is
// waited for but room; what is typed line by line is appended line by line.
class LineReader {
 public:
  explicit LineReader(Appender& appender) : appender_(appender) {}

  void Run() {
    constexpr std::size_t kReadBytes = 64u << 10;
    constexpr std::size_t kUnansweredBytesMax = 4u << 20;
    std::string chunk(kReadBytes, '\0');
    while (!appender_.failed()) {
      pollfd input = {STDIN_FILENO, POLLIN, 0};
      const bool ready = poll(&input, 1, 0) != 0;
      appender_.Drain(ready ? kUnansweredBytesMax : 0);
      if (!ready) FlushOutput();
      if (appender_.failed()) return;
      const ssize_t got = read(STDIN_FILENO, chunk.data(), chunk.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return appender_.Fail(ErrnoStatus(errno, "read stdin"));
      if (got == 0) break;
      Take({chunk.data(), static_cast<std::size_t>(got)});
    }
    if (!appender_.failed() && !partial_.empty()) Add(partial_);
  }

 private:
  void Take(std::string_view bytes) {
    while (!appender_.failed()) {
      const std::size_t end = bytes.find('\n');
      partial_ += bytes.substr(0, end);
      if (end == std::string_view::npos) break;
      bytes.remove_prefix(end + 1);
      Add(partial_);
      partial_.clear();
    }
    // No end in sight: not worth the memory.
    if (partial_.size() > 2 * EventLimits::kPayloadBytesMax) Add(partial_);
  }

  // Empty lines are none.
  void Add(std::string_view line) {
    const std::string where = fmt::format("line {}", ++number_);
    const std::size_t begin = line.find_first_not_of(kBlanks);
    if (begin == std::string_view::npos) return;
    line = line.substr(begin, line.find_last_not_of(kBlanks) - begin + 1);
    const absl::Status fits = CheckPayload(line);
    if (!fits.ok()) return appender_.Fail(Annotate(fits, where));
    appender_.Add(line, where);
  }

  Appender& appender_;
  std::string partial_;
  std::uint64_t number_ = 0;
};

absl::StatusOr<ExitCode> Append(const Invocation& in, const EventArgs& args) {
  SYNCLINE_RETURN_IF_ERROR(CheckChannel(args.channel));
  if (args.event) SYNCLINE_RETURN_IF_ERROR(CheckJson(*args.event));
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  // Said before anything is read.
  SYNCLINE_RETURN_IF_ERROR(session
                               ->Call([&](auto& client) {
                                 auto request = client.strategyRequest();
                                 request.setProject(ToKj(args.project));
                                 return request.send();
                               })
                               .status());
  Appender appender(args, in.json, *session);
  if (args.event) {
    appender.Add(*args.event, "");
  } else {
    LineReader(appender).Run();
  }
  return appender.Finish();
}

}  // namespace

void AddEventCommands(CLI::App& app, Invocation& in) {
  CLI::App* event =
      AddCommand(app, "event", "An application's own records in the log",
                 "syncline event append notes alarms '{\"level\": 3}'\n"
                 "tail -f alarms.jsonl | syncline event append notes alarms");
  CLI::App* append =
      AddCommand(*event, "append", "Append events, from the argument or stdin",
                 "syncline event append notes alarms '{\"level\": 3}'\n"
                 "syncline event append notes alarms --json < alarms.jsonl");
  auto args = std::make_shared<EventArgs>();
  append->add_option("PROJECT", args->project, "The project")->required();
  append
      ->add_option("CHANNEL", args->channel,
                   "What the events are about; 1 to 255 bytes")
      ->required();
  append
      ->add_option("JSON", args->event,
                   "The event; without it, one from each line of stdin")
      ->type_name("JSON");
  append->add_flag("--buffered", args->buffered,
                   "Do not wait for the disk: an event survives the end of "
                   "the node, not a loss of power");
  append->callback([&in, args] {
    in.what = "event append " + args->project + " " + args->channel;
    in.run = [&in, args] { return Append(in, *args); };
  });
}

}  // namespace syncline::cli
