#include "replication/mirror/disk_entry.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace syncline {
namespace {

TEST_CASE("disk_entry: the order of paths is that of their keys",
          "[mirror][law]") {
  const std::vector<std::string> sorted = {"",       "a",   "a/b", "a/b/c",
                                           "a/\xff", "a\n", "a b", "a-b",
                                           "a.b",    "ab",  "b",   "\xe9"};
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    CHECK(PathOfKey(PathKey(sorted[i])) == sorted[i]);
    for (std::size_t j = 0; j < sorted.size(); ++j) {
      INFO(sorted[i] << " and " << sorted[j]);
      CHECK(ComparePaths(sorted[i], sorted[j]) == (i <=> j));
      CHECK((PathKey(sorted[i]) < PathKey(sorted[j])) == (i < j));
    }
  }
}

TEST_CASE("disk_entry: a fingerprint survives its encoding", "[mirror]") {
  const Fingerprint written{.kind = DiskKind::kSymlink,
                            .mode = 04755,
                            .device = 1ull << 40,
                            .inode = ~0ull,
                            .size = 77,
                            .mtime_ns = -5,
                            .ctime_ns = 1'700'000'000'123'456'789};
  std::string bytes;
  AppendFingerprint(bytes, written);
  ByteReader reader(bytes);
  CHECK(ReadFingerprint(reader) == written);
  CHECK(reader.AtEnd());

  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    ByteReader short_reader(std::string_view(bytes).substr(0, cut));
    ReadFingerprint(short_reader);
    CHECK_FALSE(short_reader.ok());
  }
  bytes[0] = 9;
  ByteReader bad(bytes);
  ReadFingerprint(bad);
  CHECK_FALSE(bad.ok());
}

TEST_CASE("disk_entry: only names that an item may have are legal",
          "[mirror][table]") {
  CHECK(IsLegalName("a"));
  CHECK(IsLegalName(".git"));
  CHECK(IsLegalName("\xff\n"));
  CHECK(IsLegalName(std::string(255, 'x')));
  CHECK_FALSE(IsLegalName(std::string(256, 'x')));
  CHECK_FALSE(IsLegalName(""));
  CHECK_FALSE(IsLegalName("."));
  CHECK_FALSE(IsLegalName(".."));
  CHECK_FALSE(IsLegalName("a/b"));
  CHECK_FALSE(IsLegalName(std::string_view("a\0b", 3)));
  CHECK_FALSE(IsLegalName(".syncline-root"));
  CHECK(IsLegalPath("a/b"));
  CHECK_FALSE(IsLegalPath(""));
  CHECK_FALSE(IsLegalPath("/a"));
  CHECK_FALSE(IsLegalPath("a/"));
  CHECK_FALSE(IsLegalPath("a//b"));
  CHECK_FALSE(IsLegalPath("a/../b"));
}

TEST_CASE("disk_entry: paths are taken apart and put together", "[mirror]") {
  CHECK(ChildPath("", "a") == "a");
  CHECK(ChildPath("a/b", "c") == "a/b/c");
  CHECK(ParentPath("a/b/c") == "a/b");
  CHECK(ParentPath("a").empty());
  CHECK(LastName("a/b") == "b");
  CHECK(IsAtOrBelow("a/b", "a"));
  CHECK(IsAtOrBelow("a", "a"));
  CHECK(IsAtOrBelow("a", ""));
  CHECK_FALSE(IsAtOrBelow("ab", "a"));
}

}  // namespace
}  // namespace syncline
