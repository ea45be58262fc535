#include "node/paths.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/testing/process.h"
#include "tests/testing/temporary_directory.h"

namespace syncline {
namespace {

TEST_CASE("paths: only paths within a project pass", "[node][table]") {
  struct Row {
    std::string path;
    bool ok;
  };
  const Row row = GENERATE(
      Row{"a", true}, Row{"a/b/c", true}, Row{"a b/\xff", true},
      Row{"..a/b..", true}, Row{std::string(255, 'n'), true}, Row{"", false},
      Row{"/a", false}, Row{"a/", false}, Row{"a//b", false}, Row{".", false},
      Row{"..", false}, Row{"a/../b", false}, Row{"a/.", false},
      Row{std::string("a\0b", 3), false}, Row{std::string(256, 'n'), false},
      Row{".syncline-x", false});
  INFO(row.path);
  CHECK(CheckPath(row.path, false).ok() == row.ok);
  if (!row.ok) CHECK(absl::IsInvalidArgument(CheckPath(row.path, false)));
}

TEST_CASE("paths: the root passes only where it may", "[node]") {
  CHECK(CheckPath("", true).ok());
  CHECK_FALSE(CheckPath("", false).ok());
}

TEST_CASE("paths: a directory has one canonical form", "[node]") {
  const testing::TemporaryDirectory temp;
  const std::filesystem::path real =
      std::filesystem::canonical(temp.path()) / "real";
  std::filesystem::create_directory(real);
  std::filesystem::create_directory_symlink(real, temp / "link");
  CHECK(CanonicalDir((temp / "link").string()) == real.string());
  CHECK(CanonicalDir((temp / "real").string() + "/../real/") == real.string());
  CHECK(CanonicalDir((temp / "link" / "new").string()) ==
        (real / "new").string());
}

}  // namespace
}  // namespace syncline
