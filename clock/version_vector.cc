#include "clock/version_vector.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/status.h"

namespace syncline {
namespace {

// The first slot whose origin is not below `origin`.
template <typename Slots>
auto Find(Slots& slots, const Origin& origin) {
  return std::lower_bound(
      slots.begin(), slots.end(), origin,
      [](const VersionVector::Slot& slot, const Origin& wanted) {
        return slot.origin < wanted;
      });
}

}  // namespace

VersionVector::VersionVector() = default;
VersionVector::~VersionVector() = default;
VersionVector::VersionVector(const VersionVector& other) = default;
VersionVector& VersionVector::operator=(const VersionVector& other) = default;
VersionVector::VersionVector(VersionVector&& other) noexcept = default;
VersionVector& VersionVector::operator=(VersionVector&& other) noexcept =
    default;

bool operator==(const VersionVector& left, const VersionVector& right) {
  return left.slots_ == right.slots_;
}

void VersionVector::Reserve(std::size_t slots) { slots_.reserve(slots); }

absl::StatusOr<VersionVector> VersionVector::Decode(std::string_view bytes) {
  ByteReader reader(bytes);
  const std::uint64_t count = reader.Varint();
  if (count > kMaxSlots) {
    return MakeStatus(absl::StatusCode::kResourceExhausted,
                      "version vector: too many slots");
  }
  VersionVector result;
  for (std::uint64_t i = 0; i < count && reader.ok(); ++i) {
    std::optional<Origin> origin =
        Origin::FromBytes(reader.Bytes(Origin::kBytes));
    const std::uint64_t counter = reader.Varint();
    if (!origin || counter == 0 ||
        (!result.slots_.empty() && result.slots_.back().origin >= *origin)) {
      return InvalidArgument("version vector: not in canonical form");
    }
    result.slots_.push_back({*origin, counter});
  }
  if (!reader.AtEnd()) {
    return InvalidArgument("version vector: malformed");
  }
  return result;
}

std::string VersionVector::Encode() const {
  std::string out;
  AppendVarint(out, slots_.size());
  for (const Slot& slot : slots_) {
    out += slot.origin.view();
    AppendVarint(out, slot.counter);
  }
  return out;
}

void VersionVector::Raise(const Origin& origin, std::uint64_t counter) {
  if (counter == 0) return;
  auto at = Find(slots_, origin);
  if (at == slots_.end() || at->origin != origin) {
    slots_.insert(at, {origin, counter});
  } else {
    at->counter = std::max(at->counter, counter);
  }
}

void VersionVector::Join(const VersionVector& other) {
  Slots joined;
  joined.reserve(std::max(slots_.size(), other.slots_.size()));
  auto left = slots_.begin();
  auto right = other.slots_.begin();
  while (left != slots_.end() || right != other.slots_.end()) {
    if (right == other.slots_.end() ||
        (left != slots_.end() && left->origin < right->origin)) {
      joined.push_back(*left++);
    } else if (left == slots_.end() || right->origin < left->origin) {
      joined.push_back(*right++);
    } else {
      joined.push_back({left->origin, std::max(left->counter, right->counter)});
      ++left;
      ++right;
    }
  }
  slots_ = std::move(joined);
}

std::uint64_t VersionVector::CounterOf(const Origin& origin) const {
  auto at = Find(slots_, origin);
  return at != slots_.end() && at->origin == origin ? at->counter : 0;
}

bool VersionVector::Covers(const VersionVector& other) const {
  const Causality causality = Compare(other, *this);
  return causality == Causality::kEqual || causality == Causality::kBefore;
}

Causality Compare(const VersionVector& left, const VersionVector& right) {
  bool left_ahead = false;
  bool right_ahead = false;
  auto l = left.slots().begin();
  auto r = right.slots().begin();
  while (l != left.slots().end() && r != right.slots().end()) {
    if (l->origin == r->origin) {
      left_ahead |= l->counter > r->counter;
      right_ahead |= r->counter > l->counter;
      ++l;
      ++r;
    } else if (l->origin < r->origin) {
      left_ahead = true;
      ++l;
    } else {
      right_ahead = true;
      ++r;
    }
  }
  left_ahead |= l != left.slots().end();
  right_ahead |= r != right.slots().end();
  if (left_ahead && right_ahead) return Causality::kConcurrent;
  if (left_ahead) return Causality::kAfter;
  return right_ahead ? Causality::kBefore : Causality::kEqual;
}

}  // namespace syncline
