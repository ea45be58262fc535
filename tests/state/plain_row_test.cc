#include <catch2/catch.hpp>

#include <memory>
#include <string>

#include "base/random.h"
#include "replication/state/plain_row.h"

namespace syncline {
namespace {

Origin SomeOrigin(std::uint64_t number) {
  Origin origin;
  origin.bytes[15] = static_cast<unsigned char>(number);
  return origin;
}

// Of few values, so that heads share some and differ in others.
class Maker {
 public:
  explicit Maker(std::uint64_t seed) : random_(seed) {}

  StoredHead Head() {
    StoredHead head;
    head.order = {{random_.Below(3)},
                  SomeOrigin(random_.Below(3)),
                  1 + random_.Below(300),
                  static_cast<std::uint32_t>(random_.Below(300))};
    head.generation = static_cast<int>(random_.Below(2));
    head.arrival = random_.Below(1000);
    return head;
  }

  std::shared_ptr<const StoredLocation> Location() {
    StoredLocation at;
    at.parent.origin = SomeOrigin(random_.Below(4));
    at.parent.counter = random_.Below(200);
    at.name = "name" + std::to_string(random_.Below(2));
    if (random_.Below(2) == 0) {
      at.chain = {Sha256("chain"),
                  1 + static_cast<std::uint32_t>(random_.Below(3))};
    }
    return std::make_shared<const StoredLocation>(std::move(at));
  }

  StoredHead Content(std::shared_ptr<const StoredLocation> at) {
    StoredHead head = Head();
    head.value = std::string(random_.Below(200), 'v');
    head.at = std::move(at);
    for (std::uint64_t i = random_.Below(3); i > 0; --i) {
      head.attrs.insert(head.attrs.begin(), {"key" + std::to_string(i), "x"});
    }
    head.sources = {head.order.dot()};
    return head;
  }

  ItemHeads File() {
    ItemHeads file;
    StoredHead place = Head();
    place.at = Location();
    const auto hint = random_.Below(2) == 0 ? place.at : Location();
    file.places.Append(std::move(place));
    file.contents.Append(Content(hint));
    return file;
  }

 private:
  SeededRandom random_;
};

PlainLocation View(const StoredLocation& at) {
  return {at.parent, at.name, at.chain};
}

PlainHead View(const StoredHead& head) {
  return {head.order, head.generation, head.arrival};
}

void RequireSame(const PlainHead& plain, const StoredHead& head) {
  REQUIRE(plain.order == head.order);
  REQUIRE(plain.generation == head.generation);
  REQUIRE(plain.arrival == head.arrival);
}

TEST_CASE("plain row: files are read and written as the codec does",
          "[state][law]") {
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    INFO("seed " << seed);
    const ItemHeads heads = Maker(seed).File();
    const StoredHead& place = heads.places.front();
    const StoredHead& content = heads.contents.front();
    const std::string row = EncodeItemHeads(heads);
    const auto file = ParsePlainFile(row);
    REQUIRE(file);
    RequireSame(file->place, place);
    RequireSame(file->content, content);
    REQUIRE(file->at == View(*place.at));
    REQUIRE(file->hint == View(*content.at));
    REQUIRE(file->payload == content.value);
    REQUIRE(UnpackAttrs(file->attrs) == content.attrs);

    std::string attrs;
    PackAttrs(content.attrs, attrs);
    const PlainFile made{View(place),       View(*place.at), View(content),
                         View(*content.at), content.value,   attrs};
    std::string written = "what was there before";
    EncodePlainFile(made, written);
    REQUIRE(written == row);
    // Nor is a part of it taken for a row.
    for (std::size_t size = 0; size < row.size(); ++size) {
      REQUIRE_FALSE(ParsePlainFile(std::string_view(row).substr(0, size)));
    }
    REQUIRE_FALSE(ParsePlainFile(row + "x"));
  }
}

TEST_CASE("plain row: documents are read and written as the codec does",
          "[state][law]") {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    Maker maker(seed);
    StoredHead head = maker.Content(nullptr);
    head.attrs.clear();
    StoredHeads heads;
    heads.Append(head);
    const std::string row = EncodeDocHeads(heads);
    const auto document = ParsePlainDocument(row);
    REQUIRE(document);
    RequireSame(document->head, head);
    REQUIRE(document->payload == head.value);
    std::string written;
    EncodePlainDocument({View(head), head.value}, written);
    REQUIRE(written == row);
    REQUIRE_FALSE(ParsePlainDocument(row + "x"));
  }
}

TEST_CASE("plain row: another form is not taken for it", "[state]") {
  Maker maker(7);
  ItemHeads two = maker.File();
  StoredHead second = maker.Content(maker.Location());
  second.order.counter = 1000;
  two.contents.Append(second);
  REQUIRE_FALSE(ParsePlainFile(EncodeItemHeads(two)));

  ItemHeads resolved = maker.File();
  StoredHead content = resolved.contents.front();
  content.sources = {{SomeOrigin(1), 1}, {SomeOrigin(2), 1}};
  resolved.contents = {};
  resolved.contents.Append(content);
  REQUIRE_FALSE(ParsePlainFile(EncodeItemHeads(resolved)));

  ItemHeads attributed = maker.File();
  StoredHead value = maker.Head();
  value.value = "420";
  attributed.attrs["mode"].Append(value);
  REQUIRE_FALSE(ParsePlainFile(EncodeItemHeads(attributed)));

  ItemHeads unplaced = maker.File();
  unplaced.places = {};
  REQUIRE_FALSE(ParsePlainFile(EncodeItemHeads(unplaced)));

  StoredHeads documents;
  documents.Append(maker.Content(nullptr));
  second.at = nullptr;
  documents.Append(second);
  REQUIRE_FALSE(ParsePlainDocument(EncodeDocHeads(documents)));
}

}  // namespace
}  // namespace syncline
