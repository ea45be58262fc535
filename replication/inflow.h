#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "base/timer.h"

namespace syncline {

// Which of the peers that send a project at the same time leads: it is given
// the whole window. What the others have is mostly the same, so they are given
// room for one entry at a time; each answer tells them what has come from
// elsewhere meanwhile, and they go on behind that.
//
// And whether peers are asked for anything yet: not while it is closed, for
// what must be in the project before what they have. Bound to the replica's
// executor.
class Inflow {
 private:
  struct Closed {
    bool open = false;
    std::vector<std::function<void()>> waiting;
    std::unique_ptr<Timer> limit;

    ~Closed() { Open(); }
    void Open() {
      open = true;
      for (auto& each : std::exchange(waiting, {})) each();
    }
  };

 public:
  // The lead is lost by who sends nothing for so long.
  static constexpr std::int64_t kSilentMs = 2000;

  // `sender` has sent something; `more`: it has more at once. True if it
  // leads, or nobody does. `now_ms` never goes back.
  bool Leads(const void* sender, bool more, std::int64_t now_ms) {
    const std::int64_t silent = now_ms - heard_ms_;
    if (leader_ != sender && silent > kSilentMs) leader_ = nullptr;
    if (leader_ == nullptr && more) leader_ = sender;
    if (leader_ != sender) return leader_ == nullptr;
    heard_ms_ = now_ms;
    if (!more) leader_ = nullptr;
    return true;
  }

  // `sender` sends no more.
  void Leave(const void* sender) {
    if (leader_ == sender) leader_ = nullptr;
  }

  // Closes it for as long as a copy of what this gives lives, but not beyond
  // `limit_ms`. Closing it again takes the place of this.
  using Hold = std::shared_ptr<const void>;
  Hold Close(std::unique_ptr<Timer> limit, std::int64_t limit_ms) {
    auto closed = std::make_shared<Closed>();
    closed->limit = std::move(limit);
    closed->limit->Start(limit_ms, [raw = closed.get()] { raw->Open(); });
    closed_ = closed;
    return closed;
  }
  [[nodiscard]] bool closed() const {
    const std::shared_ptr<Closed> closed = closed_.lock();
    return closed && !closed->open;
  }
  // Calls `opened` once it is open: at once, or from within the end of the
  // last hold, whatever that is a part of.
  void WhenOpen(std::function<void()> opened) {
    const std::shared_ptr<Closed> closed = closed_.lock();
    if (!closed || closed->open) return opened();
    closed->waiting.push_back(std::move(opened));
  }

 private:
  const void* leader_ = nullptr;  // Compared only.
  std::int64_t heard_ms_ = 0;
  std::weak_ptr<Closed> closed_;
};

}  // namespace syncline
