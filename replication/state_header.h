#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/hash.h"
#include "clock/version_vector.h"
#include "log/chain_head.h"

namespace syncline {

// What a state is said to be before its pieces come: where its node stood when
// it was pinned.
struct StateHeader {
  static constexpr std::size_t kIdBytes = 16;

  std::string id;  // Random: names this pin of this node.
  VersionVector frontier;
  std::vector<ChainHead> chains;  // One for each slot of `frontier`, signed.
  Hash digest;                    // Of all heads.
  std::uint64_t items = 0;        // Visible ones, for people.
  // Ed25519 public keys of the devices of origins, as far as they are known.
  std::vector<std::pair<Origin, std::string>> devices;
  // Origins that others may hold another history of: see Replica::Doubt().
  std::vector<Origin> doubted;

  // Chains fit the frontier, and sizes are right.
  //   kInvalidArgument  they do not
  [[nodiscard]] absl::Status Check() const;
};

// The form in which a staged state keeps it.
//   kDataLoss  malformed
std::string EncodeStateHeader(const StateHeader& header);
absl::StatusOr<StateHeader> DecodeStateHeader(std::string_view bytes);

}  // namespace syncline
