#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "proto/peer.capnp.h"
#include "replication/peer/peer_messages.h"

namespace syncline {

// As in peer_codec.h: to and from the wire.
void EncodeHistoryAnswer(const HistoryAnswer& answer,
                         wire::HistoryAnswer::Builder out);
absl::StatusOr<HistoryAnswer> DecodeHistoryAnswer(
    wire::HistoryAnswer::Reader in);
void EncodeSettled(const SettledFork& fork, wire::SettledFork::Builder out);
absl::StatusOr<SettledFork> DecodeSettled(wire::SettledFork::Reader in);
absl::StatusOr<std::vector<std::uint64_t>> DecodeCounters(
    capnp::List<std::uint64_t>::Reader in);

}  // namespace syncline
