#include "replication/state_header.h"

#include <optional>

#include "base/bytes.h"
#include "base/status.h"
#include "replication/device_identity.h"

namespace syncline {
namespace {

constexpr std::uint8_t kHeaderFormat = 2;
constexpr std::uint8_t kDoubtedFormat = 3;  // Where something is in doubt.

}  // namespace

absl::Status StateHeader::Check() const {
  if (id.size() != kIdBytes) return InvalidArgument("state: malformed id");
  const auto slots = frontier.slots();
  if (chains.size() != slots.size()) {
    return InvalidArgument("state: chain hashes do not fit the frontier");
  }
  for (std::size_t i = 0; i < chains.size(); ++i) {
    if (chains[i].dot != Dot{slots[i].origin, slots[i].counter}) {
      return InvalidArgument("state: chain hashes do not fit the frontier");
    }
    if (chains[i].signature.size() != kSignatureBytes) {
      return InvalidArgument("state: a chain hash without a signature");
    }
  }
  for (const auto& [origin, key] : devices) {
    if (key.size() != kDeviceKeyBytes || frontier.CounterOf(origin) == 0) {
      return InvalidArgument("state: malformed device of an origin");
    }
  }
  for (const Origin& origin : doubted) {
    if (frontier.CounterOf(origin) == 0) {
      return InvalidArgument("state: doubts about an unknown origin");
    }
  }
  return absl::OkStatus();
}

std::string EncodeStateHeader(const StateHeader& header) {
  const bool doubted = !header.doubted.empty();
  std::string out(1,
                  static_cast<char>(doubted ? kDoubtedFormat : kHeaderFormat));
  out += header.id;
  AppendSized(out, header.frontier.Encode());
  for (const ChainHead& head : header.chains) {
    out += head.hash.view();
    out += head.signature;
  }
  out += header.digest.view();
  AppendVarint(out, header.items);
  if (doubted) {
    AppendVarint(out, header.doubted.size());
    for (const Origin& origin : header.doubted) out += origin.view();
  }
  for (const auto& [origin, key] : header.devices) {
    out += origin.view();
    AppendSized(out, key);
  }
  return out;
}

absl::StatusOr<StateHeader> DecodeStateHeader(std::string_view bytes) {
  const absl::Status malformed = DataLoss("staged state: malformed header");
  ByteReader reader(bytes);
  const std::uint8_t format = reader.U8();
  if (format != kHeaderFormat && format != kDoubtedFormat) return malformed;
  StateHeader header;
  header.id = reader.Bytes(StateHeader::kIdBytes);
  auto frontier = VersionVector::Decode(reader.Sized());
  if (!reader.ok() || !frontier.ok()) return malformed;
  header.frontier = *std::move(frontier);
  for (const VersionVector::Slot& slot : header.frontier.slots()) {
    const auto hash = Hash::FromBytes(reader.Bytes(Hash::kBytes));
    if (!hash) return malformed;
    header.chains.push_back({{slot.origin, slot.counter},
                             *hash,
                             std::string(reader.Bytes(kSignatureBytes))});
  }
  const auto digest = Hash::FromBytes(reader.Bytes(Hash::kBytes));
  header.items = reader.Varint();
  if (!digest) return malformed;
  header.digest = *digest;
  std::uint64_t doubted = format == kDoubtedFormat ? reader.Varint() : 0;
  for (; reader.ok() && doubted > 0; --doubted) {
    const auto origin = Origin::FromBytes(reader.Bytes(Origin::kBytes));
    if (!origin) return malformed;
    header.doubted.push_back(*origin);
  }
  while (reader.ok() && !reader.AtEnd()) {
    const auto origin = Origin::FromBytes(reader.Bytes(Origin::kBytes));
    const std::string_view key = reader.Sized();
    if (!origin) return malformed;
    header.devices.emplace_back(*origin, key);
  }
  if (!reader.ok() || !header.Check().ok()) return malformed;
  return header;
}

}  // namespace syncline
