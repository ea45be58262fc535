#include "node/cli/invocation.h"

#include <charconv>
#include <cstdlib>

#include "base/status.h"
#include "node/version.h"

namespace syncline::cli {
namespace {

std::string DefaultHome() {
  const char* data = std::getenv("XDG_DATA_HOME");
  if (data != nullptr && *data == '/') return std::string(data) + "/syncline";
  const char* home = std::getenv("HOME");
  if (home != nullptr && *home != '\0') {
    return std::string(home) + "/.local/share/syncline";
  }
  return ".syncline";
}

}  // namespace

std::filesystem::path Invocation::Home() const {
  std::error_code error;
  const std::filesystem::path path =
      std::filesystem::absolute(home.empty() ? DefaultHome() : home, error);
  return path.lexically_normal();
}

absl::StatusOr<std::unique_ptr<Session>> Invocation::Open(
    std::string name) const {
  Session::Options options;
  options.home = Home();
  options.name = std::move(name);
  options.silence_ms_max = static_cast<std::int64_t>(patience_s * 1000);
  return Session::Open(options);
}

CLI::App* AddCommand(CLI::App& parent, const std::string& name,
                     const std::string& description,
                     const std::string& examples) {
  CLI::App* command = parent.add_subcommand(name, description);
  std::string footer = "Examples:\n";
  for (std::size_t start = 0; start < examples.size();) {
    std::size_t end = examples.find('\n', start);
    if (end == std::string::npos) end = examples.size();
    footer += "  " + examples.substr(start, end - start) + "\n";
    start = end + 1;
  }
  command->footer(footer);
  command->require_subcommand(0, 1);
  return command;
}

CLI::Validator WholeNumber(std::uint64_t least) {
  const auto check = [least](const std::string& text) -> std::string {
    std::uint64_t number = 0;
    const char* const all = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), all, number);
    if (error == std::errc() && end == all && number >= least) return {};
    return "'" + text + "' is no whole number from " + std::to_string(least) +
           " on";
  };
  return CLI::Validator(check, "");
}

CLI::Validator Seconds() {
  // Over 30 years; in milliseconds it fits where times are kept.
  constexpr double kMax = 1e9;
  const auto check = [](const std::string& text) -> std::string {
    double number = -1;
    const char* const all = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), all, number);
    if (error == std::errc() && end == all && number >= 0 && number <= kMax) {
      return {};
    }
    return "'" + text + "' is no number of seconds from 0 to 1000000000";
  };
  return CLI::Validator(check, "");
}

absl::StatusOr<std::int64_t> ParseDuration(std::string_view text) {
  struct Unit {
    std::string_view name;
    std::int64_t ms;
  };
  constexpr Unit kUnits[] = {{"ms", 1},        {"s", 1'000},      {"m", 60'000},
                             {"h", 3'600'000}, {"d", 86'400'000}, {"", 1'000}};
  constexpr std::int64_t kMax = 1'000'000'000;
  std::int64_t number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, text.data() + text.size() - end);
  if (error == std::errc() && number >= 0 && number <= kMax) {
    for (const Unit& each : kUnits) {
      if (each.name == unit) return number * each.ms;
    }
  }
  return InvalidArgument("'" + std::string(text) +
                         "' is no duration (like 30s, 15m, 2h, 7d)");
}

std::unique_ptr<CLI::App> MakeApp(Invocation& in) {
  auto app = std::make_unique<CLI::App>(
      "Keeps folders of several devices equal, with a log of every change.",
      "syncline");
  app->fallthrough();
  // One command a line: else a project named 'log' would be a command.
  app->require_subcommand(0, 1);
  app->option_defaults()->always_capture_default(false);
  app->add_option("--home", in.home,
                  "The node's home (default: $XDG_DATA_HOME/syncline, else "
                  "~/.local/share/syncline)")
      ->envname("SYNCLINE_HOME")
      ->type_name("DIR")
      ->check(
          [](const std::string& dir) {
            return dir.empty() ? std::string("a home is needed") : "";
          },
          "");
  app->add_flag("--json", in.json, "Print JSON for programs");
  app->add_option("--patience", in.patience_s,
                  "Give up (exit 7) on a node that shows no sign of life for "
                  "so long (default: 20; 0: never)")
      ->type_name("SECONDS")
      ->check(Seconds());
  app->set_version_flag("--version",
                        std::string("syncline ") + kProgramVersion);
  app->footer(
      "Examples:\n"
      "  syncline add ~/notes\n"
      "  syncline serve\n"
      "  syncline device invite notes\n"
      "  syncline device join SYNC-... --dir ~/notes\n"
      "  syncline log notes --follow\n");
  AddNodeCommands(*app, in);
  AddServeCommand(*app, in);
  AddVerifyCommand(*app, in);
  AddProjectCommands(*app, in);
  AddStrategyCommand(*app, in);
  AddMirrorCommands(*app, in);
  AddDeviceCommands(*app, in);
  AddFileCommands(*app, in);
  AddPutCommand(*app, in);
  AddTreeCommands(*app, in);
  AddDocCommands(*app, in);
  AddEventCommands(*app, in);
  AddLogCommand(*app, in);
  AddConflictCommands(*app, in);
  return app;
}

}  // namespace syncline::cli
