#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace syncline::testing {

// Ends the program with a message.
[[noreturn]] void PeerFailed(std::string_view what, std::string_view why);

// A port of 127.0.0.1 that nobody listens at.
int FreePort();

// A program that serves at `port` of 127.0.0.1, found through PATH; its output
// goes to `log`. Ended (SIGTERM, then SIGKILL) when destroyed.
class ServerProcess {
 public:
  ServerProcess(const std::vector<std::string>& command, int port,
                const std::filesystem::path& log);
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  int port_;
  pid_t pid_;
};

}  // namespace syncline::testing
