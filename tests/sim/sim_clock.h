#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <boost/asio/io_context.hpp>

#include "base/random.h"
#include "base/time_source.h"
#include "base/timer.h"

namespace syncline::testing {

// Everything that happens later, in the order of its time and then of its
// making. Handlers of `io` run at once, between two events. One thread.
class SimClock {
 public:
  explicit SimClock(std::uint64_t seed) : random_(seed) {}
  SimClock(const SimClock&) = delete;
  SimClock& operator=(const SimClock&) = delete;

  void After(std::int64_t us, std::function<void()> event);
  // Runs the next event, if it comes before `until_us`, and all that it
  // posts; then time stands there, or at `until_us`. False: none did.
  bool Step(std::int64_t until_us);
  void RunUntil(std::int64_t until_us) {
    while (Step(until_us)) {
    }
  }

  [[nodiscard]] std::int64_t now_us() const { return now_us_; }
  SeededRandom& random() { return random_; }
  std::int64_t Between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(
                     random_.Below(static_cast<std::uint64_t>(high - low + 1)));
  }
  boost::asio::io_context& io() { return io_; }

  // What happened, for comparing two runs.
  void Trace(std::string_view what);
  [[nodiscard]] std::uint64_t trace() const { return trace_; }

  MakeTimer Timers();

 private:
  boost::asio::io_context io_{1};
  SeededRandom random_;
  std::int64_t now_us_ = 0;
  std::uint64_t made_ = 0;
  std::uint64_t trace_ = 0;
  std::map<std::pair<std::int64_t, std::uint64_t>, std::function<void()>>
      events_;
};

// A node's clocks: its wall clock may be wrong.
class SimTime final : public TimeSource {
 public:
  explicit SimTime(const SimClock& clock) : clock_(clock) {}
  std::int64_t NowMs() const override {
    return kEpochMs + clock_.now_us() / 1000 + skew_ms;
  }
  std::int64_t SteadyMs() const override { return clock_.now_us() / 1000; }

  std::int64_t skew_ms = 0;

 private:
  static constexpr std::int64_t kEpochMs = 1'750'000'000'000;
  const SimClock& clock_;
};

}  // namespace syncline::testing
