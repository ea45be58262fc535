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

TEST_CASE("links: a ring of one-way lines ends equal", "[e2e][fault]") {
  const std::uint64_t seed = Setting("SYNCLINE_SEED", 1);
  const std::uint64_t rounds = Setting("SYNCLINE_ROUNDS", 15);
  constexpr int kEach = 200;
  constexpr std::uint64_t kBytesEach = 330;
  INFO("SYNCLINE_SEED=" << seed);
  SeededRandom random(seed);
  Devices devices(kDevices, {.apart = true});
  devices.Found();
  std::vector<std::unique_ptr<Relay>> lines;
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
    line->Hold(Relay::Way::kForth, false);
    line->Hold(Relay::Way::kBack, false);
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

}  // namespace
}  // namespace syncline::testing
