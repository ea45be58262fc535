// log: what it shows. What is below it: log_keep_commands.cc.

#include <fmt/format.h>

#include "base/status.h"
#include "node/cli/invocation.h"
#include "node/cli/json.h"
#include "node/cli/log_commands.h"
#include "node/cli/output.h"

namespace syncline::cli {
namespace {

struct LogArgs {
  std::string project;
  std::optional<std::uint64_t> since;
  std::uint64_t until = 0;
  std::uint64_t limit = 0;
  bool reverse = false;
  bool follow = false;
  std::string path;
  std::string log_id;
  std::string device;
  std::string cursor;
  std::vector<std::string> kinds;
};

std::string ChangeText(control::Change::Reader change) {
  const std::string type = FromKj(change.getType());
  const std::string path = Shown(FromKj(change.getPath()));
  if (change.getFrom().size() > 0) {
    return fmt::format("{} {} -> {}", type, Shown(FromKj(change.getFrom())),
                       path);
  }
  return fmt::format("{} {}", type, path);
}

void PrintRecord(control::Record::Reader record) {
  const std::string head = fmt::format(
      "{:>6}  {}  {:<9}", record.getSeq(), TimeText(record.getTimeMs()),
      FromKj(record.getDevice()).substr(0, kShortId));
  const std::string cause = FromKj(record.getCause());
  const auto changes = record.getChanges();
  const std::string first =
      changes.size() == 0 ? std::string("-") : ChangeText(changes[0]);
  PrintLine(head + "  " + first +
            (cause == "user" ? "" : Paint(Tone::kFaint, "  (" + cause + ")")));
  for (unsigned i = 1; i < changes.size(); ++i) {
    PrintLine(std::string(head.size() + 2, ' ') + ChangeText(changes[i]));
  }
}

class Printer final : public control::LogSink::Server {
 public:
  // Counts in `shown`, which it borrows.
  Printer(bool json, std::uint64_t& shown) : json_(json), shown_(shown) {}

 protected:
  kj::Promise<void> deliver(DeliverContext context) override {
    for (const auto record : context.getParams().getRecords()) {
      if (json_) {
        PrintLine(RecordJson(record));
      } else {
        PrintRecord(record);
      }
      ++shown_;
    }
    FlushOutput();
    return kj::READY_NOW;
  }

 private:
  bool json_;
  std::uint64_t& shown_;
};

void FillQuery(control::LogQuery::Builder query, const LogArgs& args,
               bool follow) {
  query.setSince(args.since.value_or(0));
  query.setResume(args.since.has_value());
  query.setUntil(args.until);
  query.setLimit(args.limit);
  query.setReverse(args.reverse);
  query.setFollow(follow);
  query.setPath(ToKj(args.path));
  query.setLogId(ToKj(args.log_id));
  query.setDevice(ToKj(args.device));
  query.setCursor(ToKj(args.cursor));
  auto kinds = query.initKinds(static_cast<unsigned>(args.kinds.size()));
  for (unsigned i = 0; i < kinds.size(); ++i) {
    kinds.set(i, ToKj(args.kinds[i]));
  }
}

absl::StatusOr<ExitCode> Refuse(const Invocation& in, const char* error,
                                control::Horizon::Reader horizon,
                                const char* why) {
  if (in.json) {
    PrintJson({{"error", error},
               {"horizon", horizon.getHorizon()},
               {"head", horizon.getHead()}});
    FlushOutput();
  }
  return FailedPrecondition(fmt::format(
      "{}: {}", why, ExtentText(horizon.getHorizon(), horizon.getHead())));
}

absl::StatusOr<ExitCode> Log(const Invocation& in, const LogArgs& args) {
  if (args.project.empty()) return InvalidArgument("PROJECT is required");
  std::uint64_t shown = 0;
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  // Without a node nothing comes, and who stayed would keep one from starting.
  const bool live = args.follow && session->served();
  if (live) session->CancelOnSignal();
  auto answer = session->Call([&](auto& client) {
    auto request = client.readLogRequest();
    request.setProject(ToKj(args.project));
    FillQuery(request.initQuery(), args, live);
    request.setSink(kj::heap<Printer>(in.json, shown));
    return request.send();
  });
  if (live && absl::IsCancelled(answer.status())) {
    return ExitCode::kDone;  // As asked for, by SIGINT.
  }
  SYNCLINE_RETURN_IF_ERROR(answer.status());
  const auto end = (*answer)->getResult().getValue();
  if (!end.isLast()) return RefusePosition(in, end);
  const bool complete = (args.limit > 0 && shown >= args.limit) ||
                        (args.until > 0 && end.getLast() >= args.until);
  if (live || !args.follow || complete) return ExitCode::kDone;
  return absl::UnavailableError(
      "no node serves this home, so nothing more comes (run 'syncline serve')");
}

}  // namespace

std::string ExtentText(std::uint64_t horizon, std::uint64_t head) {
  if (horizon < head) {
    return fmt::format("the log has {} to {}", horizon + 1, head);
  }
  return fmt::format("the log has no records up to {}", head);
}

absl::StatusOr<ExitCode> RefusePosition(const Invocation& in,
                                        control::LogEnd::Reader end) {
  switch (end.which()) {
    case control::LogEnd::LAST:
      break;
    case control::LogEnd::BEHIND_HORIZON:
      return Refuse(in, "behind_horizon", end.getBehindHorizon(),
                    "the position was truncated away");
    case control::LogEnd::CURSOR_INVALID:
      return Refuse(in, "cursor_invalid", end.getCursorInvalid(),
                    "the position is not one of this log");
  }
  return Internal("an answer of a newer program");
}

void AddLogCommand(CLI::App& app, Invocation& in) {
  CLI::App* log = AddCommand(app, "log", "What changed, in order",
                             "syncline log notes\n"
                             "syncline log notes --since 120 --follow --json\n"
                             "syncline log notes --reverse --limit 10\n"
                             "syncline log notes --path 'drafts/**' --kind "
                             "delete\n"
                             "syncline log notes --cursor indexer --follow\n"
                             "syncline log truncate notes --keep 10000");
  auto args = std::make_shared<LogArgs>();
  // Not required: the commands below have their own.
  log->add_option("PROJECT", args->project, "The project");
  CLI::Option* since =
      log->add_option("--since", args->since, "Behind this position")
          ->type_name("SEQ")
          ->check(WholeNumber());
  log->add_option("--until", args->until, "Up to this position")
      ->type_name("SEQ")
      ->check(WholeNumber());
  log->add_option("--limit", args->limit, "At most so many records")
      ->type_name("N")
      ->check(WholeNumber());
  log->add_flag("--reverse", args->reverse, "Newest first");
  log->add_option("--path", args->path,
                  "Only changes at paths like this (*, ?, **)")
      ->type_name("GLOB");
  log->add_option("--kind", args->kinds, "Only changes of this type")
      ->type_name("KIND")
      ->allow_extra_args(false)
      ->check(CLI::IsMember({"create", "update", "delete", "rename", "mkdir",
                             "rmdir", "attr", "conflict", "resolve", "doc",
                             "event", "subtree"}));
  log->add_option("--device", args->device,
                  "Only what this device made: its id, or the start of it")
      ->type_name("ID");
  log->add_option("--cursor", args->cursor,
                  "Behind this named cursor, which stays where it is")
      ->type_name("NAME")
      ->excludes(since);
  log->add_option("--log-id", args->log_id,
                  "The log that --since is a position of")
      ->type_name("ID");
  log->add_flag("--follow", args->follow, "Then stay, and show what comes");
  AddLogKeepCommands(*log, in);
  log->callback([&in, args, log] {
    if (!log->get_subcommands().empty()) return;
    in.what = "log " + args->project;
    in.run = [&in, args] { return Log(in, *args); };
  });
}

}  // namespace syncline::cli
