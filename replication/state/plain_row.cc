#include "replication/state/plain_row.h"

#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "base/roomy_writer.h"

namespace syncline {
namespace {

constexpr std::size_t kOriginsMax = 4;  // Of two heads and two parents.

// As ByteReader, in one piece: a change reads its row more than once.
class PlainParser {
 public:
  explicit PlainParser(std::string_view row)
      : at_(row.data()), end_(row.data() + row.size()) {
    ok_ = U8() == kHeadRowFormat;
    origin_count_ = Number();
    ok_ = ok_ && origin_count_ <= kOriginsMax;
    if (ok_) origins_ = Bytes(origin_count_ * Origin::kBytes);
  }

  std::uint8_t U8() {
    if (!Has(1)) return 0;
    return static_cast<std::uint8_t>(*at_++);
  }

  std::uint64_t Number() {
    if (at_ != end_ && static_cast<signed char>(*at_) >= 0) return U8();
    ByteReader reader({at_, left()});
    const std::uint64_t number = reader.Varint();
    ok_ = ok_ && reader.ok();
    at_ = end_ - reader.rest().size();
    return number;
  }

  std::string_view Bytes(std::size_t count) {
    if (!Has(count)) return {};
    return {std::exchange(at_, at_ + count), count};
  }
  std::string_view Sized() { return Bytes(Number()); }

  void Expect(std::uint64_t number) {
    const std::uint64_t found = Number();
    ok_ = ok_ && found == number;
  }

  void OriginTo(Origin& origin) {
    const std::uint64_t number = Number();
    ok_ = ok_ && number < origin_count_;
    if (!ok_) return;
    std::memcpy(origin.bytes.data(), origins_.data() + number * Origin::kBytes,
                Origin::kBytes);
  }

  void HeadTo(PlainHead& head) {
    const std::string_view hlc = Bytes(sizeof head.order.hlc.packed);
    if (ok_) head.order.hlc.packed = ByteReader(hlc).U64();
    OriginTo(head.order.origin);
    head.order.counter = Number();
    head.order.index = static_cast<std::uint32_t>(Number());
    head.generation = static_cast<int>(Number());
    head.arrival = Number();
  }

  void LocationTo(PlainLocation& at) {
    at = {};
    OriginTo(at.parent.origin);
    at.parent.counter = Number();
    at.parent.index = static_cast<std::uint32_t>(Number());
    at.parent.kind = static_cast<ItemKind>(U8());
    ok_ = ok_ && at.parent.kind == ItemKind::kDirectory;
    at.name = Sized();
    at.chain.length = static_cast<std::uint32_t>(Number());
    if (at.chain.length == 0) return;
    const std::string_view hash = Bytes(Hash::kBytes);
    if (ok_) std::memcpy(at.chain.hash.bytes.data(), hash.data(), Hash::kBytes);
  }

  std::string_view AttrsView() {
    const char* const begin = at_;
    const std::uint64_t count = Number();
    for (std::uint64_t i = 0; i < count && ok_; ++i) {
      Sized();
      Sized();
    }
    return {begin, static_cast<std::size_t>(at_ - begin)};
  }

  [[nodiscard]] bool AtEnd() const { return ok_ && at_ == end_; }
  [[nodiscard]] bool ok() const { return ok_; }

 private:
  [[nodiscard]] std::size_t left() const {
    return static_cast<std::size_t>(end_ - at_);
  }
  bool Has(std::size_t count) { return ok_ = ok_ && count <= left(); }

  const char* at_;
  const char* const end_;
  std::string_view origins_;
  std::uint64_t origin_count_ = 0;
  bool ok_ = true;
};

class PlainEncoder {
 public:
  // `values`: bytes of the values that the row will have.
  PlainEncoder(std::string& out, std::size_t values,
               std::initializer_list<const Origin*> origins)
      : out_(Room(out, values)), writer_(out.data()) {
    for (const Origin* origin : origins) {
      if (NumberOf(*origin) == count_) origins_[count_++] = origin;
    }
    writer_.U8(kHeadRowFormat);
    Number(count_);
    for (std::size_t i = 0; i < count_; ++i) Bytes(origins_[i]->view());
  }

  void Number(std::uint64_t value) { writer_.Varint(value); }
  void Bytes(std::string_view bytes) { writer_.Bytes(bytes); }
  void Sized(std::string_view bytes) { writer_.Sized(bytes); }
  void OriginOf(const Origin& origin) { Number(NumberOf(origin)); }

  void LocationOf(const PlainLocation& at) {
    OriginOf(at.parent.origin);
    Number(at.parent.counter);
    Number(at.parent.index);
    writer_.U8(static_cast<std::uint8_t>(at.parent.kind));
    Sized(at.name);
    Number(at.chain.length);
    if (at.chain.length > 0) Bytes(at.chain.hash.view());
  }

  void HeadOf(const PlainHead& head) {
    writer_.U64(head.order.hlc.packed);
    OriginOf(head.order.origin);
    Number(head.order.counter);
    Number(head.order.index);
    Number(static_cast<std::uint64_t>(head.generation));
    Number(head.arrival);
  }

  void Finish() {
    out_.resize(static_cast<std::size_t>(writer_.at() - out_.data()));
  }

 private:
  // All numbers and hashes of a row.
  static constexpr std::size_t kFixedMax = 512;

  static std::string& Room(std::string& out, std::size_t values) {
    out.resize(kFixedMax + values);
    return out;
  }

  [[nodiscard]] std::size_t NumberOf(const Origin& origin) const {
    std::size_t number = 0;
    while (number < count_ && *origins_[number] != origin) ++number;
    return number;
  }

  std::string& out_;
  RoomyWriter writer_;
  const Origin* origins_[kOriginsMax];
  std::size_t count_ = 0;
};

}  // namespace

std::optional<PlainFile> ParsePlainFile(std::string_view row) {
  PlainParser in(row);
  PlainFile file;
  in.Expect(1);  // Places.
  in.HeadTo(file.place);
  in.Expect(0);  // The first location.
  in.LocationTo(file.at);
  in.Expect(1);  // Contents.
  in.HeadTo(file.content);
  file.payload = in.Sized();
  file.hint = file.at;
  const std::uint64_t location = in.Number();
  if (location > 1) return std::nullopt;
  if (location == 1) in.LocationTo(file.hint);
  if (!in.ok()) return std::nullopt;
  file.attrs = in.AttrsView();
  in.Expect(0);  // Its own source.
  in.Expect(0);  // Attribute registers.
  if (!in.AtEnd()) return std::nullopt;
  return file;
}

std::optional<PlainDocument> ParsePlainDocument(std::string_view row) {
  PlainParser in(row);
  PlainDocument document;
  in.Expect(1);
  in.HeadTo(document.head);
  document.payload = in.Sized();
  in.Expect(0);
  if (!in.AtEnd()) return std::nullopt;
  return document;
}

void EncodePlainFile(const PlainFile& file, std::string& out) {
  const std::size_t values = file.at.name.size() + file.hint.name.size() +
                             file.payload.size() + file.attrs.size();
  PlainEncoder row(out, values,
                   {&file.place.order.origin, &file.at.parent.origin,
                    &file.content.order.origin, &file.hint.parent.origin});
  row.Number(1);
  row.HeadOf(file.place);
  row.Number(0);
  row.LocationOf(file.at);
  row.Number(1);
  row.HeadOf(file.content);
  row.Sized(file.payload);
  if (file.hint == file.at) {
    row.Number(0);
  } else {
    row.Number(1);
    row.LocationOf(file.hint);
  }
  row.Bytes(file.attrs);
  row.Number(0);
  row.Number(0);
  row.Finish();
}

void EncodePlainDocument(const PlainDocument& document, std::string& out) {
  PlainEncoder row(out, document.payload.size(), {&document.head.order.origin});
  row.Number(1);
  row.HeadOf(document.head);
  row.Sized(document.payload);
  row.Number(0);
  row.Finish();
}

Attrs UnpackAttrs(std::string_view packed) {
  ByteReader reader(packed);
  Attrs attrs;
  const std::uint64_t count = reader.Varint();
  for (std::uint64_t i = 0; i < count && reader.ok(); ++i) {
    std::string key(reader.Sized());
    attrs.emplace_back(std::move(key), reader.Sized());
  }
  return attrs;
}

}  // namespace syncline
