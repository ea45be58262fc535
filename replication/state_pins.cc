#include "replication/state_pins.h"

#include <algorithm>
#include <utility>

namespace syncline {
namespace {

template <typename Pins, typename Wanted>
std::shared_ptr<const PinnedState> FindIf(const Pins& pins, Wanted wanted) {
  const auto at = std::find_if(pins.begin(), pins.end(), wanted);
  return at == pins.end() ? nullptr : *at;
}

}  // namespace

std::shared_ptr<const PinnedState> StatePins::Find(std::string_view id,
                                                   std::int64_t now_ms) {
  Expire(now_ms);
  return FindIf(pins_,
                [id](const auto& pin) { return pin->header().id == id; });
}

std::shared_ptr<const PinnedState> StatePins::At(const VersionVector& frontier,
                                                 std::int64_t now_ms) {
  Expire(now_ms);
  return FindIf(pins_, [&frontier](const auto& pin) {
    return pin->header().frontier == frontier;
  });
}

void StatePins::Add(std::shared_ptr<const PinnedState> pin) {
  if (pins_.size() == kPinsMax) pins_.erase(pins_.begin());
  pins_.push_back(std::move(pin));
}

void StatePins::Expire(std::int64_t now_ms) {
  std::erase_if(pins_, [now_ms](const auto& pin) {
    return now_ms - pin->pinned_at_ms() >= kAgeMaxMs;
  });
}

std::optional<std::int64_t> StatePins::due_ms() const {
  if (pins_.empty()) return std::nullopt;
  return pins_.front()->pinned_at_ms() + kAgeMaxMs;
}

}  // namespace syncline
