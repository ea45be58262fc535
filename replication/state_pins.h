#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "kv/store.h"
#include "replication/state/state_piece.h"
#include "replication/state_header.h"

namespace syncline {

// A state as of one durable point, kept readable whatever is written
// meanwhile. Must not outlive the store. Reading is thread-safe.
class PinnedState {
 public:
  PinnedState(const Store& store, ProjectNumber project, StateHeader header,
              std::int64_t now_ms)
      : header_(std::move(header)),
        snapshot_(store.NewSnapshot()),
        reader_(store, project, snapshot_.get()),
        pinned_at_ms_(now_ms) {}

  [[nodiscard]] const StateHeader& header() const { return header_; }
  [[nodiscard]] const StateReader& reader() const { return reader_; }
  [[nodiscard]] std::int64_t pinned_at_ms() const { return pinned_at_ms_; }

 private:
  const StateHeader header_;
  const std::unique_ptr<StoreSnapshot> snapshot_;
  const StateReader reader_;
  const std::int64_t pinned_at_ms_;  // Steady clock.
};

// The pins of one project: a peer that lost its connection goes on with the
// one that it has. A pin keeps old rows on the disk, so there are few, and
// none for long. Thread-compatible.
class StatePins {
 public:
  static constexpr std::size_t kPinsMax = 4;
  static constexpr std::int64_t kAgeMaxMs = 3'600'000;

  // The pin with that id; null if it is gone.
  std::shared_ptr<const PinnedState> Find(std::string_view id,
                                          std::int64_t now_ms);
  // One at that frontier; null if there is none.
  std::shared_ptr<const PinnedState> At(const VersionVector& frontier,
                                        std::int64_t now_ms);
  // The oldest goes if there are too many; who sends it keeps it till then.
  void Add(std::shared_ptr<const PinnedState> pin);
  void Expire(std::int64_t now_ms);
  // When the oldest is to go; nothing without pins.
  [[nodiscard]] std::optional<std::int64_t> due_ms() const;

 private:
  std::vector<std::shared_ptr<const PinnedState>> pins_;  // Oldest first.
};

}  // namespace syncline
