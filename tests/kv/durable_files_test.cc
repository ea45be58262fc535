#include "kv/durable_files.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>

#include "absl/strings/match.h"
#include "tests/testing/process.h"

namespace syncline::testing {
namespace {

namespace fs = std::filesystem;

TEST_CASE("durable_files: a file is made, then replaced as a whole", "[kv]") {
  const TemporaryDirectory temp;
  const fs::path file = temp / "file";
  for (const std::string bytes : {"one", "", "three and more"}) {
    REQUIRE(WriteDurableFile(file, bytes).ok());
    CHECK(ReadFile(file) == bytes);
    CHECK_FALSE(fs::exists(temp / "file.new"));
    struct stat info {};
    REQUIRE(stat(file.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0600);
  }
}

TEST_CASE("durable_files: what a crash left does not get into it",
          "[kv][fault]") {
  const TemporaryDirectory temp;
  const fs::path file = temp / "file";
  WriteFile(temp / "file.new", "much that is of no use to anybody");
  fs::permissions(temp / "file.new", fs::perms::all);
  REQUIRE(WriteDurableFile(file, "new").ok());
  CHECK(ReadFile(file) == "new");
  CHECK(fs::status(file).permissions() ==
        (fs::perms::owner_read | fs::perms::owner_write));
}

TEST_CASE("durable_files: a refusal leaves what was there", "[kv][fault]") {
  const TemporaryDirectory temp;
  REQUIRE(WriteDurableFile(temp / "file", "old").ok());
  // Nothing can be made under the private name.
  fs::create_directories(temp / "file.new" / "in the way");
  const absl::Status refused = WriteDurableFile(temp / "file", "new");
  CHECK(absl::StrContains(refused.message(), "file.new"));
  CHECK(ReadFile(temp / "file") == "old");
  // Nothing can take the place of a directory.
  fs::create_directories(temp / "place" / "taken");
  CHECK_FALSE(WriteDurableFile(temp / "place", "new").ok());
  CHECK_FALSE(fs::exists(temp / "place.new"));
  CHECK(fs::exists(temp / "place" / "taken"));
  CHECK(absl::IsNotFound(WriteDurableFile(temp / "none" / "file", "new")));
}

TEST_CASE("durable_files: a directory is made with those above it", "[kv]") {
  const TemporaryDirectory temp;
  for (int i = 0; i < 2; ++i) {
    CHECK(MakeDurableDirectory(temp / "a" / "b" / "c").ok());
  }
  CHECK(fs::status(temp / "a" / "b" / "c").permissions() ==
        fs::perms::owner_all);
  fs::create_directory_symlink(temp / "a", temp / "link");
  CHECK(MakeDurableDirectory(temp / "link").ok());
}

TEST_CASE("durable_files: what is in the way of a directory is told",
          "[kv][fault]") {
  const TemporaryDirectory temp;
  WriteFile(temp / "file", "x");
  fs::create_symlink("nowhere", temp / "dangling");
  for (const fs::path& name :
       {temp / "file", temp / "file" / "below", temp / "dangling",
        temp / std::string(300, 'n'), fs::path("/proc/none")}) {
    INFO(name);
    const absl::Status refused = MakeDurableDirectory(name);
    CHECK(absl::IsInvalidArgument(refused));
    CHECK(absl::StrContains(refused.message(), name.string()));
  }
  CHECK(ReadFile(temp / "file") == "x");
}

}  // namespace
}  // namespace syncline::testing
