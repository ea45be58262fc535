#include "proto/entry_codec.h"

#include <capnp/message.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "proto/entry.capnp.h"
#include "proto/words.h"
#include "tests/proto/entry_maker.h"

namespace syncline {
namespace {

using absl::StatusCode;
using testing::EntryMaker;
using testing::OriginOf;

const Origin kA = OriginOf(0xaa);
const Origin kB = OriginOf(0xbb);
const Origin kC = OriginOf(0xcc);

// A new file in directories of its own origin's past, as a mirror writes it.
Entry NewFile(std::size_t depth, const Attrs& attrs) {
  Entry entry;
  entry.dot = {kB, 5000};
  entry.context.Raise(kA, 123'456);
  entry.context.Raise(kB, 4999);
  entry.context.Raise(kC, 70'000);
  entry.hlc = Hlc::Of(1'783'245'901'234, 3);
  entry.cause = "user";
  const ItemId item{kB, 5000, 0, ItemKind::kFile};
  Location location;
  location.name = "quarterly-report.odt";
  for (std::size_t i = 1; i < depth; ++i) {
    location.parent = {kA, 100'000 + i, 0, ItemKind::kDirectory};
    location.chain.emplace_back(location.parent,
                                "directory-" + std::to_string(i));
  }
  entry.effects = {
      CreateEffect{item}, PlaceEffect{item, location, {}},
      ContentEffect{item, std::string(36, '\x9d'), location, attrs, {}, {}}};
  return entry;
}

std::string Encoded(const Entry& entry, std::string_view key = "") {
  const absl::StatusOr<std::string> bytes = EncodeEntry(entry, key);
  INFO(bytes.status());
  REQUIRE(bytes.ok());
  return *bytes;
}

void CheckRoundTrip(const Entry& entry, std::string_view key = "") {
  const std::string bytes = Encoded(entry, key);
  CHECK(bytes == Encoded(entry, key));
  const absl::StatusOr<DecodedEntry> decoded = DecodeEntry(bytes);
  INFO(decoded.status());
  REQUIRE(decoded.ok());
  CHECK(decoded->entry == entry);
  CHECK(decoded->device_key == key);
}

StatusCode DecodeCode(std::string_view bytes) {
  return DecodeEntry(bytes).status().code();
}

// ------------------------------------------------------------------- tests

TEST_CASE("entry_codec: an entry survives encoding", "[proto][table]") {
  CheckRoundTrip(Entry{});
  CheckRoundTrip(NewFile(6, {{"exec", "1"}, {"mtime", "1783245901234567890"}}));
  CheckRoundTrip(NewFile(1, {}));
  CheckRoundTrip(NewFile(2, {}), std::string(32, '\x01'));
}

TEST_CASE("entry_codec: creating a small file stays within its budget",
          "[proto][table]") {
  const Attrs mtime = {{"mtime", "1783245901234567890"}};
  const Attrs both = {{"exec", "1"}, {"mtime", "1783245901234567890"}};
  CHECK(Encoded(NewFile(6, mtime)).size() <= 450);
  CHECK(Encoded(NewFile(6, both)).size() <= 450);
  CHECK(Encoded(NewFile(7, both)).size() <= 450);
}

TEST_CASE("entry_codec: a chain is stored once however often it is used",
          "[proto]") {
  Entry entry = NewFile(30, {});
  const std::size_t one = Encoded(entry).size();
  const Effect place = entry.effects[1];
  for (int i = 0; i < 100; ++i) entry.effects.push_back(place);
  CHECK(Encoded(entry).size() <= one + 100 * 16);
  CheckRoundTrip(entry);
}

TEST_CASE("entry_codec: chains share their common directories", "[proto]") {
  Entry entry = NewFile(30, {});
  const std::size_t one = Encoded(entry).size();
  Location other = std::get<PlaceEffect>(entry.effects[1]).location;
  other.chain.back().second = "elsewhere";
  entry.effects.push_back(
      PlaceEffect{std::get<CreateEffect>(entry.effects[0]).item, other, {}});
  CHECK(Encoded(entry).size() <= one + 16 + 64);
  CheckRoundTrip(entry);
}

TEST_CASE("entry_codec: a context without the entry before is kept exactly",
          "[proto]") {
  Entry entry = NewFile(2, {});
  SECTION("ahead") { entry.context.Raise(kB, 6000); }
  SECTION("absent") {
    entry.context = {};
    entry.context.Raise(kA, 1);
  }
  SECTION("counter 0") { entry.dot.counter = 0; }
  SECTION("counter 0 and none of its own") {
    entry.dot.counter = 0;
    entry.context = {};
  }
  CheckRoundTrip(entry);
}

TEST_CASE("entry_codec: what only a void entry holds is kept exactly",
          "[proto]") {
  Entry entry = NewFile(3, {});
  auto& place = std::get<PlaceEffect>(entry.effects[1]);
  SECTION("a parent that is not the chain's end") {
    place.location.parent = {kC, 9, 9, ItemKind::kSymlink};
  }
  SECTION("the root as the parent below a chain") {
    place.location.parent = kRoot;
  }
  SECTION("a parent without a chain") { place.location.chain.clear(); }
  SECTION("a name of 256 bytes") {
    place.location.name = std::string(256, 'x');
  }
  SECTION("the root in a chain") { place.location.chain[0].first = kRoot; }
  SECTION("an item twice in a chain") {
    place.location.chain[1] = place.location.chain[0];
  }
  SECTION("no effects") { entry.effects.clear(); }
  SECTION("1025 effects") { entry.effects.assign(1025, EventEffect{"t", "p"}); }
  CheckRoundTrip(entry);
}

TEST_CASE("entry_codec: any entry survives encoding", "[proto][law]") {
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    INFO("seed " << seed);
    CheckRoundTrip(EntryMaker(seed).Make());
  }
}

TEST_CASE("entry_codec: what could not be decoded is not encoded", "[proto]") {
  Entry entry = NewFile(2, {});
  auto& content = std::get<ContentEffect>(entry.effects[2]);
  StatusCode code = StatusCode::kInvalidArgument;
  std::string key;
  SECTION("dots not sorted") { content.supersedes = {{kB, 1}, {kA, 1}}; }
  SECTION("a dot twice") { content.sources = {{kB, 1}, {kB, 1}}; }
  SECTION("attributes not sorted") { content.attrs = {{"b", ""}, {"a", ""}}; }
  SECTION("an item of no kind") { content.item.kind = ItemKind{'q'}; }
  SECTION("a device key of another length") { key = "short"; }
  SECTION("too many effects") {
    entry.effects.resize(EntryLimits::kEffectsMax + 1);
    code = StatusCode::kResourceExhausted;
  }
  SECTION("too long a name") {
    content.location.name.assign(EntryLimits::kNameBytesMax + 1, 'n');
    code = StatusCode::kResourceExhausted;
  }
  SECTION("too large a payload") {
    content.payload.assign(5u << 20, 'p');
    code = StatusCode::kResourceExhausted;
  }
  SECTION("too many dots") {
    for (std::uint64_t i = 0; i <= EntryLimits::kDotsMax; ++i) {
      content.supersedes.push_back({kA, i});
    }
    code = StatusCode::kResourceExhausted;
  }
  SECTION("chains that grow beyond all bounds") {
    const Effect deep = NewFile(1000, {}).effects[1];
    entry.effects.assign(1000, deep);
    code = StatusCode::kResourceExhausted;
  }
  CHECK(EncodeEntry(entry, key).status().code() == code);
}

// Builds a message by hand, to say what an encoder never says.
template <typename Fill>
std::string Built(Fill fill) {
  capnp::MallocMessageBuilder message(1 << 16);
  auto entry = message.initRoot<wire::Entry>();
  std::memset(entry.initOrigins(16).begin(), 0xaa, 16);
  entry.setCounter(1);
  fill(entry);
  const auto segments = message.getSegmentsForOutput();
  REQUIRE(segments.size() == 1);
  const auto bytes = segments[0].asBytes();
  return {reinterpret_cast<const char*>(bytes.begin()), bytes.size()};
}

// A node of origin 0, counter 1, index 0, a directory, in `where`.
std::string NodeIn(char where, std::string_view name) {
  return std::string{where} + std::string("\0\1\0", 3) +
         static_cast<char>(name.size()) + std::string(name);
}

TEST_CASE("entry_codec: bytes that are no entry are refused",
          "[proto][table]") {
  CHECK(DecodeCode(Built([](auto) {})) == StatusCode::kOk);
  const auto refused = [](auto fill) {
    return DecodeCode(Built(fill)) == StatusCode::kInvalidArgument;
  };
  CHECK(DecodeCode("") == StatusCode::kInvalidArgument);
  CHECK(DecodeCode("1234567") == StatusCode::kInvalidArgument);
  CHECK(DecodeCode(std::string(8, '\0')) == StatusCode::kInvalidArgument);
  CHECK(DecodeCode(std::string(64, '\xff')) == StatusCode::kInvalidArgument);
  CHECK(DecodeCode(std::string(5u << 20, '\0')) ==
        StatusCode::kInvalidArgument);
  CHECK(refused([](auto e) { e.initOrigins(0); }));
  CHECK(refused([](auto e) { e.initOrigins(17); }));
  CHECK(refused([](auto e) {  // The author twice.
    std::memset(e.initOrigins(32).begin(), 0xaa, 32);
  }));
  CHECK(refused([](auto e) {  // ... and as a slot of the context.
    std::memset(e.initOrigins(32).begin(), 0xaa, 32);
    e.setContext(ToData("\x07"));
  }));
  CHECK(refused([](auto e) { e.setContext(ToData("\x07")); }));
  CHECK(refused([](auto e) {
    e.initOrigins(32);
    e.setContext(ToData(std::string(1, '\0')));
  }));
  CHECK(refused([](auto e) { e.setDots(ToData(std::string("\0\1", 2))); }));
  CHECK(refused([](auto e) { e.initEffects(1)[0].setNode(3); }));
  CHECK(refused([](auto e) { e.initEffects(5000); }));
  CHECK(refused([](auto e) { e.initRare().initDeviceKey(31); }));
  CHECK(refused([](auto e) { e.setNodes(ToData(NodeIn('\3', "a"))); }));
  CHECK(refused([](auto e) { e.setNodes(ToData(NodeIn('\2', "a") + '\2')); }));
  CHECK(refused([](auto e) {
    e.setNodes(ToData(NodeIn('\2', std::string(5000, 'x'))));
  }));
  CHECK(refused([](auto e) {  // Placed, but nowhere.
    e.setNodes(ToData(std::string("\0\0\1\0", 4)));
    e.initEffects(1)[0].setPlace();
  }));
  CHECK(refused([](auto e) {  // A directory that is nowhere.
    e.setNodes(ToData(std::string("\0\0\1\0", 4) + NodeIn('\3', "a")));
  }));
  CHECK(refused([](auto e) {  // Attributes out of order.
    e.setNodes(ToData(NodeIn('\2', "a")));
    e.initEffects(1)[0].initContent().setAttrs(
        ToData(std::string("\1b\0\1a\0", 6)));
  }));
  CHECK(refused([](auto e) {  // More dots than there are.
    e.setNodes(ToData(NodeIn('\2', "a")));
    auto effect = e.initEffects(1)[0];
    effect.setPlace();
    effect.setSupersedes(2);
    e.setDots(ToData(std::string("\0\1", 2)));
  }));
}

TEST_CASE("entry_codec: a pointer that is used twice is refused", "[proto]") {
  // 64 events, the first with 4,000 bytes of payload at the message's end;
  // then all payload pointers are bent to those bytes.
  constexpr std::size_t kPayload = 4000;
  constexpr std::size_t kEvent = 16;  // Two pointers.
  std::string bytes = Built([](wire::Entry::Builder e) {
    auto effects = e.initEffects(64);
    for (auto effect : effects) effect.initEvent();
    effects[0].getEvent().initPayload(kPayload);
  });
  REQUIRE(DecodeCode(bytes) == StatusCode::kOk);
  char* payload = bytes.data() + bytes.size() - kPayload - 64 * kEvent + 8;
  std::uint64_t pointer;
  std::memcpy(&pointer, payload, sizeof pointer);
  for (std::size_t i = 1; i < 64; ++i) {
    // A list pointer holds its offset in words, shifted by two bits.
    const std::uint64_t bent = pointer - (i * kEvent / 8 << 2);
    std::memcpy(payload + i * kEvent, &bent, sizeof bent);
  }
  const absl::Status status = DecodeEntry(bytes).status();
  CHECK(status.code() == StatusCode::kInvalidArgument);
  CHECK(status.message().find("traversal limit") != std::string::npos);
}

TEST_CASE("entry_codec: a small message cannot grow into a large entry",
          "[proto]") {
  const std::string bytes = Built([](wire::Entry::Builder e) {
    std::string nodes = NodeIn('\2', "a");
    for (std::uint64_t i = 0; i < 3000; ++i) {
      std::string where;
      AppendVarint(where, i + 3);
      nodes += where + NodeIn('\2', "a").substr(1);
    }
    e.setNodes(ToData(nodes));
    for (auto effect : e.initEffects(4000)) {
      effect.setNode(3000);
      effect.setPlace();
    }
  });
  CHECK(bytes.size() < 100'000);
  CHECK(DecodeCode(bytes) == StatusCode::kInvalidArgument);
}

TEST_CASE("entry_codec: an effect of a later version is told from damage",
          "[proto]") {
  std::string bytes = Built([](wire::Entry::Builder e) {
    e.initEffects(1)[0].initEvent().setTopic(ToData("12345678"));
  });
  REQUIRE(DecodeCode(bytes) == StatusCode::kOk);
  // Before the topic: the effect {node, supersedes, kind; pointer} and the
  // event's two pointers. The kind is the last 16 bits of its word.
  bytes[bytes.find("12345678") - 16 - 8 - 2] = 99;
  CHECK(DecodeCode(bytes) == StatusCode::kUnimplemented);
}

TEST_CASE("entry_codec: an entry is read at any alignment", "[proto]") {
  const Entry entry = NewFile(6, {{"mtime", "1"}});
  const std::string bytes = Encoded(entry);
  for (std::size_t shift = 0; shift < 8; ++shift) {
    std::string shifted = std::string(shift, '#') + bytes;
    const auto decoded = DecodeEntry(std::string_view(shifted).substr(shift));
    REQUIRE(decoded.ok());
    CHECK(decoded->entry == entry);
  }
}

TEST_CASE("entry_codec: damaged entries are refused or encode again",
          "[proto][fuzz]") {
  EntryMaker maker(20'260'709);
  std::vector<std::string> corpus = {
      Encoded(NewFile(6, {{"exec", "1"}, {"mtime", "12"}})), Encoded(Entry{})};
  for (int i = 0; i < 40; ++i) corpus.push_back(Encoded(maker.Make()));
  int accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = corpus[maker.Below(corpus.size())];
    for (std::uint64_t edits = maker.Below(4); edits > 0; --edits) {
      char& byte = bytes[maker.Below(bytes.size())];
      byte = maker.Below(2) == 0
                 ? static_cast<char>(maker.Below(256))
                 : static_cast<char>(byte ^ (1 << maker.Below(8)));
    }
    if (maker.Below(4) == 0) bytes.resize(maker.Below(bytes.size() + 1));
    if (maker.Below(8) == 0) bytes.resize(bytes.size() / 8 * 8);
    const absl::StatusOr<DecodedEntry> decoded = DecodeEntry(bytes);
    if (!decoded.ok()) {
      const StatusCode code = decoded.status().code();
      REQUIRE((code == StatusCode::kInvalidArgument ||
               code == StatusCode::kUnimplemented));
      continue;
    }
    ++accepted;
    INFO("round " << round);
    const auto again = EncodeEntry(decoded->entry, decoded->device_key);
    REQUIRE(again.ok());
    const auto twice = DecodeEntry(*again);
    REQUIRE(twice.ok());
    REQUIRE(twice->entry == decoded->entry);
  }
  CHECK(accepted > 1000);
  CHECK(accepted < 19'000);
}

}  // namespace
}  // namespace syncline
