#include "tests/sim/sim_clock.h"

namespace syncline::testing {
namespace {

class SimTimer final : public Timer {
 public:
  explicit SimTimer(SimClock& clock) : clock_(clock) {}
  void Start(std::int64_t ms, std::function<void()> done) override {
    started_ = std::make_shared<char>();
    clock_.After(ms * 1000, [token = std::weak_ptr<char>(started_),
                             done = std::move(done)] {
      if (!token.expired()) done();
    });
  }
  void Cancel() override { started_.reset(); }

 private:
  SimClock& clock_;
  std::shared_ptr<char> started_;
};

}  // namespace

void SimClock::After(std::int64_t us, std::function<void()> event) {
  events_.emplace(std::pair(now_us_ + us, ++made_), std::move(event));
}

bool SimClock::Step(std::int64_t until_us) {
  io_.restart();
  io_.poll();
  const auto next = events_.begin();
  if (next == events_.end() || next->first.first > until_us) {
    now_us_ = until_us;
    return false;
  }
  now_us_ = next->first.first;
  const std::function<void()> event = std::move(next->second);
  events_.erase(next);
  event();
  io_.restart();
  io_.poll();
  return true;
}

// FNV-1a.
void SimClock::Trace(std::string_view what) {
  for (const char c : what) {
    trace_ = (trace_ ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  }
  trace_ = (trace_ ^ static_cast<std::uint64_t>(now_us_)) * 0x100000001b3u;
}

MakeTimer SimClock::Timers() {
  return [this] { return std::make_unique<SimTimer>(*this); };
}

}  // namespace syncline::testing
