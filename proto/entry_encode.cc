#include <capnp/message.h>

#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "base/bytes.h"
#include "base/check.h"
#include "base/status.h"
#include "log/frame.h"
#include "proto/entry.capnp.h"
#include "proto/entry_codec.h"
#include "proto/entry_tables.h"
#include "proto/message_scratch.h"
#include "proto/words.h"

namespace syncline {
namespace {

using entry_tables::kInRoot;
using entry_tables::kNowhere;
using entry_tables::kOdd;

// Collects the tables while the effects are written down.
class EntryEncoder {
 public:
  explicit EntryEncoder(const Entry& entry);
  absl::StatusOr<std::string> Encode(std::string_view device_key);

 private:
  // What the tables say about one effect.
  struct Plan {
    std::uint32_t node = 0;
    std::string packed;  // Attributes of content, keys of remove.
  };

  std::uint64_t OriginNumber(const Origin& origin);
  absl::Status AppendItem(const ItemId& item);
  // `item` and `name` are the entry's.
  absl::StatusOr<std::uint32_t> ItemNode(const ItemId& item);
  absl::StatusOr<std::uint32_t> AddNode(const std::string& where,
                                        const ItemId& item,
                                        const std::string* name);
  std::optional<std::uint32_t> FindNode(const std::string& where,
                                        const ItemId& item,
                                        std::string_view name) const;
  absl::StatusOr<std::uint32_t> LocationNode(const ItemId& item,
                                             const Location& location);
  absl::Status AddChain(const Chain& chain);
  absl::Status AddDot(const Dot& dot);
  absl::Status AddDots(const Dots& dots);

  absl::Status MakePlans();
  absl::Status Add(const CreateEffect& effect, Plan& plan);
  absl::Status Add(const PlaceEffect& effect, Plan& plan);
  absl::Status Add(const ContentEffect& effect, Plan& plan);
  absl::Status Add(const AttrEffect& effect, Plan& plan);
  absl::Status Add(const RemoveEffect& effect, Plan& plan);
  absl::Status Add(const DocEffect& effect, Plan& plan);
  absl::Status Add(const EventEffect& effect, Plan& plan);

  std::size_t BytesMax(std::string_view device_key) const;
  void Write(wire::Entry::Builder out, std::string_view device_key) const;

  const Entry& entry_;
  std::string origins_;
  std::string context_;
  std::string nodes_;
  std::string dots_;
  std::map<Origin, std::uint64_t> more_origins_;  // Beyond the context's.
  std::uint64_t origins_in_context_ = 0;          // The author included.
  std::uint32_t node_count_ = 0;
  std::size_t dot_count_ = 0;
  std::size_t attr_count_ = 0;
  std::size_t chain_bytes_ = 0;
  // Nodes by `where`, item and name; and the first node of an item. The first
  // few of all are looked through, which costs less than a map does.
  static constexpr std::uint32_t kFewNodes = 12;
  struct Node {
    std::string where;
    const ItemId* item = nullptr;
    const std::string* name = nullptr;
  };
  absl::InlinedVector<Node, kFewNodes> few_nodes_;
  std::map<std::tuple<std::string, ItemId, std::string_view>, std::uint32_t>
      located_;
  std::map<ItemId, std::uint32_t> items_;
  // The last chain, which the next effect mostly shares.
  const Chain* chain_ = nullptr;
  std::uint64_t chain_end_ = kInRoot;
  std::size_t chain_cost_ = 0;
  std::vector<Plan> plans_;
};

absl::Status TooLarge(std::string_view what) {
  return MakeStatus(absl::StatusCode::kResourceExhausted,
                    "an entry has too many " + std::string(what));
}

bool IsAscending(const Dots& dots) {
  for (std::size_t i = 1; i < dots.size(); ++i) {
    if (!(dots[i - 1] < dots[i])) return false;
  }
  return true;
}

EntryEncoder::EntryEncoder(const Entry& entry) : entry_(entry) {
  origins_ = entry.dot.origin.view();
  for (const VersionVector::Slot& slot : entry.context.slots()) {
    if (slot.origin == entry.dot.origin) continue;
    origins_ += slot.origin.view();
    AppendVarint(context_, slot.counter);
  }
  origins_in_context_ = origins_.size() / Origin::kBytes;
}

std::uint64_t EntryEncoder::OriginNumber(const Origin& origin) {
  if (origin == entry_.dot.origin) return 0;
  // Binary search among the numbers 1 .. origins_in_context_ - 1.
  std::uint64_t low = 1;
  std::uint64_t high = origins_in_context_;
  while (low < high) {
    const std::uint64_t middle = (low + high) / 2;
    const int order = std::memcmp(origins_.data() + middle * Origin::kBytes,
                                  origin.bytes.data(), Origin::kBytes);
    if (order == 0) return middle;
    (order < 0 ? low : high) = order < 0 ? middle + 1 : middle;
  }
  const auto [found, added] = more_origins_.try_emplace(
      origin, origins_in_context_ + more_origins_.size());
  if (added) origins_ += origin.view();
  return found->second;
}

// To the nodes.
absl::Status EntryEncoder::AppendItem(const ItemId& item) {
  const std::optional<std::uint64_t> kind = entry_tables::KindNumber(item.kind);
  if (!kind) return InvalidArgument("an item of no known kind");
  AppendVarint(nodes_, OriginNumber(item.origin));
  AppendVarint(nodes_, item.counter);
  AppendVarint(nodes_, std::uint64_t{item.index} * 4 + *kind);
  return absl::OkStatus();
}

absl::StatusOr<std::uint32_t> EntryEncoder::AddNode(const std::string& where,
                                                    const ItemId& item,
                                                    const std::string* name) {
  if (name != nullptr) {
    if (name->size() > EntryLimits::kNameBytesMax) {
      return TooLarge("bytes in a name");
    }
    if (const auto known = FindNode(where, item, *name)) return *known;
  }
  nodes_ += where;
  SYNCLINE_RETURN_IF_ERROR(AppendItem(item));
  if (name != nullptr) AppendSized(nodes_, *name);
  if (node_count_ < kFewNodes) {
    few_nodes_.push_back({where, &item, name});
  } else {
    if (name != nullptr) {
      located_.try_emplace({where, item, *name}, node_count_);
    }
    items_.try_emplace(item, node_count_);
  }
  return node_count_++;
}

std::optional<std::uint32_t> EntryEncoder::FindNode(
    const std::string& where, const ItemId& item, std::string_view name) const {
  for (std::uint32_t i = 0; i < few_nodes_.size(); ++i) {
    const Node& node = few_nodes_[i];
    if (node.name != nullptr && *node.name == name && *node.item == item &&
        node.where == where) {
      return i;
    }
  }
  if (located_.empty()) return std::nullopt;
  const auto found = located_.find({where, item, name});
  if (found == located_.end()) return std::nullopt;
  return found->second;
}

absl::StatusOr<std::uint32_t> EntryEncoder::ItemNode(const ItemId& item) {
  for (std::uint32_t i = 0; i < few_nodes_.size(); ++i) {
    if (*few_nodes_[i].item == item) return i;
  }
  const auto found = items_.find(item);
  if (found != items_.end()) return found->second;
  return AddNode(entry_tables::Packed(kNowhere), item, nullptr);
}

// Leaves the `where` of the chain's end in chain_end_.
absl::Status EntryEncoder::AddChain(const Chain& chain) {
  if (chain_ == nullptr || *chain_ != chain) {
    chain_end_ = kInRoot;
    chain_cost_ = 0;
    for (const auto& [item, name] : chain) {
      SYNCLINE_ASSIGN_OR_RETURN(
          const std::uint32_t node,
          AddNode(entry_tables::Packed(chain_end_), item, &name));
      chain_end_ = entry_tables::InNode(node);
      chain_cost_ += entry_tables::ChainCost(name);
    }
    chain_ = &chain;
  }
  chain_bytes_ += chain_cost_;
  if (chain_bytes_ > EntryLimits::kChainBytesMax) {
    return TooLarge("ancestors");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::uint32_t> EntryEncoder::LocationNode(
    const ItemId& item, const Location& location) {
  SYNCLINE_RETURN_IF_ERROR(AddChain(location.chain));
  const ItemId& end =
      location.chain.empty() ? kRoot : location.chain.back().first;
  std::string where = entry_tables::Packed(chain_end_);
  if (location.parent != end) {
    SYNCLINE_ASSIGN_OR_RETURN(const std::uint32_t parent,
                              ItemNode(location.parent));
    where = entry_tables::Packed(kOdd) + where + entry_tables::Packed(parent);
  }
  return AddNode(where, item, &location.name);
}

absl::Status EntryEncoder::AddDot(const Dot& dot) {
  if (++dot_count_ > EntryLimits::kDotsMax) {
    return TooLarge("superseded dots");
  }
  AppendVarint(dots_, OriginNumber(dot.origin));
  AppendVarint(dots_, dot.counter);
  return absl::OkStatus();
}

absl::Status EntryEncoder::AddDots(const Dots& dots) {
  if (!IsAscending(dots)) return InvalidArgument("dots that are not sorted");
  for (const Dot& dot : dots) SYNCLINE_RETURN_IF_ERROR(AddDot(dot));
  return absl::OkStatus();
}

// Locations first, so that effects that name only an item find it there.
absl::Status EntryEncoder::MakePlans() {
  plans_.resize(entry_.effects.size());
  for (std::size_t i = 0; i < plans_.size(); ++i) {
    const ItemId* item = nullptr;
    const Location* location = nullptr;
    if (const auto* place = std::get_if<PlaceEffect>(&entry_.effects[i])) {
      item = &place->item;
      location = &place->location;
    }
    if (const auto* content = std::get_if<ContentEffect>(&entry_.effects[i])) {
      item = &content->item;
      location = &content->location;
    }
    if (item == nullptr) continue;
    SYNCLINE_ASSIGN_OR_RETURN(plans_[i].node, LocationNode(*item, *location));
  }
  for (std::size_t i = 0; i < plans_.size(); ++i) {
    SYNCLINE_RETURN_IF_ERROR(
        std::visit([&](const auto& effect) { return Add(effect, plans_[i]); },
                   entry_.effects[i]));
  }
  return absl::OkStatus();
}

absl::Status EntryEncoder::Add(const CreateEffect& effect, Plan& plan) {
  SYNCLINE_ASSIGN_OR_RETURN(plan.node, ItemNode(effect.item));
  return absl::OkStatus();
}

absl::Status EntryEncoder::Add(const PlaceEffect& effect, Plan&) {
  return AddDots(effect.supersedes);
}

absl::Status EntryEncoder::Add(const ContentEffect& effect, Plan& plan) {
  const std::string* last = nullptr;
  for (const auto& [key, value] : effect.attrs) {
    if (last != nullptr && *last >= key) {
      return InvalidArgument("attributes that are not sorted");
    }
    if (++attr_count_ > EntryLimits::kAttrsMax) return TooLarge("attributes");
    last = &key;
    AppendSized(plan.packed, key);
    AppendSized(plan.packed, value);
  }
  SYNCLINE_RETURN_IF_ERROR(AddDots(effect.supersedes));
  return AddDots(effect.sources);
}

absl::Status EntryEncoder::Add(const AttrEffect& effect, Plan& plan) {
  SYNCLINE_ASSIGN_OR_RETURN(plan.node, ItemNode(effect.item));
  return AddDots(effect.supersedes);
}

absl::Status EntryEncoder::Add(const RemoveEffect& effect, Plan& plan) {
  SYNCLINE_ASSIGN_OR_RETURN(plan.node, ItemNode(effect.item));
  SYNCLINE_RETURN_IF_ERROR(AddDots(effect.place));
  SYNCLINE_RETURN_IF_ERROR(AddDots(effect.content));
  for (const auto& [key, dot] : effect.attrs) {
    AppendSized(plan.packed, key);
    SYNCLINE_RETURN_IF_ERROR(AddDot(dot));
  }
  return absl::OkStatus();
}

absl::Status EntryEncoder::Add(const DocEffect& effect, Plan&) {
  SYNCLINE_RETURN_IF_ERROR(AddDots(effect.supersedes));
  return AddDots(effect.sources);
}

absl::Status EntryEncoder::Add(const EventEffect&, Plan&) {
  return absl::OkStatus();
}

// ------------------------------------------------------------------- message

// The bytes of an effect's own struct: at most 8 for each of a few data words
// and pointers, and its data rounded up.
struct BodySize {
  static constexpr std::size_t kFixed = 64;
  std::size_t operator()(const CreateEffect&) const { return 0; }
  std::size_t operator()(const PlaceEffect&) const { return 0; }
  std::size_t operator()(const ContentEffect& effect) const {
    return kFixed + effect.payload.size();
  }
  std::size_t operator()(const AttrEffect& effect) const {
    return kFixed + effect.key.size() + effect.value.size();
  }
  std::size_t operator()(const RemoveEffect&) const { return kFixed; }
  std::size_t operator()(const DocEffect& effect) const {
    return kFixed + effect.name_space.size() + effect.key.size() +
           (effect.payload ? effect.payload->size() : 0);
  }
  std::size_t operator()(const EventEffect& effect) const {
    return kFixed + effect.topic.size() + effect.payload.size();
  }
};

// An upper bound, so that the message is one segment.
std::size_t EntryEncoder::BytesMax(std::string_view device_key) const {
  constexpr std::size_t kFixed = 256;  // Root, rare, rounding of tables.
  constexpr std::size_t kEffect = 16;
  std::size_t bytes = kFixed + origins_.size() + context_.size() +
                      nodes_.size() + dots_.size() + entry_.cause.size() +
                      device_key.size();
  for (std::size_t i = 0; i < plans_.size(); ++i) {
    bytes += kEffect + plans_[i].packed.size() +
             std::visit(BodySize(), entry_.effects[i]);
  }
  return bytes;
}

// Writes an effect's part of the union.
class EffectWriter {
 public:
  EffectWriter(wire::Effect::Builder out, std::string_view packed)
      : out_(out), packed_(packed) {}

  void operator()(const CreateEffect&) { out_.setCreate(); }
  void operator()(const PlaceEffect& effect) {
    out_.setPlace();
    SetSupersedes(effect.supersedes);
  }
  void operator()(const ContentEffect& effect) {
    SetSupersedes(effect.supersedes);
    wire::Content::Builder content = out_.initContent();
    if (!effect.payload.empty()) content.setPayload(ToData(effect.payload));
    if (!packed_.empty()) content.setAttrs(ToData(packed_));
    content.setSources(static_cast<std::uint16_t>(effect.sources.size()));
  }
  void operator()(const AttrEffect& effect) {
    SetSupersedes(effect.supersedes);
    wire::Attr::Builder attr = out_.initAttr();
    attr.setKey(ToData(effect.key));
    if (!effect.value.empty()) attr.setValue(ToData(effect.value));
  }
  void operator()(const RemoveEffect& effect) {
    SetSupersedes(effect.place);
    wire::Remove::Builder remove = out_.initRemove();
    remove.setContent(static_cast<std::uint16_t>(effect.content.size()));
    if (!packed_.empty()) remove.setAttrKeys(ToData(packed_));
  }
  void operator()(const DocEffect& effect) {
    SetSupersedes(effect.supersedes);
    wire::Doc::Builder doc = out_.initDoc();
    doc.setNamespace(ToData(effect.name_space));
    doc.setKey(ToData(effect.key));
    if (effect.payload) {
      doc.setPayload(ToData(*effect.payload));
    } else {
      doc.setNone();
    }
    doc.setSources(static_cast<std::uint16_t>(effect.sources.size()));
  }
  void operator()(const EventEffect& effect) {
    wire::Event::Builder event = out_.initEvent();
    event.setTopic(ToData(effect.topic));
    event.setPayload(ToData(effect.payload));
  }

 private:
  void SetSupersedes(const Dots& dots) {
    out_.setSupersedes(static_cast<std::uint16_t>(dots.size()));
  }

  wire::Effect::Builder out_;
  const std::string_view packed_;
};

void EntryEncoder::Write(wire::Entry::Builder out,
                         std::string_view device_key) const {
  const Entry& entry = entry_;
  out.setCounter(entry.dot.counter);
  out.setHlc(entry.hlc.packed);
  out.setOrigins(ToData(origins_));
  if (!context_.empty()) out.setContext(ToData(context_));
  if (!nodes_.empty()) out.setNodes(ToData(nodes_));
  if (!dots_.empty()) out.setDots(ToData(dots_));
  auto effects = out.initEffects(static_cast<kj::uint>(entry.effects.size()));
  for (std::size_t i = 0; i < plans_.size(); ++i) {
    wire::Effect::Builder effect = effects[static_cast<kj::uint>(i)];
    effect.setNode(plans_[i].node);
    std::visit(EffectWriter(effect, plans_[i].packed), entry.effects[i]);
  }
  const std::uint64_t own = entry.context.CounterOf(entry.dot.origin);
  const bool odd_own = own != entry_tables::ImpliedOwn(entry.dot.counter);
  const bool odd_cause = entry.cause != entry_tables::kUserCause;
  if (!odd_own && !odd_cause && device_key.empty()) return;
  wire::Rare::Builder rare = out.initRare();
  if (odd_own) {
    rare.setHasOwnContext(true);
    rare.setOwnContext(own);
  }
  if (odd_cause) {
    rare.setHasCause(true);
    rare.setCause(ToData(entry.cause));
  }
  if (!device_key.empty()) rare.setDeviceKey(ToData(device_key));
}

absl::StatusOr<std::string> EntryEncoder::Encode(std::string_view device_key) {
  if (!device_key.empty() && device_key.size() != 32) {
    return InvalidArgument("a device key is 32 bytes");
  }
  if (entry_.effects.size() > EntryLimits::kEffectsMax) {
    return TooLarge("effects");
  }
  if (entry_.cause.size() > EntryLimits::kNameBytesMax) {
    return TooLarge("bytes in its cause");
  }
  if (origins_in_context_ > VersionVector::kMaxSlots) {
    return TooLarge("context slots");
  }
  SYNCLINE_RETURN_IF_ERROR(MakePlans());
  if (origins_.size() / Origin::kBytes > EntryLimits::kOriginsMax) {
    return TooLarge("origins");
  }
  const std::size_t bytes_max = BytesMax(device_key);
  if (bytes_max > 2 * kEntryBytesMax) return TooLarge("bytes");
  const MessageScratch scratch(bytes_max / sizeof(capnp::word) + 1);
  capnp::MallocMessageBuilder message(scratch.words());
  Write(message.initRoot<wire::Entry>(), device_key);
  const auto segments = message.getSegmentsForOutput();
  SYNCLINE_CHECK(segments.size() == 1, "BytesMax is too small");
  const auto bytes = segments[0].asBytes();
  if (bytes.size() > kEntryBytesMax) return TooLarge("bytes");
  return std::string(reinterpret_cast<const char*>(bytes.begin()),
                     bytes.size());
}

}  // namespace

absl::StatusOr<std::string> EncodeEntry(const Entry& entry,
                                        std::string_view device_key) {
  return EntryEncoder(entry).Encode(device_key);
}

}  // namespace syncline
