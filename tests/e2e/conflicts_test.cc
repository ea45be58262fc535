#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/e2e/devices.h"

// Scenarios of concurrent changes with real processes.

namespace syncline::testing {
namespace {

const char kBase[] = "one\ntwo\nthree\nfour\nfive\nsix\nseven\n";
const char kTop[] = "ONE\ntwo\nthree\nfour\nfive\nsix\nseven\n";
const char kEnd[] = "one\ntwo\nthree\nfour\nfive\nsix\nSEVEN\n";
const char kBoth[] = "ONE\ntwo\nthree\nfour\nfive\nsix\nSEVEN\n";

TEST_CASE("conflicts: disjoint edits merge and overlapping ones are kept",
          "[e2e]") {
  Devices devices(3);
  devices.Share();
  devices.Must(0, {"put", "p", "f.txt"}, kBase);
  devices.Converge();
  devices.Part();
  devices.Must(0, {"put", "p", "f.txt"}, kTop);
  devices.Must(1, {"put", "p", "f.txt"}, kEnd);
  devices.Must(2, {"put", "p", "f.txt"},
               "eins\ntwo\nthree\nfour\nfive\nsix\nseven\n");
  devices.Serve(0);
  devices.Serve(1);
  devices.Converge();
  CHECK(devices.Cat(0, "f.txt") == kBoth);
  CHECK(devices.Cat(1, "f.txt") == kBoth);
  CHECK(devices.Names(0) == std::vector<std::string>{"f.txt"});
  devices.Serve(2);
  devices.Converge();
  const std::vector<std::string> names = devices.Names(0);
  CHECK(names.size() >= 2);
  for (std::size_t i = 1; i < 3; ++i) {
    CHECK(devices.Names(i) == names);
    for (const std::string& name : names) {
      CHECK(devices.Cat(i, name) == devices.Cat(0, name));
    }
  }
  CHECK(devices.Json(0, {"conflicts", "ls"}).as_array().empty());
}

TEST_CASE("conflicts: without the ancestor both are kept", "[e2e]") {
  Devices devices(2);
  devices.Share();
  devices.Must(0, {"put", "p", "f.txt"}, kBase);
  devices.Converge();
  devices.Part();
  for (std::size_t i = 0; i < 2; ++i) {
    devices.Must(i, {"log", "truncate", "p", "--keep", "0", "--force"});
  }
  devices.Must(0, {"put", "p", "f.txt"}, kTop);
  devices.Must(1, {"put", "p", "f.txt"}, kEnd);
  devices.Heal();
  const std::vector<std::string> names = devices.Names(0);
  REQUIRE(names.size() == 2);
  CHECK(devices.Names(1) == names);
  const std::string first = devices.Cat(0, names[0]);
  const std::string second = devices.Cat(0, names[1]);
  CHECK(
      ((first == kTop && second == kEnd) || (first == kEnd && second == kTop)));
}

TEST_CASE("conflicts: delete and edit and rename and create made apart",
          "[e2e]") {
  // Who does which, so that both logs see both orders.
  const std::size_t x = GENERATE(std::size_t{0}, std::size_t{1});
  const std::size_t y = 1 - x;
  Devices devices(2);
  devices.Share();
  for (const char* file : {"del-edit", "del-ren", "edit-ren"}) {
    devices.Must(0, {"put", "p", file}, "base of " + std::string(file));
  }
  devices.Must(0, {"mkdir", "p", "dir"});
  devices.Must(0, {"put", "p", "dir/old"}, "old");
  devices.Converge();
  devices.Part();
  devices.Must(x, {"rm", "p", "del-edit"});
  devices.Must(y, {"put", "p", "del-edit"}, "edited");
  devices.Must(x, {"rm", "p", "del-ren"});
  devices.Must(y, {"mv", "p", "del-ren", "renamed"});
  devices.Must(x, {"put", "p", "edit-ren"}, "edited too");
  devices.Must(y, {"mv", "p", "edit-ren", "new-name"});
  devices.Must(x, {"rm", "-r", "p", "dir"});
  devices.Must(y, {"put", "p", "dir/new"}, "new");
  devices.Heal();
  for (std::size_t i = 0; i < 2; ++i) {
    INFO("device " << i << ", " << x << " deletes");
    CHECK(devices.Names(i) ==
          std::vector<std::string>{"del-edit", "dir", "new-name"});
    CHECK(devices.Cat(i, "del-edit") == "edited");
    CHECK(devices.Cat(i, "new-name") == "edited too");
    CHECK(devices.Cat(i, "dir/new") == "new");
    CHECK(devices.Run(i, {"stat", "p", "dir/old"}).exit_code == 3);
    CHECK(devices.Json(i, {"conflicts", "ls"}).as_array().empty());
  }
  // Whoever deleted hears that the edit brought it back.
  CHECK(devices.Changes(x, "del-edit").ends_with("delete create "));
  CHECK(devices.Changes(x, "dir").ends_with("rmdir mkdir "));
  // Whoever renamed hears that it is gone.
  CHECK(devices.Changes(y, "renamed").ends_with("delete "));
}

TEST_CASE("conflicts: an overlap waits for a person where that is set",
          "[e2e]") {
  Devices devices(2);
  devices.Share();
  devices.Must(0, {"strategy", "p", "manual", "--path", "contracts/**"});
  devices.Must(0, {"mkdir", "p", "contracts"});
  for (const char* file : {"contracts/a", "b"}) {
    devices.Must(0, {"put", "p", file}, kBase);
  }
  devices.Converge();
  devices.Part();
  for (const char* file : {"contracts/a", "b"}) {
    devices.Must(0, {"put", "p", file}, kTop);
    devices.Must(1, {"put", "p", file}, kEnd);
  }
  devices.Heal();
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(devices.Cat(i, "b") == kBoth);
    const CommandResult open = devices.Run(i, {"conflicts", "ls", "--json"});
    CHECK(open.exit_code == 1);
    const auto list = boost::json::parse(open.out).as_array();
    REQUIRE(list.size() == 1);
    CHECK(list.at(0).at("path") == "contracts/a");
  }
  devices.Must(1,
               {"conflicts", "resolve", "p", "contracts/a", "--take", "local"});
  devices.Converge();
  CHECK(devices.Cat(0, "contracts/a") == kEnd);
}

}  // namespace
}  // namespace syncline::testing
