// A device that catches up with many entries: killed all the time, and served
// by two at once.
//
// SYNCLINE_KILLS and SYNCLINE_ENTRIES raise the numbers beyond what every run
// of the tests does (docs/testing.md); SYNCLINE_SEED repeats a run.

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

#include "base/hash.h"
#include "base/random.h"
#include "tests/e2e/devices.h"
#include "tests/testing/relay.h"
#include "tests/testing/setting.h"

namespace syncline::testing {
namespace {

// What may come again after a kill: less than a window, which is 1 MiB at first
// and 8 MiB at most. Who starts over each time sends far more.
constexpr std::uint64_t kAgain = 2 << 20;
constexpr std::uint64_t kBytesEach = 360;  // Of an entry, on the wire.

// Appends `count` events to a device that serves nobody.
void Fill(const Devices& devices, std::size_t device, std::uint64_t count) {
  SeededRandom random(count);
  std::string lines;
  for (std::uint64_t i = 0; i < count; ++i) {
    // Does not compress: what goes over is what is in the log.
    lines += R"({"n":)" + std::to_string(i) + R"(,"text":")" +
             Sha256(random.Bytes(8)).ToHex() + Sha256(random.Bytes(8)).ToHex() +
             "\"}\n";
  }
  devices.Must(device, {"event", "append", "p", "numbers"}, lines);
}

TEST_CASE("streams: who is killed while it catches up goes on from there",
          "[e2e][fault]") {
  const std::uint64_t seed = Setting("SYNCLINE_SEED", 1);
  const std::uint64_t entries = Setting("SYNCLINE_ENTRIES", 100'000);
  const std::uint64_t kills = Setting("SYNCLINE_KILLS", 8);
  INFO("SYNCLINE_SEED=" << seed);
  SeededRandom random(seed);
  Devices devices(2, {.apart = true});
  devices.Found();
  const auto line = devices.Line(1, 0);
  devices.Serve(1);
  devices.Join(1, 0, line->address());
  devices.Part();
  Fill(devices, 0, entries);
  devices.Serve(0);
  devices.Serve(1);
  for (std::uint64_t i = 0; i < kills; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(random.Below(500)));
    const std::size_t victim = random.Below(4) == 0 ? 0 : 1;
    devices.Kill(victim);
    devices.Serve(victim);
  }
  devices.Converge();
  devices.CheckLog(0, entries);
  devices.CheckLog(1, entries);
  devices.RequireSound();
  CHECK(line->Bytes(Relay::Way::kBack) < entries * kBytesEach + kills * kAgain);
}

TEST_CASE("streams: two that send the same do not send it twice", "[e2e]") {
  const std::uint64_t entries = Setting("SYNCLINE_ENTRIES", 30'000);
  Devices devices(3, {.apart = true});
  devices.Found();
  const auto first = devices.Line(2, 0);
  devices.Serve(1);
  const auto between = devices.Line(1, 0);
  devices.Join(1, 0, between->address());
  const auto second = devices.Line(2, 1);
  devices.Serve(2);
  devices.Join(2, 0, first->address());
  devices.Join(2, 1, second->address());
  devices.Converge();
  devices.Stop(2);
  Fill(devices, 0, entries);
  Fill(devices, 1, entries);
  devices.Converge();
  const std::uint64_t before =
      first->Bytes(Relay::Way::kBack) + second->Bytes(Relay::Way::kBack);
  devices.Serve(2);
  devices.Converge();
  for (std::size_t i = 0; i < 3; ++i) devices.CheckLog(i, 2 * entries);
  devices.RequireSound();
  const std::uint64_t sent = first->Bytes(Relay::Way::kBack) +
                             second->Bytes(Relay::Way::kBack) - before;
  CHECK(sent < 2 * entries * kBytesEach * 3 / 2);
}

}  // namespace
}  // namespace syncline::testing
