#include "bench/harness.h"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <system_error>

#include "base/random.h"

namespace syncline::testing {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void Usage(const char* program) {
  std::fprintf(stderr,
               "usage: %s [--rounds N] [--scale X] [--only TEXT] [--who TEXT] "
               "[--dir DIR]\n",
               program);
  std::exit(2);
}

void PrintNumber(std::string_view key, double value) {
  const int decimals = std::abs(value) < 100 ? 3 : 0;
  std::printf(",\"%.*s\":%.*f", static_cast<int>(key.size()), key.data(),
              decimals, value);
}

std::string ProcFile(int pid, const char* name) {
  const std::string process = pid == 0 ? "self" : std::to_string(pid);
  std::ifstream in("/proc/" + process + "/" + name);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace

std::size_t BenchOptions::Scaled(std::size_t count) const {
  const double scaled = static_cast<double>(count) * scale;
  return std::max<std::size_t>(1, static_cast<std::size_t>(scaled));
}

bool BenchOptions::Wants(std::string_view prefix) const {
  return prefix.starts_with(only) || only.starts_with(prefix);
}

BenchOptions ParseBenchOptions(int argc, char** argv) {
  BenchOptions options;
  options.dir = fs::temp_directory_path();
  for (int i = 1; i < argc; i += 2) {
    const std::string_view flag = argv[i];
    if (i + 1 == argc) Usage(argv[0]);
    const char* value = argv[i + 1];
    if (flag == "--rounds") {
      options.rounds = std::atoi(value);
    } else if (flag == "--scale") {
      options.scale = std::atof(value);
    } else if (flag == "--only") {
      options.only = value;
    } else if (flag == "--who") {
      options.who = value;
    } else if (flag == "--dir") {
      options.dir = value;
    } else if (flag == "--child") {
      options.child = value;
    } else {
      Usage(argv[0]);
    }
  }
  if (options.rounds < 1 || options.scale <= 0) Usage(argv[0]);
  return options;
}

std::uint64_t NowNs() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
}

void Must(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "benchmark: %s\n", status.ToString().c_str());
  std::_Exit(1);
}

// ---- latencies

void Latencies::Add(std::uint64_t ns) {
  // Below 64 a bucket for each value; above, the power of two and its next
  // five bits.
  const std::uint64_t value = std::max<std::uint64_t>(ns, 32);
  const int shift = static_cast<int>(std::bit_width(value)) - 6;
  const std::size_t bucket =
      static_cast<std::size_t>(shift) * 32 + (value >> shift) - 32;
  ++buckets_[std::min(bucket, buckets_.size() - 1)];
  ++count_;
}

void Latencies::Merge(const Latencies& other) {
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    buckets_[i] += other.buckets_[i];
  }
  count_ += other.count_;
}

double Latencies::PercentileUs(double percent) const {
  const double wanted = percent / 100 * static_cast<double>(count_);
  double seen = 0;
  for (std::size_t i = 0; i < buckets_.size() && count_ > 0; ++i) {
    seen += static_cast<double>(buckets_[i]);
    if (seen < wanted || seen == 0) continue;
    const double low = std::ldexp(32.0 + static_cast<double>(i % 32),
                                  static_cast<int>(i / 32));
    return low / 1000;
  }
  return 0;
}

// ---- rounds

RoundDirectory::RoundDirectory(const fs::path& parent) {
  std::string name = (parent / "syncline-bench-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) {
    std::perror(name.c_str());
    std::exit(1);
  }
  path_ = name;
}

RoundDirectory::~RoundDirectory() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

Outcome PerSecond(std::size_t count, std::uint64_t start_ns,
                  std::uint64_t end_ns) {
  const double seconds = static_cast<double>(end_ns - start_ns) / 1e9;
  return {static_cast<double>(count) / seconds, {}};
}

Outcome PerSecond(std::size_t count, std::uint64_t start_ns,
                  std::uint64_t end_ns, const Latencies& latencies) {
  Outcome outcome = PerSecond(count, start_ns, end_ns);
  outcome.more["p50_us"] = latencies.PercentileUs(50);
  outcome.more["p99_us"] = latencies.PercentileUs(99);
  return outcome;
}

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle]
                                : (values[middle - 1] + values[middle]) / 2;
}

Contest::Contest(const BenchOptions& options, std::string name,
                 std::string unit)
    : options_(options), name_(std::move(name)), unit_(std::move(unit)) {}

void Contest::Ceiling(std::string name, Run run) {
  if (!options_.who.empty() && options_.who != name) return;
  contestants_.push_back({std::move(name), true, std::move(run)});
}

void Contest::Entrant(std::string name, Run run) {
  if (!options_.who.empty() && options_.who != name) return;
  contestants_.push_back({std::move(name), false, std::move(run)});
}

void Contest::Decide() {
  if (!name_.starts_with(options_.only)) return;
  for (int round = 0; round < options_.rounds; ++round) {
    for (Contestant& contestant : contestants_) {
      const RoundDirectory directory(options_.dir);
      contestant.outcomes.push_back(contestant.run(directory.path()));
    }
  }
  for (const Contestant& contestant : contestants_) Print(contestant);
}

std::map<std::string, Outcome> Contest::Medians() const {
  std::map<std::string, Outcome> medians;
  for (const Contestant& contestant : contestants_) {
    if (contestant.outcomes.empty()) continue;
    std::vector<double> values;
    std::map<std::string, std::vector<double>> more;
    for (const Outcome& outcome : contestant.outcomes) {
      values.push_back(outcome.value);
      for (const auto& [key, value] : outcome.more) more[key].push_back(value);
    }
    Outcome& median = medians[contestant.name];
    median.value = Median(values);
    for (const auto& [key, each] : more) median.more[key] = Median(each);
  }
  return medians;
}

void Contest::Print(const Contestant& contestant) const {
  const Outcome median = Medians().at(contestant.name);
  std::vector<double> values;
  for (const Outcome& each : contestant.outcomes) values.push_back(each.value);
  std::printf("{\"name\":\"%s/%s\"", name_.c_str(), contestant.name.c_str());
  PrintNumber("value", median.value);
  std::printf(",\"unit\":\"%s\"", unit_.c_str());
  PrintNumber("min", *std::min_element(values.begin(), values.end()));
  PrintNumber("max", *std::max_element(values.begin(), values.end()));
  bool first = true;
  for (const Contestant& ceiling : contestants_) {
    if (!ceiling.ceiling || &ceiling == &contestant || contestant.ceiling) {
      continue;
    }
    std::vector<double> ratios;
    for (std::size_t i = 0; i < values.size(); ++i) {
      ratios.push_back(contestant.outcomes[i].value /
                       ceiling.outcomes[i].value);
    }
    PrintNumber(first ? "ratio" : "ratio_to_" + ceiling.name, Median(ratios));
    if (first) std::printf(",\"ratio_of\":\"%s\"", ceiling.name.c_str());
    first = false;
  }
  for (const auto& [key, each] : median.more) PrintNumber(key, each);
  std::printf("}\n");
  std::fflush(stdout);
}

void PrintValue(std::string_view name, double value, std::string_view unit,
                const std::map<std::string, double>& more) {
  std::printf("{\"name\":\"%.*s\"", static_cast<int>(name.size()), name.data());
  PrintNumber("value", value);
  std::printf(",\"unit\":\"%.*s\"", static_cast<int>(unit.size()), unit.data());
  for (const auto& [key, each] : more) PrintNumber(key, each);
  std::printf("}\n");
  std::fflush(stdout);
}

// ---- payload

std::string PayloadText(std::uint64_t number, std::size_t bytes) {
  SeededRandom random(number);
  char text[256];
  std::snprintf(
      text, sizeof text,
      R"({"id":"%08llx","user":"user-%04llu","action":"update",)"
      R"("path":"src/module%02llu/component/file%04llu.cc","size":%llu,)"
      R"("hash":"%016llx%016llx%016llx","tags":["build","release","nightly"],)"
      R"("status":"completed"})",
      static_cast<unsigned long long>(number),
      static_cast<unsigned long long>(random.Below(10000)),
      static_cast<unsigned long long>(random.Below(100)),
      static_cast<unsigned long long>(random.Below(10000)),
      static_cast<unsigned long long>(random.Below(100000)),
      static_cast<unsigned long long>(random.Next()),
      static_cast<unsigned long long>(random.Next()),
      static_cast<unsigned long long>(random.Next()));
  std::string payload = text;
  payload.resize(std::max<std::size_t>(payload.size(), 256), ' ');
  if (payload.size() < bytes) {
    payload += PayloadText(random.Next(), bytes - payload.size());
  }
  payload.resize(bytes);
  return payload;
}

PayloadPool::PayloadPool(std::size_t bytes) {
  for (std::uint64_t i = 0; i < 8192; ++i) {
    texts_.push_back(PayloadText(i, bytes));
  }
}

// ---- processes

double RssMib(int pid) {
  const std::string status = ProcFile(pid, "status");
  const std::size_t at = status.find("VmRSS:");
  return at == std::string::npos ? 0
                                 : std::atof(status.c_str() + at + 6) / 1024;
}

double CpuSeconds(int pid) {
  const std::string stat = ProcFile(pid, "stat");
  // Behind the name, which may hold anything: field 3 and on.
  std::istringstream fields(stat.substr(stat.rfind(')') + 1));
  std::string skipped;
  for (int i = 3; i < 14; ++i) fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

double DirectoryBytes(const fs::path& dir) {
  double bytes = 0;
  for (const auto& file : fs::recursive_directory_iterator(dir)) {
    if (file.is_regular_file()) bytes += static_cast<double>(file.file_size());
  }
  return bytes;
}

std::map<std::string, double> RunChild(const BenchOptions& options,
                                       std::string_view mode,
                                       const fs::path& dir) {
  char scale[32];
  std::snprintf(scale, sizeof scale, "%g", options.scale);
  const std::string command = fs::read_symlink("/proc/self/exe").string() +
                              " --child " + std::string(mode) + " --dir " +
                              dir.string() + " --scale " + scale;
  FILE* pipe = popen(command.c_str(), "r");
  std::map<std::string, double> values;
  char key[64];
  double value = 0;
  while (pipe != nullptr && std::fscanf(pipe, "%63s %lf", key, &value) == 2) {
    values[key] = value;
  }
  if (pipe == nullptr || pclose(pipe) != 0) {
    std::fprintf(stderr, "benchmark: failed: %s\n", command.c_str());
    std::exit(1);
  }
  return values;
}

void PrintChildValue(std::string_view key, double value) {
  std::printf("%.*s %.6f\n", static_cast<int>(key.size()), key.data(), value);
  std::fflush(stdout);
}

}  // namespace syncline::testing
