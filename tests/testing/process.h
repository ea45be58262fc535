#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tests/testing/temporary_directory.h"

// Helpers for tests and benchmarks that run the real program in processes of
// its own. Failures to start a process abort the test program.

namespace syncline::testing {

struct CommandResult {
  int exit_code = -1;  // 128 + signal if it was killed.
  std::string out;
  std::string err;
};

// Runs a program (found through PATH) to its end.
CommandResult RunCommand(const std::vector<std::string>& command,
                         std::string_view input = {});

// Runs `syncline --home HOME ARGS...` to its end.
CommandResult RunSyncline(const std::filesystem::path& home,
                          const std::vector<std::string>& args,
                          std::string_view input = {});

// A `syncline serve` process. Killed (SIGKILL) when destroyed while running.
class ServingNode {
 public:
  // Starts serving `home`; returns once it printed "ready" or ended. `listen`
  // is "127.0.0.1:0" for a free port. `space`: a network namespace to be in.
  ServingNode(std::filesystem::path home, std::string_view listen,
              int space = -1);
  ~ServingNode();
  ServingNode(const ServingNode&) = delete;
  ServingNode& operator=(const ServingNode&) = delete;

  [[nodiscard]] bool ready() const { return ready_; }
  // "127.0.0.1:PORT", as it said.
  [[nodiscard]] const std::string& address() const { return address_; }
  [[nodiscard]] const std::filesystem::path& home() const { return home_; }
  [[nodiscard]] pid_t pid() const { return pid_; }

  void Kill();  // SIGKILL, and waits for its end.
  int Stop();   // SIGTERM, and waits for its exit code.
  // Peak resident memory and CPU time of the process so far.
  [[nodiscard]] long PeakRssKib() const;
  [[nodiscard]] double CpuSeconds() const;

 private:
  int Reap();

  std::filesystem::path home_;
  pid_t pid_ = -1;
  int out_ = -1;
  bool ready_ = false;
  std::string address_;
};

// Polls until `condition` holds; false if it never did within `limit`.
bool Eventually(const std::function<bool()>& condition,
                std::chrono::seconds limit = std::chrono::seconds(60));

// What a person would compare two folders by: relative path -> kind,
// executable bit, and content (or target). Names starting with ".syncline"
// are the mirror's own and left out.
std::map<std::string, std::string> DescribeTree(
    const std::filesystem::path& root);

// The first differences of two trees as text; empty if they are equal.
std::string CompareTrees(const std::filesystem::path& left,
                         const std::filesystem::path& right);

void WriteFile(const std::filesystem::path& path, std::string_view bytes);
std::string ReadFile(const std::filesystem::path& path);

}  // namespace syncline::testing
