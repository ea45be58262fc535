#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <CLI/CLI.hpp>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "node/cli/exit_code.h"
#include "node/cli/session.h"

namespace syncline::cli {

// What the command line asks for: filled in by the parser, run by main.
struct Invocation {
  std::string home;  // Of --home or SYNCLINE_HOME; empty: the default.
  bool json = false;
  double patience_s = 20;  // See Session::Options::silence_ms_max.
  std::string what;        // For the line of an error: "put tree a.txt".
  std::function<absl::StatusOr<ExitCode>()> run;

  // The home to use, absolute.
  [[nodiscard]] std::filesystem::path Home() const;
  // A session with that home.
  absl::StatusOr<std::unique_ptr<Session>> Open(std::string name = {}) const;
};

// Adds the commands of one area each to the program.
void AddNodeCommands(CLI::App& app, Invocation& in);
void AddServeCommand(CLI::App& app, Invocation& in);
void AddVerifyCommand(CLI::App& app, Invocation& in);
void AddProjectCommands(CLI::App& app, Invocation& in);
void AddStrategyCommand(CLI::App& app, Invocation& in);
void AddMirrorCommands(CLI::App& app, Invocation& in);
void AddDeviceCommands(CLI::App& app, Invocation& in);
void AddFileCommands(CLI::App& app, Invocation& in);
void AddPutCommand(CLI::App& app, Invocation& in);
void AddTreeCommands(CLI::App& app, Invocation& in);
void AddDocCommands(CLI::App& app, Invocation& in);
void AddEventCommands(CLI::App& app, Invocation& in);
void AddLogCommand(CLI::App& app, Invocation& in);
void AddConflictCommands(CLI::App& app, Invocation& in);

// The whole program: global flags and every command. Borrows `in`.
std::unique_ptr<CLI::App> MakeApp(Invocation& in);

// A command with its examples, one a line.
CLI::App* AddCommand(CLI::App& parent, const std::string& name,
                     const std::string& description,
                     const std::string& examples);

// For options that are whole numbers of 64 bits, from `least` on: CLI11 reads
// "-1" as the largest of them, and what is too large too.
CLI::Validator WholeNumber(std::uint64_t least = 0);
// For options that are seconds: 0 or more, and a number.
CLI::Validator Seconds();

// "500ms", "15m", "2d", "90" (seconds) in milliseconds.
//   kInvalidArgument  anything else
absl::StatusOr<std::int64_t> ParseDuration(std::string_view text);

}  // namespace syncline::cli
