#include "replication/path_glob.h"

#include <catch2/catch.hpp>
#include <string>

namespace syncline {
namespace {

TEST_CASE("path_glob: patterns match as the table says",
          "[replication][table]") {
  struct Row {
    const char* glob;
    const char* path;
    bool matches;
    const char* why;
  };
  const Row row = GENERATE(
      Row{"a.txt", "a.txt", true, "literal"},
      Row{"a.txt", "b/a.txt", true, "without a slash: the last name"},
      Row{"a.txt", "a.txt/b", false, "not a directory above"},
      Row{"b/a.txt", "b/a.txt", true, "literal with a slash"},
      Row{"b/a.txt", "c/b/a.txt", false, "with a slash: the whole path"},
      Row{"/a.txt", "a.txt", true, "a leading slash is the root"},
      Row{"/a.txt", "b/a.txt", false, "and nothing else"},
      Row{"*.txt", "b/a.txt", true, "star in the last name"},
      Row{"*.txt", ".txt", true, "star may be empty"},
      Row{"b/*.txt", "b/c/a.txt", false, "star stays in a name"},
      Row{"b/**", "b/c/a.txt", true, "two stars cross names"},
      Row{"b/**", "b", false, "what is below, not itself"},
      Row{"**/a.txt", "a.txt", true, "no directory"},
      Row{"**/a.txt", "b/c/a.txt", true, "two directories"},
      Row{"**/a.txt", "ba.txt", false, "whole names only"},
      Row{"b/**/a", "b/a", true, "no directory in the middle"},
      Row{"b/**/a", "b/x/y/a", true, "two in the middle"},
      Row{"?.txt", "a.txt", true, "one byte"},
      Row{"?.txt", ".txt", false, "not none"},
      Row{"a?b", "a/b", false, "never a slash"},
      Row{"", "a", false, "an empty glob matches nothing"});
  INFO(row.glob << " on " << row.path << ": " << row.why);
  CHECK(GlobMatches(row.glob, row.path) == row.matches);
}

TEST_CASE("path_glob: no pattern takes forever", "[replication][fault]") {
  std::string glob;
  for (int i = 0; i < 60; ++i) glob += "*a";
  CHECK_FALSE(GlobMatches(glob, std::string(4000, 'a') + "b"));
}

}  // namespace
}  // namespace syncline
