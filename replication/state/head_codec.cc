#include "replication/state/head_codec.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "base/roomy_writer.h"

namespace syncline {
namespace {

bool BelowDot(const HeadPtr& head, const Dot& dot) {
  return head->order.dot() < dot;
}

using LocationPtr = std::shared_ptr<const StoredLocation>;

// Heads of one item repeat few origins and locations: a row lists both once
// and refers to them by number.
class RowEncoder {
 public:
  RowEncoder() { body_.reserve(512); }

  void Number(std::uint64_t value) { AppendVarint(body_, value); }
  void Bytes(std::string_view bytes) { AppendSized(body_, bytes); }

  void OriginOf(const Origin& origin) {
    auto at = std::find(origins_.begin(), origins_.end(), origin);
    Number(static_cast<std::uint64_t>(at - origins_.begin()));
    if (at == origins_.end()) origins_.push_back(origin);
  }

  void DotOf(const Dot& dot) {
    OriginOf(dot.origin);
    Number(dot.counter);
  }

  void At(const LocationPtr& wanted) {
    auto at = std::find_if(locations_.begin(), locations_.end(),
                           [&wanted](const LocationPtr& known) {
                             return known == wanted || *known == *wanted;
                           });
    Number(static_cast<std::uint64_t>(at - locations_.begin()));
    if (at != locations_.end()) return;
    locations_.push_back(wanted);
    const StoredLocation& location = *wanted;
    OriginOf(location.parent.origin);
    Number(location.parent.counter);
    Number(location.parent.index);
    body_.push_back(static_cast<char>(location.parent.kind));
    Bytes(location.name);
    Number(location.chain.length);
    if (location.chain.length > 0) body_ += location.chain.hash.view();
  }

  void Common(const StoredHead& head) {
    AppendU64(body_, head.order.hlc.packed);
    DotOf(head.order.dot());
    Number(head.order.index);
    Number(static_cast<std::uint64_t>(head.generation));
    Number(head.arrival);
  }

  // Most heads are their own source: written as no sources.
  void Sources(const StoredHead& head) {
    const bool own =
        head.sources.size() == 1 && head.sources[0] == head.order.dot();
    Number(own ? 0 : head.sources.size());
    if (own) return;
    for (const Dot& dot : head.sources) DotOf(dot);
  }

  std::string Finish() {
    std::string out;
    out.reserve(2 + origins_.size() * Origin::kBytes + body_.size());
    out.push_back(static_cast<char>(kHeadRowFormat));
    AppendVarint(out, origins_.size());
    for (const Origin& origin : origins_) out += origin.view();
    out += body_;
    return out;
  }

 private:
  std::string body_;
  absl::InlinedVector<Origin, 4> origins_;
  absl::InlinedVector<LocationPtr, 2> locations_;
};

class RowDecoder {
 public:
  explicit RowDecoder(std::string_view bytes) : reader_(bytes) {
    ok_ = reader_.U8() == kHeadRowFormat;
    const std::uint64_t count = reader_.Varint();
    for (std::uint64_t i = 0; i < count && reader_.ok(); ++i) {
      if (auto origin = Origin::FromBytes(reader_.Bytes(Origin::kBytes))) {
        origins_.push_back(*origin);
      }
    }
  }

  std::uint64_t Number() { return reader_.Varint(); }
  std::string Bytes() { return std::string(reader_.Sized()); }
  [[nodiscard]] bool ok() const { return ok_ && reader_.ok(); }
  [[nodiscard]] bool AtEnd() const { return ok_ && reader_.AtEnd(); }

  Origin TakeOrigin() {
    const std::uint64_t number = Number();
    if (number < origins_.size()) return origins_[number];
    ok_ = false;
    return {};
  }

  Dot TakeDot() {
    const Origin origin = TakeOrigin();
    return {origin, Number()};
  }

  LocationPtr At() {
    const std::uint64_t number = Number();
    if (number < locations_.size()) return locations_[number];
    StoredLocation location;
    location.parent.origin = TakeOrigin();
    location.parent.counter = Number();
    location.parent.index = static_cast<std::uint32_t>(Number());
    const auto kind = static_cast<ItemKind>(reader_.U8());
    ok_ = ok_ && number == locations_.size() &&
          (kind == ItemKind::kDirectory || kind == ItemKind::kFile ||
           kind == ItemKind::kSymlink);
    location.parent.kind = kind;
    location.name = Bytes();
    location.chain.length = static_cast<std::uint32_t>(Number());
    if (location.chain.length > 0) {
      const auto hash = Hash::FromBytes(reader_.Bytes(Hash::kBytes));
      if (hash) location.chain.hash = *hash;
    }
    return locations_.emplace_back(
        std::make_shared<const StoredLocation>(std::move(location)));
  }

  StoredHead Common() {
    StoredHead head;
    head.order.hlc.packed = reader_.U64();
    const Dot dot = TakeDot();
    head.order.origin = dot.origin;
    head.order.counter = dot.counter;
    head.order.index = static_cast<std::uint32_t>(Number());
    head.generation = static_cast<int>(Number());
    head.arrival = Number();
    return head;
  }

  Dots Sources(const StoredHead& head) {
    const std::uint64_t count = Number();
    if (count == 0) return {head.order.dot()};
    Dots sources;
    for (std::uint64_t i = 0; i < count && ok(); ++i) {
      sources.push_back(TakeDot());
    }
    return sources;
  }

 private:
  ByteReader reader_;
  absl::InlinedVector<Origin, 4> origins_;
  absl::InlinedVector<LocationPtr, 2> locations_;
  bool ok_ = true;
};

void EncodeContents(RowEncoder& out, const StoredHeads& heads) {
  out.Number(heads.size());
  for (const StoredHead& head : heads) {
    out.Common(head);
    out.Bytes(head.value);
    out.At(head.at);
    out.Number(head.attrs.size());
    for (const auto& [key, value] : head.attrs) {
      out.Bytes(key);
      out.Bytes(value);
    }
    out.Sources(head);
  }
}

StoredHeads DecodeContents(RowDecoder& in) {
  StoredHeads heads;
  const std::uint64_t count = in.Number();
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    StoredHead head = in.Common();
    head.value = in.Bytes();
    head.at = in.At();
    const std::uint64_t attrs = in.Number();
    for (std::uint64_t k = 0; k < attrs && in.ok(); ++k) {
      std::string key = in.Bytes();
      head.attrs.emplace_back(std::move(key), in.Bytes());
    }
    head.sources = in.Sources(head);
    heads.Append(std::move(head));
  }
  return heads;
}

// What a head is, as bytes that are equal on every replica. `arrival` is
// local and no part of it.
char* WriteCanonical(const DigestedHead& head, char* at) {
  RoomyWriter out(at);
  const auto item = [&out](const ItemId& id) {
    out.Bytes(id.origin.view());
    out.U64(id.counter);
    out.U32(id.index);
    out.U8(static_cast<std::uint8_t>(id.kind));
  };
  out.U8(static_cast<std::uint8_t>(head.field));
  if (head.item == nullptr) {
    out.Sized(head.name_space);
  } else {
    item(*head.item);
  }
  out.Sized(head.key);
  out.U64(head.order->hlc.packed);
  out.Bytes(head.order->origin.view());
  out.U64(head.order->counter);
  out.U32(head.order->index);
  out.U8(static_cast<std::uint8_t>(head.generation));
  out.Sized(head.value);
  out.U8(head.parent != nullptr ? 1 : 0);
  if (head.parent != nullptr) {
    item(*head.parent);
    out.Sized(head.name);
    out.Bytes(head.chain->view());
  }
  out.Bytes(head.attrs);
  out.Varint(head.sources.size());
  for (const Dot& dot : head.sources) {
    out.Bytes(dot.origin.view());
    out.U64(dot.counter);
  }
  return out.at();
}

DigestLanes LanesOf(std::string_view hash) {
  ByteReader reader(hash);
  DigestLanes lanes;
  for (std::uint64_t& lane : lanes) lane = reader.U64();
  return lanes;
}

}  // namespace

std::string EncodeItemHeads(const ItemHeads& heads) {
  RowEncoder out;
  out.Number(heads.places.size());
  for (const StoredHead& head : heads.places) {
    out.Common(head);
    out.At(head.at);
  }
  EncodeContents(out, heads.contents);
  out.Number(heads.attrs.size());
  for (const auto& [key, values] : heads.attrs) {
    out.Bytes(key);
    out.Number(values.size());
    for (const StoredHead& head : values) {
      out.Common(head);
      out.Bytes(head.value);
    }
  }
  return out.Finish();
}

std::optional<ItemHeads> DecodeItemHeads(std::string_view bytes) {
  RowDecoder in(bytes);
  ItemHeads heads;
  const std::uint64_t places = in.Number();
  for (std::uint64_t i = 0; i < places && in.ok(); ++i) {
    StoredHead head = in.Common();
    head.at = in.At();
    heads.places.Append(std::move(head));
  }
  heads.contents = DecodeContents(in);
  const std::uint64_t keys = in.Number();
  for (std::uint64_t i = 0; i < keys && in.ok(); ++i) {
    StoredHeads& values = heads.attrs[in.Bytes()];
    const std::uint64_t count = in.Number();
    for (std::uint64_t k = 0; k < count && in.ok(); ++k) {
      StoredHead head = in.Common();
      head.value = in.Bytes();
      values.Append(std::move(head));
    }
    if (values.empty()) return std::nullopt;
  }
  if (!in.AtEnd()) return std::nullopt;
  return heads;
}

std::string EncodeDocHeads(const StoredHeads& heads) {
  RowEncoder out;
  out.Number(heads.size());
  for (const StoredHead& head : heads) {
    out.Common(head);
    out.Bytes(head.value);
    out.Sources(head);
  }
  return out.Finish();
}

std::optional<StoredHeads> DecodeDocHeads(std::string_view bytes) {
  RowDecoder in(bytes);
  StoredHeads heads;
  const std::uint64_t count = in.Number();
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    StoredHead head = in.Common();
    head.value = in.Bytes();
    head.sources = in.Sources(head);
    heads.Append(std::move(head));
  }
  if (!in.AtEnd() || heads.empty()) return std::nullopt;
  return heads;
}

const StoredHead& NewestOf(const StoredHeads& heads) {
  SYNCLINE_CHECK(!heads.empty(), "a register without heads does not exist");
  return *std::max_element(heads.begin(), heads.end(),
                           [](const StoredHead& a, const StoredHead& b) {
                             return a.order < b.order;
                           });
}

HeadPtr StoredHeads::Take(const Dot& dot) {
  auto at = std::lower_bound(heads_.begin(), heads_.end(), dot, BelowDot);
  if (at == heads_.end() || (*at)->order.dot() != dot) return nullptr;
  HeadPtr head = std::move(*at);
  heads_.erase(at);
  return head;
}

void StoredHeads::Insert(StoredHead head) {
  auto at = std::lower_bound(heads_.begin(), heads_.end(), head.order.dot(),
                             BelowDot);
  SYNCLINE_CHECK(at == heads_.end() || (*at)->order.dot() != head.order.dot(),
                 "one head per register and dot");
  heads_.insert(at, std::make_shared<const StoredHead>(std::move(head)));
}

DigestLanes LanesOf(const DigestedHead& head) {
  constexpr std::size_t kFixedMax = 256;
  constexpr std::size_t kDotBytes = Origin::kBytes + 8;
  const std::size_t room =
      kFixedMax + head.name_space.size() + head.key.size() + head.value.size() +
      head.name.size() + head.attrs.size() + head.sources.size() * kDotBytes;
  char usual[1024];
  std::string large;
  char* begin = usual;
  if (room > sizeof usual) {
    large.resize(room);
    begin = large.data();
  }
  const char* end = WriteCanonical(head, begin);
  return LanesOf(Sha256({begin, static_cast<std::size_t>(end - begin)}).view());
}

DigestLanes LanesOf(const RegisterId& reg, const StoredHead& head) {
  std::string attrs;
  PackAttrs(head.attrs, attrs);
  DigestedHead digested;
  digested.field = reg.field;
  if (reg.field != RegisterId::Field::kDoc) digested.item = &reg.item;
  digested.name_space = reg.name_space;
  digested.key = reg.key;
  digested.order = &head.order;
  digested.generation = head.generation;
  digested.value = head.value;
  if (head.at) {
    digested.parent = &head.at->parent;
    digested.name = head.at->name;
    digested.chain = &head.at->chain.hash;
  }
  digested.attrs = attrs;
  digested.sources = head.sources;
  return LanesOf(digested);
}

void PackAttrs(const Attrs& attrs, std::string& out) {
  out.clear();
  AppendVarint(out, attrs.size());
  for (const auto& [key, value] : attrs) {
    AppendSized(out, key);
    AppendSized(out, value);
  }
}

void HeadDigest::Add(const DigestLanes& lanes) {
  for (std::size_t i = 0; i < lanes_.size(); ++i) lanes_[i] += lanes[i];
}

void HeadDigest::Remove(const DigestLanes& lanes) {
  for (std::size_t i = 0; i < lanes_.size(); ++i) lanes_[i] -= lanes[i];
}

Hash HeadDigest::ToHash() const {
  std::string bytes;
  for (const std::uint64_t lane : lanes_) AppendU64(bytes, lane);
  return *Hash::FromBytes(bytes);
}

HeadDigest HeadDigest::FromHash(const Hash& hash) {
  HeadDigest digest;
  digest.lanes_ = LanesOf(hash.view());
  return digest;
}

}  // namespace syncline
