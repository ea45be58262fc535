#include "tests/testing/state_steps.h"

#include <catch2/catch.hpp>

#include "replication/state_intake.h"

namespace syncline::testing {

using Pin = std::shared_ptr<const PinnedState>;

absl::StatusOr<Pin> PinOf(ReplicaRig& rig, const std::string& id) {
  absl::StatusOr<Pin> pin = absl::UnknownError("");
  bool done = false;
  rig->PinState(id, [&](absl::StatusOr<Pin> pinned) {
    pin = std::move(pinned);
    done = true;
  });
  rig.RunUntil(done);
  return pin;
}

absl::Status Await(ReplicaRig& rig) {
  absl::Status status;
  bool done = false;
  rig->intake().Await([&](const absl::Status& outcome) {
    status = outcome;
    done = true;
  });
  rig.RunUntil(done);
  return status;
}

absl::Status Stage(ReplicaRig& rig, const PinnedState& pin,
                   std::size_t bytes_max, std::size_t pieces_max) {
  std::string at;
  if (const auto part = rig->intake().resumption()) {
    if (part->id == pin.header().id) at = part->key;
  }
  const absl::Status taken = rig->intake().Offer(pin.header(), at, "peer");
  if (absl::IsAlreadyExists(taken)) return absl::OkStatus();
  if (!taken.ok()) return taken;
  for (std::size_t i = 0; i < pieces_max; ++i) {
    const auto piece = pin.reader().Next(at, bytes_max);
    REQUIRE(piece.ok());
    absl::Status status;
    bool done = false;
    rig->intake().Stage(pin.header().id, piece->bytes, piece->end,
                        [&](const absl::Status& staged) {
                          status = staged;
                          done = true;
                        });
    rig.RunUntil(done);
    if (!status.ok()) return status;
    at = piece->last_key;
    if (piece->end) break;
  }
  return absl::OkStatus();
}

void Join(ReplicaRig& to, ReplicaRig& from) {
  const auto pin = PinOf(from);
  REQUIRE(pin.ok());
  REQUIRE(Stage(to, **pin, 700).ok());
  const absl::Status status = Await(to);
  INFO(status.ToString());
  REQUIRE(status.ok());
}

void TruncateAll(ReplicaRig& rig) {
  rig.Settle();
  bool done = false;
  rig->Truncate(rig->log().durable(), [&](const absl::Status& status) {
    CHECK(status.ok());
    done = true;
  });
  rig.RunUntil(done);
}

}  // namespace syncline::testing
