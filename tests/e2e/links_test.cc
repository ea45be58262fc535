// Devices with bad lines between them, and devices that come and go.
//
// SYNCLINE_ROUNDS and SYNCLINE_FILES raise the numbers beyond what every run of
// the tests does (docs/testing.md); SYNCLINE_SEED repeats a run.

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "base/hash.h"
#include "base/random.h"
#include "tests/e2e/devices.h"
#include "tests/testing/relay.h"
#include "tests/testing/setting.h"

namespace syncline::testing {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kDevices = 5;

std::string Events(std::uint64_t seed, int count) {
  SeededRandom random(seed);
  std::string lines;
  for (int i = 0; i < count; ++i) {
    lines += "{\"text\":\"" + Sha256(random.Bytes(8)).ToHex() +
             Sha256(random.Bytes(8)).ToHex() + "\"}\n";
  }
  return lines;
}

using Lines = std::vector<std::unique_ptr<Relay>>;

// All others dial the first.
Lines Star(Devices& devices) {
  Lines lines;
  for (std::size_t i = 1; i < kDevices; ++i) {
    devices.Serve(i);
    lines.push_back(devices.Line(i, 0));
    devices.Join(i, 0, lines.back()->address());
  }
  return lines;
}

void Hold(Relay& line, bool held) {
  line.Hold(Relay::Way::kForth, held);
  line.Hold(Relay::Way::kBack, held);
}

TEST_CASE("links: a ring of one-way lines ends equal", "[e2e][fault]") {
  const std::uint64_t seed = Setting("SYNCLINE_SEED", 1);
  const std::uint64_t rounds = Setting("SYNCLINE_ROUNDS", 15);
  constexpr int kEach = 200;
  constexpr std::uint64_t kBytesEach = 330;
  INFO("SYNCLINE_SEED=" << seed);
  SeededRandom random(seed);
  Devices devices(kDevices, {.apart = true});
  devices.Found();
  Lines lines;
  for (std::size_t i = 1; i <= kDevices; ++i) {
    if (i < kDevices) devices.Serve(i);
    lines.push_back(devices.Line(i % kDevices, i - 1));
    devices.Join(i % kDevices, i - 1, lines.back()->address());
  }
  for (const auto& line : lines) line->Disturb(milliseconds(30), 5);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    for (const auto& line : lines) {
      line->Hold(Relay::Way::kForth, random.Below(3) == 0);
      line->Hold(Relay::Way::kBack, random.Below(3) == 0);
      if (random.Below(10) == 0) line->Cut();
    }
    for (std::size_t i = 0; i < kDevices; ++i) {
      devices.Must(i, {"event", "append", "p", "numbers"},
                   Events(round * kDevices + i, kEach));
    }
    std::this_thread::sleep_for(milliseconds(random.Below(500)));
  }
  for (const auto& line : lines) {
    Hold(*line, false);
    line->Disturb(milliseconds(0), 0);
  }
  devices.Converge();
  const std::uint64_t entries = rounds * kDevices * kEach;
  for (std::size_t i = 0; i < kDevices; ++i) devices.CheckLog(i, entries);
  devices.RequireSound();
  std::uint64_t bytes = 0;
  for (const auto& line : lines) {
    bytes += line->Bytes(Relay::Way::kForth) + line->Bytes(Relay::Way::kBack);
  }
  // Each must reach the four that did not make it.
  CHECK(bytes < 3 * entries * (kDevices - 1) * kBytesEach);
}

TEST_CASE("links: all let their own edit win and yet come to rest",
          "[e2e][fault]") {
  const std::uint64_t seed = Setting("SYNCLINE_SEED", 1);
  const std::uint64_t files = Setting("SYNCLINE_FILES", 40);
  INFO("SYNCLINE_SEED=" << seed);
  SeededRandom random(seed);
  Devices devices(kDevices, {.folders = true, .apart = true});
  const auto name = [](std::uint64_t i) { return std::to_string(i) + ".txt"; };
  for (std::uint64_t i = 0; i < files; ++i) {
    WriteFile(devices.Dir(0) / name(i), "first");
  }
  devices.Found();
  const Lines lines = Star(devices);
  devices.Must(0, {"strategy", "p", "local-wins"});
  devices.Converge();
  devices.Part();
  for (std::size_t device = 0; device < kDevices; ++device) {
    for (std::uint64_t i = 0; i < files; ++i) {
      WriteFile(devices.Dir(device) / name(i),
                "of device " + std::to_string(device));
    }
  }
  for (std::size_t i = 0; i < kDevices; ++i) devices.Serve(i);
  for (int i = 0; i < 20; ++i) {
    for (const auto& line : lines) {
      Hold(*line, random.Below(2) == 0);
      if (random.Below(4) == 0) line->Cut();
    }
    std::this_thread::sleep_for(milliseconds(random.Below(500)));
  }
  for (const auto& line : lines) Hold(*line, false);
  devices.Converge();
  devices.RequireSound();
  for (std::uint64_t i = 0; i < files; ++i) {
    CHECK(ReadFile(devices.Dir(0) / name(i)).starts_with("of device "));
  }
  CHECK(devices.Automatic(0) >= 1);
  CHECK(devices.Automatic(0) <= 5 * files);
}

}  // namespace
}  // namespace syncline::testing
