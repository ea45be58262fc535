#include <capnp/message.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "base/bytes.h"
#include "base/status.h"
#include "log/frame.h"
#include "proto/entry.capnp.h"
#include "proto/entry_codec.h"
#include "proto/entry_tables.h"
#include "proto/kj_status.h"
#include "proto/words.h"

namespace syncline {
namespace {

using entry_tables::InNode;
using entry_tables::kInRoot;
using entry_tables::kNowhere;
using entry_tables::kOdd;

constexpr int kEntryNestingMax = 8;
// Before any was read: a count proves nothing.
constexpr std::size_t kDotsReserved = 16;

absl::Status Malformed(std::string_view what) {
  return InvalidArgument("malformed entry: " + std::string(what));
}

absl::Status Newer(std::string_view what) {
  return MakeStatus(
      absl::StatusCode::kUnimplemented,
      std::string(what) + ": a newer version of Syncline wrote it");
}

std::string ToString(capnp::Data::Reader data) {
  return std::string(View(data));
}

struct Node {
  std::uint64_t where = kNowhere;  // Of the chain's end; never kOdd.
  ItemId item;
  std::string_view name;  // Within the message.
  ItemId parent;          // What Location says.
  std::size_t depth = 0;  // Elements of the chain with this node as its end,
  std::size_t cost = 0;   // and what they count for.
};

// Each pointer of the message is followed once, so the traversal limit, which
// is the message's own size, refuses one that is reached in two ways.
class EntryDecoder {
 public:
  absl::StatusOr<DecodedEntry> Decode(wire::Entry::Reader in);

 private:
  absl::Status ReadRare(wire::Entry::Reader in);
  absl::Status ReadOrigins(std::string_view origins);
  absl::Status ReadContext(std::string_view context);
  absl::Status CheckMoreOrigins();
  absl::Status ReadNodes(std::string_view nodes);
  absl::Status ReadNode(ByteReader& reader);
  absl::StatusOr<ItemId> ReadItem(ByteReader& reader);
  absl::StatusOr<Dot> NextDot();
  absl::Status NextDots(std::size_t count, Dots& dots);
  absl::StatusOr<ItemId> ItemOf(wire::Effect::Reader in);
  absl::Status ReadLocation(wire::Effect::Reader in, ItemId& item,
                            Location& location);
  absl::Status ReadEffects(capnp::List<wire::Effect>::Reader effects);
  // Each appends one to the entry's effects.
  absl::Status ReadEffect(wire::Effect::Reader in);
  absl::Status ReadContent(wire::Effect::Reader in);
  absl::Status ReadAttr(wire::Effect::Reader in);
  absl::Status ReadRemove(wire::Effect::Reader in);
  absl::Status ReadDoc(wire::Effect::Reader in);
  // In place: effects are large to move.
  template <typename Kind>
  Kind& Append() {
    return std::get<Kind>(
        out_.entry.effects.emplace_back(std::in_place_type<Kind>));
  }

  DecodedEntry out_;
  std::uint64_t own_context_ = 0;
  absl::InlinedVector<Origin, 4> origins_;
  std::size_t origins_in_context_ = 1;  // The author included.
  absl::InlinedVector<Node, 4> nodes_;
  ByteReader dots_{""};
  std::size_t dot_count_ = 0;
  std::size_t attr_count_ = 0;
  std::size_t chain_bytes_ = 0;
};

absl::StatusOr<DecodedEntry> EntryDecoder::Decode(wire::Entry::Reader in) {
  SYNCLINE_RETURN_IF_ERROR(ReadOrigins(View(in.getOrigins())));
  Entry& entry = out_.entry;
  entry.dot = {origins_[0], in.getCounter()};
  entry.hlc = {in.getHlc()};
  SYNCLINE_RETURN_IF_ERROR(ReadRare(in));
  SYNCLINE_RETURN_IF_ERROR(ReadContext(View(in.getContext())));
  SYNCLINE_RETURN_IF_ERROR(CheckMoreOrigins());
  SYNCLINE_RETURN_IF_ERROR(ReadNodes(View(in.getNodes())));
  dots_ = ByteReader(View(in.getDots()));
  SYNCLINE_RETURN_IF_ERROR(ReadEffects(in.getEffects()));
  if (!dots_.AtEnd()) return Malformed("dots left over");
  return std::move(out_);
}

absl::Status EntryDecoder::ReadRare(wire::Entry::Reader in) {
  Entry& entry = out_.entry;
  entry.cause = entry_tables::kUserCause;
  own_context_ = entry_tables::ImpliedOwn(entry.dot.counter);
  if (!in.hasRare()) return absl::OkStatus();
  const wire::Rare::Reader rare = in.getRare();
  if (rare.getHasOwnContext()) own_context_ = rare.getOwnContext();
  if (rare.getHasCause()) entry.cause = ToString(rare.getCause());
  if (entry.cause.size() > EntryLimits::kNameBytesMax) {
    return Malformed("a cause that is too long");
  }
  out_.device_key = ToString(rare.getDeviceKey());
  if (!out_.device_key.empty() && out_.device_key.size() != 32) {
    return Malformed("a device key of another length");
  }
  return absl::OkStatus();
}

absl::Status EntryDecoder::ReadOrigins(std::string_view origins) {
  if (origins.empty() || origins.size() % Origin::kBytes != 0) {
    return Malformed("no table of origins");
  }
  const std::size_t count = origins.size() / Origin::kBytes;
  if (count > EntryLimits::kOriginsMax) return Malformed("too many origins");
  origins_.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    std::memcpy(origins_[i].bytes.data(), origins.data() + i * Origin::kBytes,
                Origin::kBytes);
  }
  return absl::OkStatus();
}

absl::Status EntryDecoder::ReadContext(std::string_view context) {
  const Origin& author = origins_[0];
  VersionVector& vector = out_.entry.context;
  vector.Reserve(std::min(origins_.size(), VersionVector::kMaxSlots));
  bool own_is_in = false;
  ByteReader reader(context);
  while (reader.ok() && !reader.rest().empty()) {
    if (origins_in_context_ == origins_.size() ||
        origins_in_context_ >= VersionVector::kMaxSlots) {
      return Malformed("a context with too many counters");
    }
    const Origin& origin = origins_[origins_in_context_];
    const std::uint64_t counter = reader.Varint();
    if (counter == 0 || origin == author) return Malformed("a context slot");
    if (origins_in_context_ > 1 &&
        !(origins_[origins_in_context_ - 1] < origin)) {
      return Malformed("a context that is not sorted");
    }
    if (!own_is_in && author < origin) {
      vector.Raise(author, own_context_);
      own_is_in = true;
    }
    vector.Raise(origin, counter);
    ++origins_in_context_;
  }
  if (!own_is_in) vector.Raise(author, own_context_);
  return reader.AtEnd() ? absl::OkStatus() : Malformed("a context");
}

// The origins that only effects name must not repeat any.
absl::Status EntryDecoder::CheckMoreOrigins() {
  if (origins_in_context_ == origins_.size()) return absl::OkStatus();
  std::vector<Origin> sorted(origins_.begin(), origins_.end());
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) {
    return Malformed("an origin twice");
  }
  return absl::OkStatus();
}

absl::StatusOr<ItemId> EntryDecoder::ReadItem(ByteReader& reader) {
  const std::uint64_t origin = reader.Varint();
  ItemId item;
  item.counter = reader.Varint();
  const std::uint64_t index_and_kind = reader.Varint();
  if (!reader.ok() || origin >= origins_.size() ||
      index_and_kind % 4 >= std::size(entry_tables::kKinds) ||
      index_and_kind / 4 > UINT32_MAX) {
    return Malformed("an item");
  }
  item.origin = origins_[origin];
  item.index = static_cast<std::uint32_t>(index_and_kind / 4);
  item.kind = entry_tables::kKinds[index_and_kind % 4];
  return item;
}

absl::Status EntryDecoder::ReadNodes(std::string_view nodes) {
  ByteReader reader(nodes);
  while (!reader.rest().empty()) {
    if (nodes_.size() == entry_tables::kNodesMax) {
      return Malformed("too many nodes");
    }
    SYNCLINE_RETURN_IF_ERROR(ReadNode(reader));
  }
  return absl::OkStatus();
}

absl::Status EntryDecoder::ReadNode(ByteReader& reader) {
  Node node;
  node.where = reader.Varint();
  const bool odd = node.where == kOdd;
  std::uint64_t parent = 0;
  if (odd) {
    node.where = reader.Varint();
    parent = reader.Varint();
  }
  SYNCLINE_ASSIGN_OR_RETURN(node.item, ReadItem(reader));
  if (node.where == kNowhere && !odd) {
    nodes_.push_back(node);
    return absl::OkStatus();
  }
  node.name = reader.Sized();
  if (!reader.ok() || node.name.size() > EntryLimits::kNameBytesMax) {
    return Malformed("a name");
  }
  if (node.where < kInRoot || node.where >= InNode(nodes_.size()) ||
      (odd && parent >= nodes_.size())) {
    return Malformed("a node whose place is not in the table");
  }
  if (node.where != kInRoot) {
    const Node& directory = nodes_[node.where - InNode(0)];
    if (directory.where == kNowhere) {
      return Malformed("a directory that is nowhere");
    }
    node.parent = directory.item;
    node.depth = directory.depth;
    node.cost = directory.cost;
  }
  if (odd) node.parent = nodes_[parent].item;
  node.depth += 1;
  node.cost += entry_tables::ChainCost(node.name);
  nodes_.push_back(node);
  return absl::OkStatus();
}

absl::StatusOr<Dot> EntryDecoder::NextDot() {
  const std::uint64_t origin = dots_.Varint();
  const std::uint64_t counter = dots_.Varint();
  if (!dots_.ok() || origin >= origins_.size() ||
      ++dot_count_ > EntryLimits::kDotsMax) {
    return Malformed("a dot");
  }
  return Dot{origins_[origin], counter};
}

absl::Status EntryDecoder::NextDots(std::size_t count, Dots& dots) {
  dots.reserve(std::min(count, kDotsReserved));
  for (; count > 0; --count) {
    SYNCLINE_ASSIGN_OR_RETURN(const Dot dot, NextDot());
    if (!dots.empty() && !(dots.back() < dot)) {
      return Malformed("dots that are not sorted");
    }
    dots.push_back(dot);
  }
  return absl::OkStatus();
}

absl::StatusOr<ItemId> EntryDecoder::ItemOf(wire::Effect::Reader in) {
  if (in.getNode() >= nodes_.size()) return Malformed("an effect's item");
  return nodes_[in.getNode()].item;
}

absl::Status EntryDecoder::ReadLocation(wire::Effect::Reader in, ItemId& item,
                                        Location& location) {
  SYNCLINE_ASSIGN_OR_RETURN(item, ItemOf(in));
  const Node& node = nodes_[in.getNode()];
  if (node.where == kNowhere) return Malformed("a location that is nowhere");
  chain_bytes_ += node.cost - entry_tables::ChainCost(node.name);
  if (chain_bytes_ > EntryLimits::kChainBytesMax) {
    return Malformed("too many ancestors");
  }
  location.parent = node.parent;
  location.name = node.name;
  location.chain.resize(node.depth - 1);
  std::uint64_t where = node.where;
  for (auto at = location.chain.rbegin(); at != location.chain.rend(); ++at) {
    const Node& directory = nodes_[where - InNode(0)];
    at->first = directory.item;
    at->second = directory.name;
    where = directory.where;
  }
  return absl::OkStatus();
}

absl::Status EntryDecoder::ReadEffects(
    capnp::List<wire::Effect>::Reader effects) {
  if (effects.size() > EntryLimits::kEffectsMax) {
    return Malformed("too many effects");
  }
  out_.entry.effects.reserve(effects.size());
  for (const wire::Effect::Reader in : effects) {
    SYNCLINE_RETURN_IF_ERROR(ReadEffect(in));
  }
  return absl::OkStatus();
}

absl::Status EntryDecoder::ReadEffect(wire::Effect::Reader in) {
  switch (in.which()) {
    case wire::Effect::CREATE: {
      SYNCLINE_ASSIGN_OR_RETURN(Append<CreateEffect>().item, ItemOf(in));
      return absl::OkStatus();
    }
    case wire::Effect::PLACE: {
      auto& place = Append<PlaceEffect>();
      SYNCLINE_RETURN_IF_ERROR(ReadLocation(in, place.item, place.location));
      return NextDots(in.getSupersedes(), place.supersedes);
    }
    case wire::Effect::CONTENT:
      return ReadContent(in);
    case wire::Effect::ATTR:
      return ReadAttr(in);
    case wire::Effect::REMOVE:
      return ReadRemove(in);
    case wire::Effect::DOC:
      return ReadDoc(in);
    case wire::Effect::EVENT: {
      const wire::Event::Reader event = in.getEvent();
      auto& effect = Append<EventEffect>();
      effect.topic = View(event.getTopic());
      effect.payload = View(event.getPayload());
      return absl::OkStatus();
    }
  }
  return Newer("an effect of kind " +
               std::to_string(static_cast<unsigned>(in.which())));
}

absl::Status EntryDecoder::ReadContent(wire::Effect::Reader in) {
  auto& content = Append<ContentEffect>();
  SYNCLINE_RETURN_IF_ERROR(ReadLocation(in, content.item, content.location));
  const wire::Content::Reader body = in.getContent();
  content.payload = ToString(body.getPayload());
  ByteReader attrs(View(body.getAttrs()));
  while (attrs.ok() && !attrs.rest().empty()) {
    std::string key(attrs.Sized());
    if (!content.attrs.empty() && content.attrs.back().first >= key) {
      return Malformed("attributes that are not sorted");
    }
    if (++attr_count_ > EntryLimits::kAttrsMax) {
      return Malformed("too many attributes");
    }
    content.attrs.emplace_back(std::move(key), attrs.Sized());
  }
  if (!attrs.AtEnd()) return Malformed("attributes");
  SYNCLINE_RETURN_IF_ERROR(NextDots(in.getSupersedes(), content.supersedes));
  return NextDots(body.getSources(), content.sources);
}

absl::Status EntryDecoder::ReadAttr(wire::Effect::Reader in) {
  auto& attr = Append<AttrEffect>();
  SYNCLINE_ASSIGN_OR_RETURN(attr.item, ItemOf(in));
  const wire::Attr::Reader body = in.getAttr();
  attr.key = ToString(body.getKey());
  attr.value = ToString(body.getValue());
  return NextDots(in.getSupersedes(), attr.supersedes);
}

absl::Status EntryDecoder::ReadRemove(wire::Effect::Reader in) {
  auto& remove = Append<RemoveEffect>();
  SYNCLINE_ASSIGN_OR_RETURN(remove.item, ItemOf(in));
  const wire::Remove::Reader body = in.getRemove();
  SYNCLINE_RETURN_IF_ERROR(NextDots(in.getSupersedes(), remove.place));
  SYNCLINE_RETURN_IF_ERROR(NextDots(body.getContent(), remove.content));
  ByteReader keys(View(body.getAttrKeys()));
  while (keys.ok() && !keys.rest().empty()) {
    std::string key(keys.Sized());
    SYNCLINE_ASSIGN_OR_RETURN(const Dot dot, NextDot());
    remove.attrs.emplace_back(std::move(key), dot);
  }
  return keys.AtEnd() ? absl::OkStatus() : Malformed("keys of attributes");
}

absl::Status EntryDecoder::ReadDoc(wire::Effect::Reader in) {
  auto& doc = Append<DocEffect>();
  const wire::Doc::Reader body = in.getDoc();
  doc.name_space = ToString(body.getNamespace());
  doc.key = ToString(body.getKey());
  switch (body.which()) {
    case wire::Doc::PAYLOAD:
      doc.payload = ToString(body.getPayload());
      break;
    case wire::Doc::NONE:
      break;
    default:
      return Newer("a document of another form");
  }
  SYNCLINE_RETURN_IF_ERROR(NextDots(in.getSupersedes(), doc.supersedes));
  return NextDots(body.getSources(), doc.sources);
}

absl::StatusOr<DecodedEntry> DecodeWords(
    kj::ArrayPtr<const capnp::word> words) {
  const kj::ArrayPtr<const capnp::word> segments[] = {words};
  capnp::ReaderOptions options;
  // Cap'n Proto counts the root pointer twice.
  options.traversalLimitInWords = words.size() + 1;
  options.nestingLimit = kEntryNestingMax;
  absl::StatusOr<DecodedEntry> result = absl::UnknownError("");
  const absl::Status thrown = CatchKj([&] {
    capnp::SegmentArrayMessageReader message(segments, options);
    result = EntryDecoder().Decode(message.getRoot<wire::Entry>());
  });
  if (!thrown.ok()) return Malformed(FromAbsl(thrown.message()));
  return result;
}

}  // namespace

absl::StatusOr<DecodedEntry> DecodeEntry(std::string_view bytes) {
  if (bytes.empty() || bytes.size() % kWord != 0 ||
      bytes.size() > kEntryBytesMax) {
    return Malformed("its length");
  }
  const std::size_t count = bytes.size() / kWord;
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % kWord == 0) {
    return DecodeWords(
        {reinterpret_cast<const capnp::word*>(bytes.data()), count});
  }
  auto aligned = kj::heapArray<capnp::word>(count);
  std::memcpy(aligned.begin(), bytes.data(), bytes.size());
  return DecodeWords(aligned);
}

}  // namespace syncline
