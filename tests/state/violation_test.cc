#include <catch2/catch.hpp>

#include <functional>
#include <string>
#include <vector>

#include "replication/state/causal_state.h"

namespace syncline {
namespace {

const Origin kSelf = *Origin::FromHex("11111111111111111111111111111111");
const Origin kPeer = *Origin::FromHex("22222222222222222222222222222222");
const ItemId kKnownFile{kPeer, 1, 0, ItemKind::kFile};
const ItemId kKnownDirectory{kPeer, 2, 0, ItemKind::kDirectory};
const ItemId kUnknownFile{kPeer, 9, 0, ItemKind::kFile};
const ItemId kCopy{kPeer, 0, 0, ItemKind::kFile};
const Location kAtRoot{kRoot, "x", {}};
const Location kInside{kKnownDirectory, "x", {{kKnownDirectory, "d"}}};

// The next entry of kSelf, whose author has seen 4 of its own and 3 of kPeer.
Entry Base(std::vector<Effect> effects) {
  Entry entry;
  entry.dot = {kSelf, 5};
  entry.context.Raise(kSelf, 4);
  entry.context.Raise(kPeer, 3);
  entry.cause = "user";
  entry.effects = std::move(effects);
  return entry;
}

ItemId Created(std::uint32_t index, ItemKind kind = ItemKind::kFile) {
  return {kSelf, 5, index, kind};
}

Location Named(std::string name) { return {kRoot, std::move(name), {}}; }

Chain LongChain(std::size_t length) {
  Chain chain;
  for (std::uint32_t i = 0; i < length; ++i) {
    chain.emplace_back(ItemId{kPeer, 1, i, ItemKind::kDirectory}, "d");
  }
  return chain;
}

Location AtEndOf(Chain chain) {
  const ItemId parent = chain.back().first;
  return {parent, "x", std::move(chain)};
}

Dots ManyDots(std::size_t count) { return Dots(count, Dot{kPeer, 1}); }

struct ViolationCase {
  const char* why;
  bool is_void;
  Entry entry;
};

Entry WithContext(std::uint64_t own) {
  Entry entry = Base({EventEffect{"t", "p"}});
  entry.context = {};
  entry.context.Raise(kSelf, own);
  return entry;
}

std::vector<ViolationCase> Cases() {
  return {
      {"an event", false, Base({EventEffect{"t", "p"}})},
      {"no effect", true, Base({})},
      {"1024 effects", false,
       Base(std::vector<Effect>(1024, EventEffect{"t", "p"}))},
      {"1025 effects", true,
       Base(std::vector<Effect>(1025, EventEffect{"t", "p"}))},
      {"a context that skips an own entry", true, WithContext(3)},
      {"a context that has the entry itself", true, WithContext(5)},
      {"a created file with place and content", false,
       Base({CreateEffect{Created(0)}, PlaceEffect{Created(0), kAtRoot, {}},
             ContentEffect{Created(0), "p", kAtRoot, {}, {}, {}}})},
      {"a created id with another index", true,
       Base({CreateEffect{Created(1)}})},
      {"a created id of another entry", true,
       Base({CreateEffect{{kSelf, 4, 0, ItemKind::kFile}}})},
      {"an item used before it is created", true,
       Base({PlaceEffect{Created(1), kAtRoot, {}}, CreateEffect{Created(1)}})},
      {"place of a known item", false,
       Base({PlaceEffect{kKnownFile, kInside, {{kPeer, 1}}}})},
      {"place of an unknown item", true,
       Base({PlaceEffect{kUnknownFile, kAtRoot, {}}})},
      {"place of a conflict copy", false,
       Base({PlaceEffect{kCopy, kAtRoot, {}}})},
      {"place of the root", true, Base({PlaceEffect{kRoot, kAtRoot, {}}})},
      {"an attribute of the root", true,
       Base({AttrEffect{kRoot, "mode", "1", {}}})},
      {"removal of an unknown item", true,
       Base({RemoveEffect{kUnknownFile, {}, {{kPeer, 1}}, {}}})},
      {"content of a directory", true,
       Base({ContentEffect{kKnownDirectory, "p", kAtRoot, {}, {}, {}}})},
      {"a superseded dot that was not seen", true,
       Base({PlaceEffect{kKnownFile, kAtRoot, {{kPeer, 4}}}})},
      {"a superseded dot with counter 0", true,
       Base({PlaceEffect{kKnownFile, kAtRoot, {{kPeer, 0}}}})},
      {"a removed attribute that was not seen", true,
       Base({RemoveEffect{kKnownFile, {}, {}, {{"mode", {kPeer, 4}}}}})},
      {"8192 superseded dots", false,
       Base({RemoveEffect{kKnownFile, ManyDots(4096), ManyDots(4096), {}}})},
      {"8193 superseded dots over two effects", true,
       Base({RemoveEffect{kKnownFile, ManyDots(8192), {}, {}},
             DocEffect{"n", "k", "p", {{kPeer, 1}}, {}}})},
      {"a chain that ends elsewhere", true,
       Base({PlaceEffect{kKnownFile, {kKnownDirectory, "x", {}}, {}}})},
      {"a chain below the root that should be empty", true,
       Base({PlaceEffect{
           kKnownFile, {kRoot, "x", {{kKnownDirectory, "d"}}}, {}}})},
      {"a chain that repeats an id", true,
       Base({PlaceEffect{
           kKnownFile,
           AtEndOf({{kKnownDirectory, "d"}, {kKnownDirectory, "e"}}),
           {}}})},
      {"a chain that names the root", true,
       Base({PlaceEffect{
           kKnownFile, AtEndOf({{kRoot, "d"}, {kKnownDirectory, "e"}}), {}}})},
      {"a chain through a file", true,
       Base({PlaceEffect{kKnownFile, AtEndOf({{kKnownFile, "d"}}), {}}})},
      {"a chain through an unknown directory", true,
       Base({PlaceEffect{kKnownFile,
                         AtEndOf({{{kPeer, 4, 0, ItemKind::kDirectory}, "d"}}),
                         {}}})},
      {"a chain through a directory created before", false,
       Base({CreateEffect{Created(0, ItemKind::kDirectory)},
             PlaceEffect{kKnownFile,
                         AtEndOf({{Created(0, ItemKind::kDirectory), "d"}}),
                         {}}})},
      {"a chain of 1024 elements", false,
       Base({PlaceEffect{kKnownFile, AtEndOf(LongChain(1024)), {}}})},
      {"a chain of 1025 elements", true,
       Base({PlaceEffect{kKnownFile, AtEndOf(LongChain(1025)), {}}})},
      {"an empty name", true, Base({PlaceEffect{kKnownFile, Named(""), {}}})},
      {"a name with a slash", true,
       Base({PlaceEffect{kKnownFile, Named("a/b"), {}}})},
      {"a name with NUL", true,
       Base({PlaceEffect{kKnownFile, Named(std::string("a\0b", 3)), {}}})},
      {"dot dot", true, Base({PlaceEffect{kKnownFile, Named(".."), {}}})},
      {"a reserved name", true,
       Base({PlaceEffect{kKnownFile, Named(".synclineignore"), {}}})},
      {"a name of 255 bytes", false,
       Base({PlaceEffect{kKnownFile, Named(std::string(255, 'x')), {}}})},
      {"a name of 256 bytes", true,
       Base({PlaceEffect{kKnownFile, Named(std::string(256, 'x')), {}}})},
      {"an illegal name in a chain", true,
       Base({PlaceEffect{kKnownFile, AtEndOf({{kKnownDirectory, "."}}), {}}})},
      {"an illegal name in a hint", true,
       Base({ContentEffect{kKnownFile, "p", Named("."), {}, {}, {}}})},
      {"two places of one item", true,
       Base({PlaceEffect{kKnownFile, kAtRoot, {}},
             PlaceEffect{kKnownFile, kInside, {}}})},
      {"two keys of one item", false,
       Base({AttrEffect{kKnownFile, "a", "1", {}},
             AttrEffect{kKnownFile, "b", "1", {}}})},
      {"one key of one item twice", true,
       Base({AttrEffect{kKnownFile, "a", "1", {}},
             AttrEffect{kKnownFile, "a", "2", {}}})},
      {"one document twice", true,
       Base({DocEffect{"n", "k", "1", {}, {}},
             DocEffect{"n", "k", "2", {}, {}}})},
      {"a document put and removed", false,
       Base({DocEffect{"n", "k", "1", {}, {}},
             DocEffect{"n", "k", std::nullopt, {}, {}}})},
  };
}

TEST_CASE("violation: an entry is void exactly where a rule is broken",
          "[state][table]") {
  for (const ViolationCase& row : Cases()) {
    INFO(row.why);
    const auto why = CausalState::Violation(row.entry);
    INFO("violation: " << why.value_or("none"));
    REQUIRE(why.has_value() == row.is_void);
  }
}

}  // namespace
}  // namespace syncline
