#include "tests/sim/sim_damage.h"

#include <capnp/message.h>
#include <capnp/serialize.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <variant>

#include "log/append_log.h"
#include "log/frame.h"
#include "proto/entry_codec.h"
#include "proto/kj_status.h"
#include "replication/chain_signature.h"
#include "replication/peer/history_codec.h"
#include "replication/peer/peer_codec.h"
#include "tests/sim/sim_node.h"

namespace syncline::testing {
namespace {

std::vector<std::string> EntriesOf(const Segment& segment) {
  std::vector<std::string> entries;
  std::string_view frames = segment.frames;
  while (!frames.empty()) {
    const absl::StatusOr<Frame> frame = ParseFrame(frames);
    if (!frame.ok()) break;
    entries.emplace_back(frame->entry);
    frames.remove_prefix(frame->bytes);
  }
  return entries;
}

}  // namespace

void SimDamage::Begin(bool positions) {
  on_ = true;
  positions_ = positions;
  ever_ = true;
}

SimDamage::How SimDamage::Draw() {
  if (!on_) return How::kNone;
  const std::uint64_t dice = random_.Below(20);
  if (dice < 5) return How::kChange;
  if (dice < 6) return How::kTwice;
  return dice < 7 ? How::kLater : How::kNone;
}

// ---- on the wire

template <typename Wire, typename Message, typename Encode, typename Decode>
bool SimDamage::Transmit(Message& message, Encode encode, Decode decode) {
  capnp::MallocMessageBuilder builder;
  encode(message, builder.initRoot<Wire>());
  kj::Array<capnp::word> words = capnp::messageToFlatArray(builder);
  auto bytes = words.asBytes();
  std::size_t size = words.size();
  if (Chance(4)) {
    for (std::uint64_t i = 1 + random_.Below(3); i > 0; --i) {
      bytes[random_.Below(bytes.size())] ^=
          static_cast<unsigned char>(1u << random_.Below(8));
    }
    if (Chance(4)) size = random_.Below(size + 1);
  }
  bool decoded = false;
  const absl::Status thrown = CatchKj([&] {
    capnp::FlatArrayMessageReader reader(words.slice(0, size));
    auto result = decode(reader.getRoot<Wire>());
    if (!result.ok()) return;
    message = *std::move(result);
    decoded = true;
  });
  return thrown.ok() && decoded;
}

// ---- lies

std::uint64_t SimDamage::Counter(std::uint64_t counter) {
  if (Chance(4)) return random_.Next();
  if (Chance(2)) return counter + 1 + random_.Below(3);
  return counter - random_.Below(counter + 1);
}

void SimDamage::Lie(VersionVector& frontier) {
  VersionVector other;
  const auto slots = frontier.slots();
  const std::size_t at = random_.Below(slots.size() + 1);
  for (std::size_t i = 0; i < slots.size(); ++i) {
    other.Raise(slots[i].origin,
                i == at ? Counter(slots[i].counter) : slots[i].counter);
  }
  if (at == slots.size()) other.Raise(Origin::Random(random_), Counter(1));
  frontier = std::move(other);
}

void SimDamage::Lie(Hash& hash) {
  hash.bytes[random_.Below(Hash::kBytes)] ^= 1u;
}

void SimDamage::Lie(std::string& bytes) {
  if (bytes.empty() || Chance(4)) {
    bytes += random_.Bytes(1 + random_.Below(300));
  } else if (Chance(3)) {
    bytes.resize(random_.Below(bytes.size()));
  } else {
    char& byte = bytes[random_.Below(bytes.size())];
    byte = static_cast<char>(byte ^ (1 << random_.Below(7)));
  }
}

void SimDamage::Lie(Stop& stop) {
  stop.reason = static_cast<Stop::Reason>(random_.Below(7));
  stop.detail = "a lie";
}

void SimDamage::Lie(std::vector<ChainHead>& chains) {
  if (chains.empty() || Chance(6)) {
    chains.push_back({{Origin::Random(random_), Counter(1)}, {}, ""});
    return;
  }
  const std::size_t at = random_.Below(chains.size());
  ChainHead& head = chains[at];
  switch (random_.Below(4)) {
    case 0:
      Lie(head.hash);
      break;
    case 1:
      Lie(head.signature);
      break;
    case 2:
      head.dot.counter = Counter(head.dot.counter);
      break;
    default:
      chains.erase(chains.begin() + static_cast<std::ptrdiff_t>(at));
  }
}

void SimDamage::Lie(Position& position) {
  switch (random_.Below(6)) {
    case 0:
      Lie(position.frontier_hash);
      break;
    case 1:
      if (position.frontier) Lie(*position.frontier);
      break;
    case 2:
      position.frontier.reset();
      break;
    case 3:
      if (position.digest) Lie(*position.digest);
      break;
    case 4:
      Lie(position.truncated);
      break;
    default:
      Lie(position.chains);
  }
}

// Never where it has settled a fork: about its own origin it is believed then
// for ever, and whoever gave up what it wrote does not take it again.
bool SimDamage::LiesAboutPositions() const {
  return positions_ && node_.forks() == 0;
}

void SimDamage::Lie(StateHeader& header) {
  switch (random_.Below(6)) {
    case 0:
      Lie(header.digest);
      break;
    case 1:
      Lie(header.frontier);
      break;
    case 2:
      // Fitting ones, but for the signature.
      Lie(header.frontier);
      header.chains.clear();
      for (const auto& slot : header.frontier.slots()) {
        header.chains.push_back({{slot.origin, slot.counter}, {}, ""});
      }
      break;
    case 3:
      Lie(header.id);
      break;
    case 4:
      if (!header.devices.empty()) {
        Lie(header.devices[random_.Below(header.devices.size())].second);
      }
      break;
    default:
      Lie(header.chains);
  }
}

// ---- entries

bool SimDamage::ForgeOne(std::string& entry) {
  absl::StatusOr<DecodedEntry> decoded = DecodeEntry(entry);
  if (!decoded.ok()) return false;
  Entry& forged = decoded->entry;
  switch (random_.Below(6)) {
    case 0:
      forged.dot.counter = Counter(forged.dot.counter);
      break;
    case 1:
      Lie(forged.context);
      break;
    case 2:
    case 3:
      forged.hlc.packed += 1;
      break;
    default:
      forged.effects = {EventEffect{"channel", "never said"}};
  }
  auto encoded = EncodeEntry(forged, decoded->device_key);
  if (!encoded.ok() || *encoded == entry) return false;
  entry = *std::move(encoded);
  forged_.insert(Sha256(entry));
  return true;
}

void SimDamage::Forge(Segment& segment, std::vector<std::string>& entries) {
  if (!ForgeOne(entries[random_.Below(entries.size())])) return;
  if (!Chance(3)) Chain(segment, entries);
}

// Chain hashes that fit what it says now, signed with its own key: where the
// entries are its own, that would be no lie.
void SimDamage::Chain(Segment& segment,
                      const std::vector<std::string>& entries) {
  std::map<Origin, Hash> reached;
  Replica& replica = node_.replica();
  for (const std::string& bytes : entries) {
    const absl::StatusOr<DecodedEntry> entry = DecodeEntry(bytes);
    if (!entry.ok() || entry->entry.dot.counter == 0) continue;
    const Dot& dot = entry->entry.dot;
    if (!reached.contains(dot.origin)) {
      const auto before = replica.log().ChainAt({dot.origin, dot.counter - 1});
      reached[dot.origin] = before.ok() ? *before : Hash();
    }
    Hash& hash = reached[dot.origin];
    hash = Sha256(hash.view(), bytes);
  }
  for (ChainHead& head : segment.chains) {
    const auto at = reached.find(head.dot.origin);
    if (at == reached.end()) continue;
    head.hash = at->second;
    const std::string& own = node_.self().identity.public_key();
    if (replica.DeviceOf(head.dot.origin) == own) continue;
    const auto signature =
        SignChain(node_.self().identity, segment.project, head);
    if (signature.ok()) head.signature = *signature;
  }
}

void SimDamage::LieAboutEntries(Segment& segment) {
  std::vector<std::string> entries = EntriesOf(segment);
  if (entries.empty()) return;
  const std::size_t at = random_.Below(entries.size());
  switch (random_.Below(6)) {
    case 0:
      entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(at));
      break;
    case 1:
      entries.push_back(entries[at]);
      break;
    case 2:
      std::swap(entries[at], entries.front());
      break;
    default:
      Forge(segment, entries);
  }
  segment.frames.clear();
  for (const std::string& entry : entries) AppendFrame(segment.frames, entry);
}

// ---- calls

bool SimDamage::Change(Announcement& announcement) {
  switch (random_.Below(3)) {
    case 0:
      announcement.projects.clear();
      break;
    case 1:
      for (int i = 0; i < 200; ++i) {
        announcement.projects.push_back({{random_.Bytes(16)}, "no such"});
      }
      break;
    default:
      announcement.addresses.push_back(random_.Bytes(40));
  }
  return Transmit<wire::Announcement>(announcement, EncodeAnnouncement,
                                      DecodeAnnouncement);
}

bool SimDamage::Change(std::tuple<ProjectId, Position>& compare) {
  auto& [project, position] = compare;
  if (Chance(10)) project.bytes = random_.Bytes(16);
  if (!LiesAboutPositions()) return true;
  Lie(position);
  return Transmit<wire::Position>(position, EncodePosition, DecodePosition);
}

bool SimDamage::Change(
    std::tuple<ProjectId, Origin, std::vector<std::uint64_t>>& history) {
  auto& [project, origin, counters] = history;
  if (Chance(3)) origin = Origin::Random(random_);
  // More of them, not others: who asks is no liar to itself, and would take
  // what is said of one number for another's.
  for (std::size_t i = counters.size(); i-- > 0;) {
    counters.push_back(Counter(counters[i]));
  }
  if (Chance(3)) counters.clear();
  return true;
}

bool SimDamage::Change(PullRequest& request) {
  switch (random_.Below(6)) {
    case 0:
      Lie(request.frontier);
      break;
    case 1:
      request.frontier = {};
      break;
    case 2:
      request.window_bytes = static_cast<std::uint32_t>(random_.Next());
      break;
    case 3:
      request.inline_chunk_bytes_max =
          static_cast<std::uint32_t>(random_.Next());
      break;
    case 4:
      request.state_id = random_.Bytes(16);
      request.state_key = random_.Bytes(20);
      break;
    default:
      request.window_bytes = 0;
  }
  return Transmit<wire::PullRequest>(request, EncodePullRequest,
                                     DecodePullRequest);
}

bool SimDamage::Change(Segment& segment) {
  switch (random_.Below(14)) {
    case 0:
      segment.stream = static_cast<std::uint32_t>(Counter(segment.stream));
      break;
    case 1:
      segment.last = Counter(segment.last);
      segment.head = Counter(segment.head);
      break;
    case 2:
      if (segment.durable) Lie(*segment.durable);
      break;
    case 3:
      segment.chunks.push_back(random_.Bytes(random_.Below(40'000)));
      break;
    case 4:
      Lie(segment.frames);
      break;
    case 5:
      Lie(segment.chains);
      break;
    case 6:
      // The length of a frame.
      if (!segment.frames.empty()) {
        segment.frames[random_.Below(4)] ^= static_cast<char>(0x7f);
      }
      break;
    default:
      LieAboutEntries(segment);
  }
  return Transmit<wire::Segment>(segment, EncodeSegment, DecodeSegment);
}

bool SimDamage::Change(StatePush& piece) {
  switch (random_.Below(5)) {
    case 0:
      piece.stream = static_cast<std::uint32_t>(Counter(piece.stream));
      break;
    case 1:
      Lie(piece.id);
      break;
    case 2:
      piece.end = !piece.end;
      break;
    default:
      Lie(piece.rows);
  }
  return Transmit<wire::StatePiece>(piece, EncodeStatePush, DecodeStatePush);
}

bool SimDamage::Change(std::tuple<ProjectId, std::uint32_t, Stop>& ended) {
  auto& [project, stream, stop] = ended;
  if (Chance(3)) stream = static_cast<std::uint32_t>(Counter(stream));
  Lie(stop);
  return true;
}

bool SimDamage::Change(std::tuple<ProjectId, std::vector<Hash>>& chunks) {
  auto& [project, hashes] = chunks;
  if (Chance(3)) hashes.resize(hashes.size() + random_.Below(400));
  for (Hash& hash : hashes) {
    if (Chance(2)) Lie(hash);
  }
  return true;
}

// ---- answers

bool SimDamage::Change(CompareAnswer& answer) {
  if (!LiesAboutPositions()) return true;
  Position* const position = std::get_if<Position>(&answer);
  if (position != nullptr && !Chance(4)) {
    Lie(*position);
  } else {
    Stop stop;
    Lie(stop);
    answer = stop;
  }
  return Transmit<wire::CompareAnswer>(answer, EncodeCompareAnswer,
                                       DecodeCompareAnswer);
}

bool SimDamage::Change(HistoryAnswer& answer) {
  ChainHashes* const hashes = std::get_if<ChainHashes>(&answer);
  if (!LiesAboutPositions() || hashes == nullptr) return true;
  for (std::optional<Hash>& hash : *hashes) {
    if (hash && Chance(2)) Lie(*hash);
    if (Chance(6)) hash.reset();
  }
  if (Chance(4)) hashes->resize(random_.Below(100));
  return Transmit<wire::HistoryAnswer>(answer, EncodeHistoryAnswer,
                                       DecodeHistoryAnswer);
}

bool SimDamage::Change(PullAnswer& answer) {
  PullState* const state = std::get_if<PullState>(&answer);
  if (state != nullptr && !Chance(4)) {
    if (Chance(5)) {
      Lie(state->from);
    } else {
      Lie(state->header);
    }
  } else if (Chance(2)) {
    answer = PullStarted{};
  } else {
    Stop stop;
    Lie(stop);
    answer = stop;
  }
  return Transmit<wire::PullAnswer>(answer, EncodePullAnswer, DecodePullAnswer);
}

bool SimDamage::Change(PushAnswer& answer) {
  PushDurable* const durable = std::get_if<PushDurable>(&answer);
  if (durable != nullptr && !Chance(4)) {
    if (durable->frontier) Lie(*durable->frontier);
    durable->window_bytes = static_cast<std::uint32_t>(random_.Next());
  } else {
    Stop stop;
    Lie(stop);
    answer = stop;
  }
  return Transmit<wire::PushAnswer>(answer, EncodePushAnswer, DecodePushAnswer);
}

bool SimDamage::Change(ChunksAnswer& answer) {
  ChunkResults* const results = std::get_if<ChunkResults>(&answer);
  if (results != nullptr) {
    for (std::optional<std::string>& chunk : *results) {
      if (chunk && Chance(2)) Lie(*chunk);
      if (Chance(4)) chunk.reset();
    }
    if (Chance(4)) results->resize(random_.Below(20));
  }
  return Transmit<wire::ChunksAnswer>(answer, EncodeChunksAnswer,
                                      DecodeChunksAnswer);
}

}  // namespace syncline::testing
