#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "base/timer.h"

namespace syncline::testing {

// Timers that end when they are told to. One of them waits at a time.
class ManualTimers {
 public:
  MakeTimer Maker() {
    return [this] { return std::make_unique<One>(*this); };
  }
  void Fire() {
    if (due_) std::exchange(due_, nullptr)();
  }
  // How long the one that waits should.
  [[nodiscard]] std::int64_t wait_ms() const { return wait_ms_; }
  [[nodiscard]] bool waiting() const { return due_ != nullptr; }

 private:
  struct One final : Timer {
    explicit One(ManualTimers& timers) : owner(timers) {}
    void Start(std::int64_t ms, std::function<void()> done) override {
      owner.wait_ms_ = ms;
      owner.due_ = std::move(done);
    }
    void Cancel() override { owner.due_ = nullptr; }
    ManualTimers& owner;
  };
  std::function<void()> due_;
  std::int64_t wait_ms_ = 0;
};

}  // namespace syncline::testing
