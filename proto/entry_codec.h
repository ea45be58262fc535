#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "log/entry.h"

namespace syncline {

// An entry as it came off the wire or the log.
struct DecodedEntry {
  Entry entry;
  // Ed25519 public key of the origin's device (32 bytes); only in an origin's
  // first entry of a project, else empty.
  std::string device_key;
};

// The flat Cap'n Proto message of an entry (proto/entry.capnp): one segment,
// canonical table of origins (each origin once), each ancestor chain once.
// Deterministic. `device_key`: see DecodedEntry.
std::string EncodeEntry(const Entry& entry, std::string_view device_key);

// Reads bytes that may be anything. What it returns has sorted, distinct lists
// where entry.h says so, but may break the rules of CausalState::Violation.
//   kInvalidArgument  malformed
absl::StatusOr<DecodedEntry> DecodeEntry(std::string_view bytes);

}  // namespace syncline
