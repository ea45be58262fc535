#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <boost/container/small_vector.hpp>

#include "absl/status/statusor.h"
#include "clock/dot.h"

namespace syncline {

// How one history relates to another. Causality is a partial order, so there
// is no operator<: it would let std::sort and std::map compile and misbehave.
enum class Causality : std::uint8_t {
  kEqual,       // Both saw the same entries.
  kBefore,      // The left saw only a part of what the right saw.
  kAfter,       // The left saw everything the right saw, and more.
  kConcurrent,  // Each saw an entry that the other did not.
};

// Counts, per origin, the entries that a piece of state has taken in: the
// frontier of a project, and the context of an entry.
//
// Holds counters and nothing else (no wall time), always in canonical form:
// sorted by origin, one slot each, none zero. Equal histories are therefore
// equal objects and equal bytes. Slots are never dropped.
//
// A value: copies share nothing. Thread-compatible.
class VersionVector {
 public:
  struct Slot {
    Origin origin;
    std::uint64_t counter;  // Highest counter taken in; at least 1.
    friend bool operator==(const Slot&, const Slot&) = default;
  };

  // Bound on what may arrive from disk or from a peer.
  static constexpr std::size_t kMaxSlots = 65536;

  VersionVector();  // Has seen nothing.
  ~VersionVector();
  VersionVector(const VersionVector& other);
  VersionVector& operator=(const VersionVector& other);
  VersionVector(VersionVector&& other) noexcept;
  VersionVector& operator=(VersionVector&& other) noexcept;

  // Reads what Encode() wrote; keeps no reference to `bytes`.
  //   kInvalidArgument    not in canonical form, or bytes left over
  //   kResourceExhausted  more than kMaxSlots slots
  static absl::StatusOr<VersionVector> Decode(std::string_view bytes);
  [[nodiscard]] std::string Encode() const;

  // Raises the counter of `origin` to `counter` if it is lower (or absent).
  // Zero changes nothing.
  void Raise(const Origin& origin, std::uint64_t counter);
  // Raises every slot to the other's: the least vector at or after both.
  // Commutative, associative, idempotent.
  void Join(const VersionVector& other);

  // Makes room for so many slots.
  void Reserve(std::size_t slots);

  // Highest counter of `origin` taken in; 0 if absent. O(log size()).
  [[nodiscard]] std::uint64_t CounterOf(const Origin& origin) const;
  [[nodiscard]] bool Covers(const Dot& dot) const {
    return dot.counter <= CounterOf(dot.origin);
  }
  // Every entry that `other` counts is counted here too.
  [[nodiscard]] bool Covers(const VersionVector& other) const;

  [[nodiscard]] bool empty() const { return slots_.empty(); }
  [[nodiscard]] std::size_t size() const { return slots_.size(); }
  // In origin order. Valid until the next non-const call.
  [[nodiscard]] std::span<const Slot> slots() const {
    return {slots_.data(), slots_.size()};
  }

  friend bool operator==(const VersionVector& left, const VersionVector& right);

 private:
  // Most projects are of few devices, and every entry has a context.
  using Slots = boost::container::small_vector<Slot, 2>;

  Slots slots_;
};

// O(left.size() + right.size()). Swapping the arguments swaps kBefore/kAfter.
[[nodiscard]] Causality Compare(const VersionVector& left,
                                const VersionVector& right);

}  // namespace syncline
