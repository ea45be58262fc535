#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// What the benchmarks share: a command line, rounds in which each contestant
// takes its turn, and one JSON object a line. How to read it:
// docs/benchmarks.md. Thread-compatible, all of it.

namespace syncline::testing {

// --rounds N     rounds, 3
// --scale X      multiplies how much is done in a round, 1
// --only TEXT    rows whose name begins with it
// --who TEXT     contestants of that name: for a profiler
// --dir DIR      where the temporary directories are made, $TMPDIR or /tmp
// --child MODE   what RunChild() gives to a process of its own
struct BenchOptions {
  int rounds = 3;
  double scale = 1;
  std::string only;
  std::string who;
  std::filesystem::path dir;
  std::string child;

  [[nodiscard]] std::size_t Scaled(std::size_t count) const;
  // Whether a row whose name begins with `prefix` may be asked for.
  [[nodiscard]] bool Wants(std::string_view prefix) const;
};

// Ends the program with status 2 when `argv` cannot be understood.
BenchOptions ParseBenchOptions(int argc, char** argv);

std::uint64_t NowNs();  // Of a clock that never goes back.

// End the program: a benchmark that fails has no result.
void Must(const absl::Status& status);
template <typename T>
T Must(absl::StatusOr<T> result) {
  Must(result.status());
  return *std::move(result);
}

// Distribution of durations, exact to 3 %.
class Latencies {
 public:
  void Add(std::uint64_t ns);
  void Merge(const Latencies& other);
  [[nodiscard]] std::uint64_t count() const { return count_; }
  // Nothing was added: 0.
  [[nodiscard]] double PercentileUs(double percent) const;

 private:
  // 32 steps in each power of two.
  std::array<std::uint64_t, 64 * 32> buckets_{};
  std::uint64_t count_ = 0;
};

// A fresh directory below `parent`, gone at the end of the scope.
class RoundDirectory {
 public:
  explicit RoundDirectory(const std::filesystem::path& parent);
  ~RoundDirectory();
  RoundDirectory(const RoundDirectory&) = delete;
  RoundDirectory& operator=(const RoundDirectory&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// What a contestant did in one round.
struct Outcome {
  double value = 0;
  std::map<std::string, double> more;  // Printed beside it, by its key.
};
// `count` entries from `start_ns` to `end_ns`, per second.
Outcome PerSecond(std::size_t count, std::uint64_t start_ns,
                  std::uint64_t end_ns);
Outcome PerSecond(std::size_t count, std::uint64_t start_ns,
                  std::uint64_t end_ns, const Latencies& latencies);

// One row of a table: several ways to do the same work.
class Contest {
 public:
  // `name` is the row's name, `unit` that of its values.
  Contest(const BenchOptions& options, std::string name, std::string unit);

  // `run` does the work once in a fresh, empty directory.
  using Run = std::function<Outcome(const std::filesystem::path& dir)>;
  // A ceiling: those behind it are compared with it. Add it first.
  void Ceiling(std::string name, Run run);
  void Entrant(std::string name, Run run);

  // Runs all rounds, each contestant in turn, and prints a line for each
  // contestant: the medians, and the medians of the rounds' ratios to each
  // ceiling. Nothing if `--only` names other rows.
  void Decide();
  // Of each contestant, by its name; empty before Decide().
  [[nodiscard]] std::map<std::string, Outcome> Medians() const;

 private:
  struct Contestant {
    std::string name;
    bool ceiling;
    Run run;
    std::vector<Outcome> outcomes = {};
  };
  void Print(const Contestant& contestant) const;

  const BenchOptions options_;
  const std::string name_;
  const std::string unit_;
  std::vector<Contestant> contestants_;
};

// One value, printed as a Contest would.
void PrintValue(std::string_view name, double value, std::string_view unit,
                const std::map<std::string, double>& more = {});

double Median(std::vector<double> values);

// JSON-like text of `bytes`, decided by `number`; LZ4 makes 2.7 times less of
// it in blocks of 16 KiB.
std::string PayloadText(std::uint64_t number, std::size_t bytes = 256);
// PayloadText() of many numbers, made beforehand.
class PayloadPool {
 public:
  explicit PayloadPool(std::size_t bytes = 256);
  [[nodiscard]] const std::string& operator[](std::size_t number) const {
    return texts_[number % texts_.size()];
  }

 private:
  std::vector<std::string> texts_;
};

// Resident memory of this process or of `pid`, and processor time of both
// modes so far.
double RssMib(int pid = 0);
double CpuSeconds(int pid = 0);
// Bytes of the files below `dir`.
double DirectoryBytes(const std::filesystem::path& dir);

// Runs this program in a process of its own with `--child mode` and `dir`, and
// gives the numbers that it printed with PrintChildValue().
std::map<std::string, double> RunChild(const BenchOptions& options,
                                       std::string_view mode,
                                       const std::filesystem::path& dir);
void PrintChildValue(std::string_view key, double value);

}  // namespace syncline::testing
