// A home that is restored from a copy, or copied and run twice.

#include <algorithm>
#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>

#include "kv/rocks_store.h"
#include "node/witness.h"
#include "tests/e2e/pair.h"

namespace syncline::testing {
namespace {

namespace fs = std::filesystem;

void CopyTree(const fs::path& from, const fs::path& to) {
  fs::remove(from / "control.sock");
  fs::create_directories(to);
  fs::copy(from, to,
           fs::copy_options::recursive | fs::copy_options::copy_symlinks |
               fs::copy_options::overwrite_existing);
}

// Puts the files of `from` where those of `to` were, in the same directories:
// as a backup program does that restores in place.
void RestoreInPlace(const fs::path& from, const fs::path& to) {
  for (const fs::path& dir : {fs::path(), fs::path("store")}) {
    for (const auto& entry : fs::directory_iterator(to / dir)) {
      if (!entry.is_directory()) fs::remove(entry);
    }
  }
  CopyTree(from, to);
}

boost::json::value Status(const fs::path& home) {
  return boost::json::parse(Pair::Must(home, {"status", "--json"}));
}

std::string DigestOf(const fs::path& home) {
  return Status(home).at("projects").at(0).at("digest").as_string().c_str();
}

void WaitEqual(Pair& pair) {
  // While the project is made anew a wait is refused.
  bool told = false;
  for (int i = 0; i < 300 && !told; ++i) {
    told = !Status(pair.home_b()).at("incident").is_null() && pair.Settle();
  }
  REQUIRE(told);
  REQUIRE(pair.Settle());
  CHECK(DigestOf(pair.home_a()) == DigestOf(pair.home_b()));
}

TEST_CASE("identity: a home restored from a copy is told, and loses nothing",
          "[e2e]") {
  Pair pair;
  pair.Share();
  WriteFile(pair.dir_b() / "before", "1");
  REQUIRE(pair.Settle());
  CHECK(Status(pair.home_b()).at("incident").is_null());
  pair.StopB();
  CopyTree(pair.home_b(), pair.temp() / "backup");
  pair.StartB();
  WriteFile(pair.dir_b() / "after", "2");
  WriteFile(pair.dir_b() / "before", "edited");
  REQUIRE(pair.Settle());
  pair.StopB();
  fs::remove_all(pair.home_b());
  CopyTree(pair.temp() / "backup", pair.home_b());
  WriteFile(pair.dir_b() / "offline", "3");
  pair.StartB();
  WaitEqual(pair);
  CHECK_FALSE(Status(pair.home_b()).at("incident").is_null());
  CHECK(ReadFile(pair.dir_a() / "before") == "edited");
  CHECK(ReadFile(pair.dir_a() / "after") == "2");
  CHECK(ReadFile(pair.dir_a() / "offline") == "3");
  CHECK(CompareTrees(pair.dir_a(), pair.dir_b()) == "");
}

TEST_CASE("identity: a home set back unseen is found by its peer", "[e2e]") {
  Pair pair;
  pair.Share();
  WriteFile(pair.dir_b() / "before", "1");
  REQUIRE(pair.Settle());
  pair.StopB();
  CopyTree(pair.home_b(), pair.temp() / "backup");
  pair.StartB();
  WriteFile(pair.dir_b() / "after", "2");
  Pair::Must(pair.home_b(), {"event", "append", "tree", "door", "1"});
  REQUIRE(pair.Settle());
  pair.StopB();
  RestoreInPlace(pair.temp() / "backup", pair.home_b());
  // Without a peer nothing tells: these take the place of what A has.
  Pair::Must(pair.home_b(), {"event", "append", "tree", "door", "2"});
  Pair::Must(pair.home_b(), {"event", "append", "tree", "door", "3"});
  CHECK(Status(pair.home_b()).at("incident").is_null());
  WriteFile(pair.dir_b() / "offline", "4");
  pair.StartB();
  WaitEqual(pair);
  CHECK_FALSE(Status(pair.home_b()).at("incident").is_null());
  CHECK(ReadFile(pair.dir_a() / "after") == "2");
  CHECK(ReadFile(pair.dir_a() / "offline") == "4");
  CHECK(CompareTrees(pair.dir_a(), pair.dir_b()) == "");
  for (const fs::path& home : {pair.home_a(), pair.home_b()}) {
    const std::string events =
        Pair::Must(home, {"log", "tree", "--kind", "event", "--json"});
    for (const char* payload : {"1", "2", "3"}) {
      CHECK(events.find(payload) != std::string::npos);
    }
  }
}

// What a snapshot of a whole machine does: nothing on it tells that it is a
// copy.
void PassAsOriginal(const fs::path& home) {
  const auto store = RocksStore::Open(home / "store");
  REQUIRE(store.ok());
  const auto witness = Witness::Open(home, **store);
  REQUIRE(witness.ok());
  CHECK_FALSE((*witness)->doubt().empty());
  SystemRandom random;
  REQUIRE((*witness)->Renew(random).ok());
}

bool Told(const fs::path& home) {
  return !Status(home).at("incident").is_null();
}

void AppendEvent(const fs::path& home, const std::string& payload) {
  // While the project is made anew it is refused.
  REQUIRE(Eventually([&] {
    return RunSyncline(home,
                       {"event", "append", "tree", "door", '"' + payload + '"'})
               .exit_code == 0;
  }));
}

bool HasEvents(const fs::path& home, const std::vector<std::string>& payloads) {
  const std::string events =
      RunSyncline(home, {"log", "tree", "--kind", "event", "--json"}).out;
  return std::all_of(payloads.begin(), payloads.end(), [&](const auto& p) {
    return events.find(p) != std::string::npos;
  });
}

TEST_CASE("identity: two live copies of one home are both told", "[e2e]") {
  constexpr std::chrono::seconds kLimit(180);  // They take turns of 10 s.
  Pair pair;
  const fs::path copy = pair.temp() / "home-copy";
  Pair::Must(pair.home_a(), {"add", pair.dir_a(), "--project", "tree"});
  std::string code =
      Pair::Must(pair.home_a(),
                 {"device", "invite", "tree", "--address", pair.a().address()});
  code.erase(code.find_last_not_of('\n') + 1);
  Pair::Must(pair.home_b(), {"device", "join", code});
  AppendEvent(pair.home_b(), "of-both");
  REQUIRE(pair.Settle());
  pair.StopB();
  CopyTree(pair.home_b(), copy);
  PassAsOriginal(copy);
  pair.StartB();
  ServingNode second(copy, "127.0.0.1:0");
  REQUIRE(second.ready());
  CHECK_FALSE(Told(copy));
  AppendEvent(pair.home_b(), "of-one");
  AppendEvent(copy, "of-two");
  CHECK(Eventually([&] { return Told(pair.home_b()) && Told(copy); }, kLimit));
  for (const fs::path& home : {pair.home_a(), pair.home_b(), copy}) {
    CHECK(Eventually(
        [&] {
          return HasEvents(home, {"of-both", "of-one", "of-two"});
        },
        kLimit));
  }
  CHECK(Eventually(
      [&] {
        return DigestOf(pair.home_a()) == DigestOf(pair.home_b()) &&
               DigestOf(pair.home_a()) == DigestOf(copy);
      },
      kLimit));
}

TEST_CASE("identity: who was set back behind a truncated log is left to people",
          "[e2e]") {
  Pair pair;
  pair.Share();
  WriteFile(pair.dir_b() / "before", "1");
  REQUIRE(pair.Settle());
  Pair::Must(pair.home_b(),
             {"log", "truncate", "tree", "--through",
              std::to_string(Pair::Head(pair.home_b())), "--force"});
  pair.StopB();
  CopyTree(pair.home_b(), pair.temp() / "backup");
  pair.StartB();
  WriteFile(pair.dir_b() / "after", "2");
  REQUIRE(pair.Settle());
  pair.StopB();
  RestoreInPlace(pair.temp() / "backup", pair.home_b());
  // These take the names of what A has.
  Pair::Must(pair.home_b(), {"event", "append", "tree", "door", "1"});
  Pair::Must(pair.home_b(), {"event", "append", "tree", "door", "2"});
  WriteFile(pair.dir_b() / "offline", "3");
  WriteFile(pair.dir_b() / "before", "edited by b");
  Pair::Must(pair.home_b(), {"doc", "put", "tree", "app/key", "4"});
  pair.StartB();
  REQUIRE(Eventually([&] { return Told(pair.home_b()); }));
  const boost::json::value status = Status(pair.home_b());
  CHECK(status.at("incident").at("what").as_string().find("join again") !=
        std::string::npos);
  // Nothing moves, nothing is lost, and both say so.
  for (const fs::path& home : {pair.home_a(), pair.home_b()}) {
    CHECK(Eventually([&] {
      return !Status(home).at("peers").at(0).at("last_error").is_null();
    }));
  }
  CHECK(ReadFile(pair.dir_b() / "offline") == "3");
  CHECK_FALSE(fs::exists(pair.dir_a() / "offline"));
  CHECK(ReadFile(pair.dir_a() / "after") == "2");
  // What people do then.
  const std::string documents =
      Pair::Must(pair.home_b(), {"doc", "export", "tree"});
  Pair::Must(pair.home_b(), {"project", "rm", "tree"});
  pair.Join();
  REQUIRE(RunSyncline(pair.home_b(), {"doc", "import", "tree"}, documents)
              .exit_code == 0);
  REQUIRE(pair.Settle());
  CHECK(ReadFile(pair.dir_a() / "offline") == "3");
  CHECK(Pair::Must(pair.home_a(), {"doc", "get", "tree", "app/key"}) == "4\n");
  // Its edit of what A has, too: beside it, under whichever name.
  bool kept = false;
  for (const auto& entry : fs::directory_iterator(pair.dir_a())) {
    kept |= entry.is_regular_file() && ReadFile(entry.path()) == "edited by b";
  }
  CHECK(kept);
  CHECK(CompareTrees(pair.dir_a(), pair.dir_b()) == "");
}

}  // namespace
}  // namespace syncline::testing
