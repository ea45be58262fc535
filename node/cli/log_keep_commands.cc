// log truncate, log retention, log cursor.

#include <capnp/message.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/status.h"
#include "node/cli/json.h"
#include "node/cli/log_commands.h"
#include "node/cli/output.h"

namespace syncline::cli {
namespace {

// Of flags: bounds as people give them.
struct BoundFlags {
  std::uint64_t entries = 0;
  std::string age;
  std::uint64_t bytes = 0;

  [[nodiscard]] bool none() const {
    return entries == 0 && age.empty() && bytes == 0;
  }
};

absl::Status FillBounds(control::Bounds::Builder out, const BoundFlags& flags) {
  std::int64_t age_ms = 0;
  if (!flags.age.empty()) {
    SYNCLINE_ASSIGN_OR_RETURN(age_ms, ParseDuration(flags.age));
    // 0 would be no bound.
    age_ms = std::max<std::int64_t>(age_ms, 1);
  }
  out.setEntries(flags.entries);
  out.setAgeMs(age_ms);
  out.setBytes(flags.bytes);
  return absl::OkStatus();
}

std::string AgeText(std::int64_t ms) {
  struct Unit {
    std::int64_t ms;
    const char* name;
  };
  constexpr Unit kUnits[] = {
      {86'400'000, "d"}, {3'600'000, "h"}, {60'000, "m"}, {1'000, "s"}};
  for (const Unit& unit : kUnits) {
    if (ms % unit.ms == 0) return fmt::format("{}{}", ms / unit.ms, unit.name);
  }
  return fmt::format("{}ms", ms);
}

// ---- truncate

struct TruncateArgs {
  std::string project;
  std::optional<std::uint64_t> through;
  std::optional<std::uint64_t> keep;
  std::string older_than;
  bool force = false;
};

boost::json::array HoldersJson(control::Truncated::Reader in) {
  boost::json::array out;
  for (const auto holder : in.getHolders()) {
    boost::json::object each;
    each["kind"] = holder.getDevice() ? "device" : "cursor";
    SetText(each, "name", holder.getName());
    each["passed"] = holder.getPassed();
    out.push_back(std::move(each));
  }
  return out;
}

std::string HolderText(control::Truncated::Holder::Reader holder) {
  const std::string name = FromKj(holder.getName());
  return holder.getDevice()
             ? fmt::format("device {} is at {}", name.substr(0, kShortId),
                           holder.getPassed())
             : fmt::format("cursor '{}' is at {}", name, holder.getPassed());
}

absl::StatusOr<ExitCode> RefuseTruncation(const Invocation& in,
                                          control::Truncated::Reader outcome) {
  const bool beyond = outcome.getBeyondHead();
  if (in.json) {
    boost::json::object out;
    out["error"] = beyond ? "cursor_invalid" : "not_passed";
    out["horizon"] = outcome.getHorizon();
    out["head"] = outcome.getHead();
    if (!beyond) out["holders"] = HoldersJson(outcome);
    PrintJson(out);
    FlushOutput();
  }
  if (beyond) {
    return FailedPrecondition(
        fmt::format("the log ends at {}", outcome.getHead()));
  }
  return FailedPrecondition(HolderText(outcome.getHolders()[0]) +
                            " and would be left behind (--force does it)");
}

// Everything outside of an age or a count; `--keep 0` is the whole log.
absl::Status FillTruncation(Session& session, control::Truncation::Builder out,
                            const TruncateArgs& args) {
  out.setForce(args.force);
  if (args.through) {
    out.setThrough(*args.through);
    return absl::OkStatus();
  }
  if (args.keep == std::uint64_t{0}) {
    SYNCLINE_ASSIGN_OR_RETURN(auto answer, session.Call([&](auto& client) {
      auto request = client.cursorsRequest();
      request.setProject(ToKj(args.project));
      return request.send();
    }));
    out.setThrough(answer->getResult().getValue().getHead());
    return absl::OkStatus();
  }
  return FillBounds(out.initKeep(),
                    {args.keep.value_or(0), args.older_than, 0});
}

absl::StatusOr<ExitCode> Truncate(const Invocation& in,
                                  const TruncateArgs& args) {
  if (args.through.has_value() + args.keep.has_value() +
          !args.older_than.empty() !=
      1) {
    return InvalidArgument("one of --through, --keep and --older-than");
  }
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  capnp::MallocMessageBuilder message;
  auto what = message.initRoot<control::Truncation>();
  SYNCLINE_RETURN_IF_ERROR(FillTruncation(*session, what, args));
  SYNCLINE_ASSIGN_OR_RETURN(auto answer, session->Call([&](auto& client) {
    auto request = client.truncateLogRequest();
    request.setProject(ToKj(args.project));
    request.setWhat(what.asReader());
    return request.send();
  }));
  const auto outcome = answer->getResult().getValue();
  if (outcome.getRefused() || outcome.getBeyondHead()) {
    return RefuseTruncation(in, outcome);
  }
  if (in.json) {
    PrintJson({{"removed", outcome.getRemoved()},
               {"horizon", outcome.getHorizon()},
               {"head", outcome.getHead()},
               {"left_behind", HoldersJson(outcome)}});
    return ExitCode::kDone;
  }
  PrintLine(fmt::format("{} records removed; {}", outcome.getRemoved(),
                        ExtentText(outcome.getHorizon(), outcome.getHead())));
  for (const auto holder : outcome.getHolders()) {
    PrintNote(HolderText(holder) + " and was left behind");
  }
  return ExitCode::kDone;
}

// ---- retention

struct RetentionArgs {
  std::string project;
  BoundFlags keep;
  BoundFlags limit;
  bool none = false;
};

// A device or consumer that never comes back must not hold a log for ever.
constexpr char kDefaultLimitAge[] = "90d";

boost::json::object BoundsJson(control::Bounds::Reader in) {
  boost::json::object out;
  const auto set = [&](const char* key, auto value) {
    if (value == 0) {
      out[key] = nullptr;
    } else {
      out[key] = value;
    }
  };
  set("entries", in.getEntries());
  set("age_ms", in.getAgeMs());
  set("bytes", in.getBytes());
  return out;
}

std::string BoundsText(control::Bounds::Reader in) {
  std::string text;
  const auto add = [&](const std::string& part) {
    text += (text.empty() ? "" : ", ") + part;
  };
  if (in.getEntries() != 0) add(fmt::format("{} records", in.getEntries()));
  if (in.getAgeMs() != 0) add(AgeText(in.getAgeMs()));
  if (in.getBytes() != 0) add(SizeText(in.getBytes()));
  return text;
}

absl::Status SetRetention(Session& session, const RetentionArgs& args) {
  capnp::MallocMessageBuilder message;
  auto retention = message.initRoot<control::Retention>();
  BoundFlags limit = args.limit;
  if (!args.none && limit.none()) limit.age = kDefaultLimitAge;
  SYNCLINE_RETURN_IF_ERROR(FillBounds(retention.initKeep(), args.keep));
  SYNCLINE_RETURN_IF_ERROR(FillBounds(retention.initLimit(), limit));
  return session
      .Call([&](auto& client) {
        auto request = client.setRetentionRequest();
        request.setProject(ToKj(args.project));
        request.setRetention(retention.asReader());
        return request.send();
      })
      .status();
}

absl::StatusOr<ExitCode> Retention(const Invocation& in,
                                   const RetentionArgs& args) {
  if (args.none && !(args.keep.none() && args.limit.none())) {
    return InvalidArgument("--none goes with no other bound");
  }
  if (args.keep.none() && !args.limit.none()) {
    return InvalidArgument("a limit needs something to keep beside it");
  }
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  if (args.none || !args.keep.none()) {
    SYNCLINE_RETURN_IF_ERROR(SetRetention(*session, args));
  }
  SYNCLINE_ASSIGN_OR_RETURN(auto answer, session->Call([&](auto& client) {
    auto request = client.retentionRequest();
    request.setProject(ToKj(args.project));
    return request.send();
  }));
  const auto retention = answer->getResult().getValue();
  if (in.json) {
    PrintJson({{"keep", BoundsJson(retention.getKeep())},
               {"limit", BoundsJson(retention.getLimit())}});
    return ExitCode::kDone;
  }
  const std::string keep = BoundsText(retention.getKeep());
  if (keep.empty()) {
    PrintLine("everything is kept");
    return ExitCode::kDone;
  }
  PrintLine("keep: " + keep);
  const std::string limit = BoundsText(retention.getLimit());
  PrintLine(limit.empty()
                ? "and whatever a device or a cursor has not passed"
                : "what a device or a cursor has not passed: up to " + limit);
  return ExitCode::kDone;
}

// ---- cursors

struct CursorArgs {
  std::string project;
  std::string name;
  std::optional<std::uint64_t> seq;
  std::string log_id;
  bool back = false;
};

const char* StateText(control::Cursor::State state) {
  switch (state) {
    case control::Cursor::State::VALID:
      return "valid";
    case control::Cursor::State::BEHIND_HORIZON:
      return "behind_horizon";
    case control::Cursor::State::INVALID:
      break;
  }
  return "cursor_invalid";
}

absl::StatusOr<ExitCode> ListCursors(const Invocation& in,
                                     const CursorArgs& args) {
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  SYNCLINE_ASSIGN_OR_RETURN(auto answer, session->Call([&](auto& client) {
    auto request = client.cursorsRequest();
    request.setProject(ToKj(args.project));
    return request.send();
  }));
  const auto list = answer->getResult().getValue();
  boost::json::array all;
  Table table({"CURSOR", "SEQ", "BEHIND", "MOVED", "STATE"});
  for (const auto cursor : list.getCursors()) {
    const std::string moved = TimeText(cursor.getMovedMs());
    const std::string name = FromKj(cursor.getName());
    const char* state = StateText(cursor.getState());
    all.push_back({{"name", name},
                   {"seq", cursor.getSeq()},
                   {"moved", moved},
                   {"state", state},
                   {"log", FromKj(cursor.getLogId())}});
    table.Add({name, fmt::format("{}", cursor.getSeq()),
               fmt::format("{}", list.getHead() -
                                     std::min(list.getHead(), cursor.getSeq())),
               moved, state});
  }
  if (in.json) {
    PrintJson(all);
  } else {
    table.Print();
  }
  return ExitCode::kDone;
}

absl::StatusOr<ExitCode> SetCursor(const Invocation& in,
                                   const CursorArgs& args) {
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  SYNCLINE_ASSIGN_OR_RETURN(auto answer, session->Call([&](auto& client) {
    auto request = client.setCursorRequest();
    request.setProject(ToKj(args.project));
    request.setName(ToKj(args.name));
    request.setSeq(args.seq.value_or(0));
    request.setToHead(!args.seq.has_value());
    request.setLogId(ToKj(args.log_id));
    request.setBack(args.back);
    return request.send();
  }));
  const auto end = answer->getResult().getValue();
  if (!end.isLast()) return RefusePosition(in, end);
  if (in.json) PrintJson({{"name", args.name}, {"seq", end.getLast()}});
  return ExitCode::kDone;
}

absl::StatusOr<ExitCode> RemoveCursor(const Invocation& in,
                                      const CursorArgs& args) {
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  SYNCLINE_RETURN_IF_ERROR(session
                               ->Call([&](auto& client) {
                                 auto request = client.removeCursorRequest();
                                 request.setProject(ToKj(args.project));
                                 request.setName(ToKj(args.name));
                                 return request.send();
                               })
                               .status());
  if (in.json) PrintJson({{"removed", args.name}});
  return ExitCode::kDone;
}

// ---- flags

void AddTruncate(CLI::App& log, Invocation& in) {
  CLI::App* sub = AddCommand(log, "truncate", "Drop the oldest records",
                             "syncline log truncate notes --keep 10000\n"
                             "syncline log truncate notes --older-than 90d\n"
                             "syncline log truncate notes --through 4711");
  auto args = std::make_shared<TruncateArgs>();
  sub->add_option("PROJECT", args->project, "The project")->required();
  sub->add_option("--through", args->through, "Up to this position")
      ->type_name("SEQ")
      ->check(WholeNumber());
  sub->add_option("--keep", args->keep, "All but the newest")
      ->type_name("N")
      ->check(WholeNumber());
  sub->add_option("--older-than", args->older_than,
                  "Those made before that, by the clocks of their authors")
      ->type_name("AGE");
  sub->add_flag("--force", args->force,
                "Also what a device or a cursor has not passed");
  sub->callback([&in, args] {
    in.what = "log truncate " + args->project;
    in.run = [&in, args] { return Truncate(in, *args); };
  });
}

void AddRetention(CLI::App& log, Invocation& in) {
  CLI::App* sub =
      AddCommand(log, "retention", "What this device keeps of the log",
                 "syncline log retention notes\n"
                 "syncline log retention notes --keep 100000 --older-than 30d\n"
                 "syncline log retention notes --max-bytes 100000000 "
                 "--limit-age 7d\n"
                 "syncline log retention notes --none");
  auto args = std::make_shared<RetentionArgs>();
  sub->add_option("PROJECT", args->project, "The project")->required();
  sub->add_option("--keep", args->keep.entries, "The newest records")
      ->type_name("N")
      ->check(WholeNumber(1));
  sub->add_option("--older-than", args->keep.age, "Drop what is older")
      ->type_name("AGE");
  sub->add_option("--max-bytes", args->keep.bytes, "Stored bytes, about")
      ->type_name("N")
      ->check(WholeNumber(1));
  sub->add_option("--limit-entries", args->limit.entries,
                  "Records kept for devices and cursors that lag")
      ->type_name("N")
      ->check(WholeNumber(1));
  sub->add_option("--limit-age", args->limit.age,
                  "How long they are kept for those (90d without any limit)")
      ->type_name("AGE");
  sub->add_option("--limit-bytes", args->limit.bytes,
                  "Bytes kept for those, about")
      ->type_name("N")
      ->check(WholeNumber(1));
  sub->add_flag("--none", args->none, "Keep everything");
  sub->callback([&in, args] {
    in.what = "log retention " + args->project;
    in.run = [&in, args] { return Retention(in, *args); };
  });
}

using RunCursor = absl::StatusOr<ExitCode> (*)(const Invocation&,
                                               const CursorArgs&);

CLI::App* AddCursor(CLI::App& cursor, Invocation& in, const std::string& name,
                    const std::string& description, const std::string& examples,
                    const std::shared_ptr<CursorArgs>& args, RunCursor run) {
  CLI::App* sub = AddCommand(cursor, name, description, examples);
  sub->add_option("PROJECT", args->project, "The project")->required();
  sub->callback([&in, name, args, run] {
    in.what = "log cursor " + name + " " + args->project;
    if (!args->name.empty()) in.what += " " + args->name;
    in.run = [&in, args, run] { return run(in, *args); };
  });
  return sub;
}

void AddCursors(CLI::App& log, Invocation& in) {
  CLI::App* cursor =
      AddCommand(log, "cursor", "Named positions that survive everything",
                 "syncline log cursor set notes indexer 120\n"
                 "syncline log notes --cursor indexer\n"
                 "syncline log cursor ls notes");
  auto args = std::make_shared<CursorArgs>();
  AddCursor(*cursor, in, "ls", "All cursors of a project",
            "syncline log cursor ls notes --json", args, ListCursors);
  CLI::App* set = AddCursor(*cursor, in, "set", "Make a cursor, or move it",
                            "syncline log cursor set notes indexer 120\n"
                            "syncline log cursor set notes indexer\n"
                            "syncline log cursor set notes indexer 7 --back",
                            args, SetCursor);
  set->add_option("NAME", args->name, "Its name")->required();
  set->add_option("SEQ", args->seq,
                  "The last record dealt with (default: the newest)")
      ->check(WholeNumber());
  set->add_option("--log-id", args->log_id, "The log that SEQ is a position of")
      ->type_name("ID");
  set->add_flag("--back", args->back, "It may go back");
  AddCursor(*cursor, in, "rm", "Remove a cursor",
            "syncline log cursor rm notes indexer", args, RemoveCursor)
      ->add_option("NAME", args->name, "Its name")
      ->required();
}

}  // namespace

void AddLogKeepCommands(CLI::App& log, Invocation& in) {
  AddTruncate(log, in);
  AddRetention(log, in);
  AddCursors(log, in);
}

}  // namespace syncline::cli
