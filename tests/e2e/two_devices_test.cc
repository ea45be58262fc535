// The main job with real processes: a folder on A and a folder on B.

#include <algorithm>
#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <fstream>

#include "tests/e2e/pair.h"

namespace syncline::testing {
namespace {

namespace fs = std::filesystem;

std::vector<boost::json::object> Log(const fs::path& home,
                                     std::uint64_t since) {
  const std::string text = Pair::Must(
      home, {"log", "tree", "--json", "--since", std::to_string(since)});
  std::vector<boost::json::object> records;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    records.push_back(boost::json::parse(line).as_object());
  }
  return records;
}

std::string Conflicts(const fs::path& home) {
  const CommandResult result =
      RunSyncline(home, {"conflicts", "ls", "tree", "--json"});
  CHECK(result.exit_code <= 1);
  boost::json::value list = boost::json::parse(result.out);
  // Where it stands in this device's own log is its own matter.
  for (auto& each : list.as_array()) each.as_object().erase("seq");
  return boost::json::serialize(list);
}

TEST_CASE("two devices: a tree arrives whole and edits go both ways", "[e2e]") {
  Pair pair;
  MakeTree(pair.dir_a(), 600, 7);
  WriteFile(pair.dir_a() / "odd \xff name\n", "bytes");
  pair.Share();
  REQUIRE(pair.Settle());
  CHECK(CompareTrees(pair.dir_a(), pair.dir_b()) == "");

  WriteFile(pair.dir_b() / "odd \xff name\n", "edited on B");
  WriteFile(pair.dir_b() / "dir0" / "new", "made on B");
  fs::permissions(pair.dir_b() / "dir0" / "new", fs::perms::owner_exec,
                  fs::perm_options::add);
  fs::create_directories(pair.dir_b() / "empty" / "nested");
  fs::create_symlink("nowhere", pair.dir_b() / "link");
  REQUIRE(pair.Settle());
  CHECK(ReadFile(pair.dir_a() / "odd \xff name\n") == "edited on B");
  CHECK(fs::is_directory(pair.dir_a() / "empty" / "nested"));
  CHECK(CompareTrees(pair.dir_a(), pair.dir_b()) == "");

  fs::remove_all(pair.dir_a() / "dir1");
  REQUIRE(pair.Settle());
  CHECK_FALSE(fs::exists(pair.dir_b() / "dir1"));
  CHECK(CompareTrees(pair.dir_a(), pair.dir_b()) == "");
}

TEST_CASE("two devices: a renamed directory is one entry and sends no content",
          "[e2e]") {
  Pair pair;
  fs::create_directory(pair.dir_a() / "before");
  for (int i = 0; i < 300; ++i) {
    WriteFile(pair.dir_a() / "before" / std::to_string(i),
              std::string(5000, static_cast<char>('a' + i % 26)));
  }
  pair.Share();
  REQUIRE(pair.Settle());
  const auto received = [&] {
    const auto status =
        boost::json::parse(Pair::Must(pair.home_b(), {"status", "--json"}));
    return status.at("peers")
        .at(0)
        .at("received_bytes")
        .to_number<std::uint64_t>();
  };
  const std::uint64_t head = Pair::Head(pair.home_b());
  const std::uint64_t bytes = received();
  fs::rename(pair.dir_a() / "before", pair.dir_a() / "after");
  REQUIRE(pair.Settle());
  CHECK(CompareTrees(pair.dir_a(), pair.dir_b()) == "");
  const std::vector<boost::json::object> records = Log(pair.home_b(), head);
  REQUIRE(records.size() == 1);
  const boost::json::value& change = records[0].at("changes").at(0);
  CHECK(change.at("type") == "rename");
  CHECK(change.at("path") == "after");
  CHECK(change.at("from") == "before");
  CHECK(received() - bytes < 20000);
}

TEST_CASE("two devices: edits made apart end equal on both sides", "[e2e]") {
  Pair pair;
  WriteFile(pair.dir_a() / "note.txt", "first\n");
  WriteFile(pair.dir_a() / "kept.txt", "kept\n");
  pair.Share();
  REQUIRE(pair.Settle());
  const bool manual = GENERATE(false, true);
  if (manual) {
    Pair::Must(pair.home_a(), {"strategy", "tree", "manual"});
    REQUIRE(pair.Settle());
  }
  pair.StopB();
  WriteFile(pair.dir_a() / "note.txt", "from A\n");
  WriteFile(pair.dir_b() / "note.txt", "from B\n");
  fs::remove(pair.dir_b() / "kept.txt");
  WriteFile(pair.dir_a() / "kept.txt", "kept and edited\n");
  pair.StartB();
  REQUIRE(pair.Settle());
  CHECK(CompareTrees(pair.dir_a(), pair.dir_b()) == "");
  // Deleted on one side, edited on the other: the edit survives.
  CHECK(ReadFile(pair.dir_b() / "kept.txt") == "kept and edited\n");
  const std::string conflicts = Conflicts(pair.home_a());
  CHECK(conflicts == Conflicts(pair.home_b()));
  const auto tree = DescribeTree(pair.dir_a());
  const auto copies = std::count_if(tree.begin(), tree.end(), [](auto& row) {
    return row.first.starts_with("note");
  });
  if (manual) {
    CHECK(boost::json::parse(conflicts).as_array().size() == 1);
    CHECK(copies == 1);
    // A person chooses, on either side.
    Pair::Must(pair.home_b(),
               {"conflicts", "resolve", "tree", "note.txt", "--take", "local"});
    REQUIRE(pair.Settle());
    CHECK(boost::json::parse(Conflicts(pair.home_a())).as_array().empty());
    CHECK(CompareTrees(pair.dir_a(), pair.dir_b()) == "");
  } else {
    CHECK(boost::json::parse(conflicts).as_array().empty());
    CHECK(copies == 2);
  }
}

TEST_CASE("two devices: touching and changing modes travels without content",
          "[e2e]") {
  Pair pair;
  WriteFile(pair.dir_a() / "tool", "#!/bin/sh\n");
  pair.Share();
  REQUIRE(pair.Settle());
  fs::permissions(pair.dir_a() / "tool", fs::perms::owner_exec,
                  fs::perm_options::add);
  const auto past = fs::file_time_type::clock::now() - std::chrono::hours(99);
  fs::last_write_time(pair.dir_a() / "tool", past);
  REQUIRE(pair.Settle());
  CHECK(CompareTrees(pair.dir_a(), pair.dir_b()) == "");
  CHECK(fs::last_write_time(pair.dir_b() / "tool") ==
        fs::last_write_time(pair.dir_a() / "tool"));
}

}  // namespace
}  // namespace syncline::testing
