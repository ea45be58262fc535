#pragma once

#include <cstdint>

namespace syncline {

// Which of the peers that send a project at the same time leads: it is given
// the whole window. What the others have is mostly the same, so they are given
// room for one entry at a time; each answer tells them what has come from
// elsewhere meanwhile, and they go on behind that. Bound to the replica's
// executor.
class Inflow {
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

 private:
  const void* leader_ = nullptr;  // Compared only.
  std::int64_t heard_ms_ = 0;
};

}  // namespace syncline
