#include <catch2/catch.hpp>

#include "replication/state/edits.h"
#include "replication/state/names.h"
#include "tests/state/given.h"
#include "tests/state/naive_view.h"
#include "tests/state/test_replica.h"
#include "tests/testing/origins.h"

// Entries that look like the usual ones and are not; the state compares both
// ways itself.
namespace syncline {
namespace {

using testing::kA;
using testing::kB;
using testing::kNow;
using testing::TestReplica;

CausalState::Options Checked() {
  CausalState::Options options;
  options.check_short_way = true;
  options.check_rebuild = true;
  return options;
}

// A file "x" and a directory "d".
struct Project {
  TestReplica a{kA, 0, Checked()};
  ItemId file;
  ItemId directory;

  Project() {
    Make(*CreateEffects(a.state(), "x", ItemKind::kFile, "1", {}, 0));
    Make(*CreateEffects(a.state(), "d", ItemKind::kDirectory, "", {}, 0));
    file = (*a.state().Lookup("x"))->item();
    directory = (*a.state().Lookup("d"))->item();
  }
  void Make(std::vector<Effect> effects) {
    REQUIRE(a.Commit(std::move(effects), kNow));
    REQUIRE(a.fault() == "");
    REQUIRE(testing::CompareWithNaive(a.state()) == "");
  }
  // The id of effect `index` of the next entry.
  ItemId Next(std::uint32_t index, ItemKind kind) {
    return {kA, a.state().frontier().CounterOf(kA) + 1, index, kind};
  }
};

const Location kAtY{kRoot, "y", {}};
const Location kAtZ{kRoot, "z", {}};

TEST_CASE("short_way: entries of three effects that make no usual file",
          "[state][table]") {
  using Make = std::vector<Effect> (*)(Project&);
  const Make makers[] = {
      // A directory, with a place for another item.
      [](Project& p) {
        const ItemId made = p.Next(0, ItemKind::kDirectory);
        return std::vector<Effect>{
            CreateEffect{made}, PlaceEffect{made, kAtY, {}},
            ContentEffect{p.file, "2", kAtZ, {}, {}, {}}};
      },
      [](Project& p) {
        const ItemId made = p.Next(0, ItemKind::kFile);
        return std::vector<Effect>{CreateEffect{made},
                                   PlaceEffect{p.directory, kAtY, {}},
                                   ContentEffect{made, "2", kAtZ, {}, {}, {}}};
      },
      [](Project& p) {
        const ItemId made = p.Next(0, ItemKind::kFile);
        return std::vector<Effect>{
            CreateEffect{made}, PlaceEffect{made, kAtY, {}},
            ContentEffect{p.file, "2", kAtZ, {}, {}, {}}};
      },
      // Superseding what cannot be there.
      [](Project& p) {
        const ItemId made = p.Next(0, ItemKind::kFile);
        return std::vector<Effect>{CreateEffect{made},
                                   PlaceEffect{made, kAtY, {{kA, 1}}},
                                   ContentEffect{made, "2", kAtY, {}, {}, {}}};
      },
      [](Project& p) {
        const ItemId made = p.Next(0, ItemKind::kFile);
        return std::vector<Effect>{
            CreateEffect{made}, PlaceEffect{made, kAtY, {}},
            ContentEffect{made, "2", kAtY, {}, {{kA, 1}}, {}}};
      },
      // With sources, as resolutions have them, and with another hint.
      [](Project& p) {
        const ItemId made = p.Next(0, ItemKind::kFile);
        return std::vector<Effect>{
            CreateEffect{made}, PlaceEffect{made, kAtY, {}},
            ContentEffect{made, "2", kAtY, {}, {}, {{kA, 1}}}};
      },
      [](Project& p) {
        const ItemId made = p.Next(0, ItemKind::kFile);
        return std::vector<Effect>{CreateEffect{made},
                                   PlaceEffect{made, kAtY, {}},
                                   ContentEffect{made, "2", kAtZ, {}, {}, {}}};
      },
      // Below a directory that nobody has placed.
      [](Project& p) {
        const ItemId made = p.Next(0, ItemKind::kFile);
        const ItemId nowhere{kB, 0, 0, ItemKind::kDirectory};
        const Location at{nowhere, "y", {{nowhere, "n"}}};
        return std::vector<Effect>{CreateEffect{made},
                                   PlaceEffect{made, at, {}},
                                   ContentEffect{made, "2", at, {}, {}, {}}};
      },
      // At a name that is taken.
      [](Project& p) {
        const ItemId made = p.Next(0, ItemKind::kFile);
        const Location at{kRoot, "x", {}};
        return std::vector<Effect>{CreateEffect{made},
                                   PlaceEffect{made, at, {}},
                                   ContentEffect{made, "2", at, {}, {}, {}}};
      },
      // The same effects in another order.
      [](Project& p) {
        const ItemId made = p.Next(0, ItemKind::kFile);
        return std::vector<Effect>{CreateEffect{made},
                                   ContentEffect{made, "2", kAtY, {}, {}, {}},
                                   PlaceEffect{made, kAtY, {}}};
      },
      [](Project& p) {
        return std::vector<Effect>{EventEffect{"t", "p"},
                                   CreateEffect{p.Next(1, ItemKind::kFile)},
                                   EventEffect{"t", "p"}};
      },
  };
  int number = 0;
  for (const Make& make : makers) {
    INFO("number " << number++);
    Project project;
    project.Make(make(project));
  }
}

TEST_CASE("short_way: single effects that are no usual edit",
          "[state][table]") {
  Project p;
  const Dot made = {kA, 1};
  const Location at_x{kRoot, "x", {}};
  const ItemId copy{kB, 0, 0, ItemKind::kFile};
  // Of an item that is not there, of one without place, with sources.
  p.Make({ContentEffect{copy, "2", kAtY, {}, {}, {}}});
  p.Make({ContentEffect{copy, "3", kAtY, {}, {{kA, 3}}, {}}});
  p.Make({ContentEffect{p.file, "2", at_x, {}, {made}, {made}}});
  p.Make({PlaceEffect{p.file, {p.directory, "x", {{p.directory, "d"}}}, {}}});
  // Documents: new, over what is not there, beside another value.
  p.Make({DocEffect{"app", "k", "1", {made}, {}}});
  p.Make({DocEffect{"app", "k", "2", {made}, {}}});
  p.Make({DocEffect{"app", "k", "3", {}, {}}});
  p.Make({DocEffect{"sys", "k", "4", {}, {}}});
  p.Make({DocEffect{"app", "l", "5", {}, {made}}});
  p.Make({DocEffect{"app", "l", std::nullopt, {}, {}}});
}

TEST_CASE("view: ranks that are no numbers count as 0", "[state][table]") {
  TestReplica a(kA, 0, Checked());
  TestReplica b(kB, 0, Checked());
  const auto first = a.Commit(*DocEffects(a.state(), "app", "k", "of a"), kNow);
  const auto second =
      b.Commit(*DocEffects(b.state(), "app", "k", "of b"), kNow + 5);
  REQUIRE(a.Apply(*second, kNow).ok());
  const std::string key = "rank/" + kA.ToHex();
  const auto shown = [&a] {
    return (*a.state().LookupDoc("app", "k"))->shown_sibling().payload();
  };
  for (const char* rank :
       {"", "-", "x", "12x", "1234567890", "-5", "0", " 1"}) {
    INFO("rank " << rank);
    REQUIRE(a.Commit(*DocEffects(a.state(), "sys", key, rank), kNow + 9));
    CHECK(shown() == "of b");
    CHECK(testing::CompareWithNaive(a.state()) == "");
  }
  REQUIRE(a.Commit(*DocEffects(a.state(), "sys", key, "999999999"), kNow + 9));
  CHECK(shown() == "of a");
  REQUIRE(a.Commit(*DocEffects(a.state(), "sys", key, std::nullopt), kNow + 9));
  CHECK(shown() == "of b");
  REQUIRE(first);
}

TEST_CASE("names: a long name is cut before a character", "[state]") {
  std::string name;
  while (name.size() < 252) name += "\xc3\xa9";
  const std::string suffixed = SuffixedName(name + ".T9", "~12345678");
  CHECK(suffixed.size() <= 255);
  CHECK(suffixed.substr(suffixed.size() - 12) == "~12345678.T9");
  // Whole characters of two bytes.
  CHECK((suffixed.size() - 12) % 2 == 0);
  CHECK(SuffixedName(std::string(300, '\x80'), "~1") == "~1");
}

}  // namespace
}  // namespace syncline
