// The `syncline` program. What may throw (the parser of flags, and libraries
// in trouble) ends here; nothing else in the program catches.

#include <csignal>
#include <exception>
#include <new>

#include "node/cli/exit_code.h"
#include "node/cli/invocation.h"
#include "node/cli/output.h"
#include "node/version.h"

namespace {

using syncline::cli::ExitCode;

ExitCode Run(int argc, char** argv) {
  using namespace syncline::cli;
  Invocation in;
  const std::unique_ptr<CLI::App> app = MakeApp(in);
  try {
    app->parse(argc, argv);
  } catch (const CLI::Success& help) {
    app->exit(help);  // Prints what was asked for.
    return ExitCode::kDone;
  } catch (const CLI::ParseError& error) {
    PrintError("usage", std::string(error.what()) + " (see 'syncline --help')");
    return ExitCode::kUsage;
  }
  if (!in.run) {
    PrintError("usage", "a command is missing (see 'syncline --help')");
    return ExitCode::kUsage;
  }
  const absl::StatusOr<ExitCode> code = in.run();
  FlushOutput();
  if (code.ok()) return *code;
  PrintError(in.what, Explain(code.status()));
  return ExitCodeOf(code.status());
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return static_cast<int>(Run(argc, argv));
  } catch (const std::bad_alloc&) {
    syncline::cli::PrintError("out of memory", "the system gave no more");
  } catch (const std::exception& error) {
    syncline::cli::PrintError("unexpected fault", error.what());
  }
  return static_cast<int>(ExitCode::kStore);
}
