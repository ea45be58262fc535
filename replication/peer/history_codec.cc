#include "replication/peer/history_codec.h"

#include <optional>
#include <string_view>
#include <utility>
#include <variant>

#include "base/status.h"
#include "proto/words.h"
#include "replication/peer/peer_codec.h"

namespace syncline {
namespace {

absl::StatusOr<std::optional<Hash>> DecodeHashIfAny(capnp::Data::Reader in) {
  if (in.size() == 0) return std::optional<Hash>();
  const auto hash =
      Hash::FromBytes({reinterpret_cast<const char*>(in.begin()), in.size()});
  if (!hash) return InvalidArgument("malformed hash");
  return hash;
}

}  // namespace

void EncodeHistoryAnswer(const HistoryAnswer& answer,
                         wire::HistoryAnswer::Builder out) {
  if (const Stop* stop = std::get_if<Stop>(&answer))
    return EncodeStop(*stop, out.initStopped());
  const auto& hashes = std::get<ChainHashes>(answer);
  auto list = out.initHashes(static_cast<unsigned>(hashes.size()));
  for (unsigned i = 0; i < list.size(); ++i)
    list.set(i, ToData(hashes[i] ? hashes[i]->view() : std::string_view()));
}

absl::StatusOr<HistoryAnswer> DecodeHistoryAnswer(
    wire::HistoryAnswer::Reader in) {
  if (in.isStopped()) return HistoryAnswer(DecodeStop(in.getStopped()));
  if (in.getHashes().size() > kHistoryAskedMax)
    return InvalidArgument("malformed list of hashes");
  ChainHashes hashes;
  for (const auto wire : in.getHashes()) {
    SYNCLINE_ASSIGN_OR_RETURN(std::optional<Hash> hash, DecodeHashIfAny(wire));
    hashes.push_back(hash);
  }
  return HistoryAnswer(std::move(hashes));
}

void EncodeSettled(const SettledFork& fork, wire::SettledFork::Builder out) {
  out.setOrigin(ToData(fork.fork.origin.view()));
  out.setCounter(fork.fork.counter);
  if (fork.given_up) out.setGivenUp(ToData(fork.given_up->view()));
}

absl::StatusOr<SettledFork> DecodeSettled(wire::SettledFork::Reader in) {
  SettledFork fork;
  SYNCLINE_ASSIGN_OR_RETURN(fork.fork.origin, DecodeOrigin(in.getOrigin()));
  fork.fork.counter = in.getCounter();
  if (fork.fork.counter == Fork::kUnknown)
    return InvalidArgument("malformed fork");
  SYNCLINE_ASSIGN_OR_RETURN(fork.given_up, DecodeHashIfAny(in.getGivenUp()));
  return fork;
}

absl::StatusOr<std::vector<std::uint64_t>> DecodeCounters(
    capnp::List<std::uint64_t>::Reader in) {
  if (in.size() > kHistoryAskedMax)
    return InvalidArgument("malformed list of counters");
  std::vector<std::uint64_t> counters;
  for (const std::uint64_t counter : in) counters.push_back(counter);
  return counters;
}

}  // namespace syncline
