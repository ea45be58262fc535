// A process that appends is killed at random moments.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <optional>
#include <string>

#include "log/append_log.h"
#include "tests/log/log_harness.h"

namespace syncline {
namespace {

using testing::LogHarness;
using testing::Numbers;
using testing::Records;

// The writer's process; killed at the end of the scope.
class Victim {
 public:
  Victim(const std::filesystem::path& directory, std::uint64_t seed) {
    const std::string program =
        std::filesystem::read_symlink("/proc/self/exe").parent_path() /
        "log_kill_writer";
    std::string arguments[] = {program, directory.string(),
                               std::to_string(seed)};
    char* argv[] = {arguments[0].data(), arguments[1].data(),
                    arguments[2].data(), nullptr};
    int ends[2];
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    const int failed = posix_spawn(&process_, program.c_str(), &actions,
                                   nullptr, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    output_ = ends[0];
    REQUIRE(failed == 0);
  }
  ~Victim() {
    Kill();
    close(output_);
  }
  Victim(const Victim&) = delete;
  Victim& operator=(const Victim&) = delete;

  void Kill() {
    if (process_ == 0) return;
    kill(process_, SIGKILL);
    int status = 0;
    while (waitpid(process_, &status, 0) < 0 && errno == EINTR) {
    }
    killed_ = WIFSIGNALED(status);
    process_ = 0;
  }

  // It did not end by itself.
  bool killed() const { return killed_; }

  // The next acknowledged seq; nothing at the end of the output.
  std::optional<std::uint64_t> Next() {
    std::uint64_t seq = 0;
    std::size_t got = 0;
    while (got < sizeof seq) {
      const ssize_t count =
          read(output_, reinterpret_cast<char*>(&seq) + got, sizeof seq - got);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return std::nullopt;
      got += static_cast<std::size_t>(count);
    }
    return seq;
  }

 private:
  pid_t process_ = 0;
  int output_ = -1;
  bool killed_ = false;
};

void CheckLog(const std::filesystem::path& directory, std::uint64_t acked) {
  auto store = RocksStore::Open(directory);
  INFO(store.status().ToString());
  REQUIRE(store.ok());
  LogHarness harness(**store);
  const std::uint64_t head = harness->head().value;
  REQUIRE(head >= acked);
  const auto walk = Records(harness.log(), {});
  REQUIRE(walk.status.ok());
  REQUIRE(walk.seqs == Numbers(1, head));
  VersionVector frontier;
  for (const Dot& dot : walk.dots) {
    REQUIRE(dot.counter == frontier.CounterOf(dot.origin) + 1);
    frontier.Raise(dot.origin, dot.counter);
  }
  REQUIRE(harness->frontier() == frontier);
  for (const VersionVector::Slot& slot : frontier.slots()) {
    REQUIRE(harness->ChainOf(slot.origin) ==
            testing::ExpectedChain(slot.origin, slot.counter));
  }
  if (head > 0) {
    REQUIRE(*(*store)->Get(Column::kHeads, "covered") == std::to_string(head));
  }
}

TEST_CASE("append_log: kill -9 loses nothing that was acknowledged",
          "[log][fault]") {
  constexpr std::uint64_t kSeed = 33;
  INFO("SYNCLINE_SEED=" << kSeed);
  SeededRandom random(kSeed);
  const testing::TemporaryDirectory directory;
  std::uint64_t acked = 0;
  for (std::uint64_t round = 0; round < 30; ++round) {
    INFO("round " << round);
    Victim victim(directory.path(), round);
    for (std::uint64_t left = random.Below(150); left > 0; --left) {
      const auto seq = victim.Next();
      REQUIRE(seq.has_value());
      acked = std::max(acked, *seq);
    }
    victim.Kill();
    REQUIRE(victim.killed());
    while (const auto seq = victim.Next()) acked = std::max(acked, *seq);
    CheckLog(directory.path(), acked);
  }
  CHECK(acked > 1'000);
}

}  // namespace
}  // namespace syncline
