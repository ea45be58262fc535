#include "replication/text_merge.h"

#include <catch2/catch.hpp>

#include "base/random.h"

namespace syncline {
namespace {

const char kSixLines[] = "one\ntwo\nthree\nfour\nfive\nsix\n";

TEST_CASE("text_merge: three-way merges as the table says",
          "[replication][table]") {
  struct Row {
    const char* base;
    const char* first;
    const char* second;
    std::optional<std::string> merged;
    const char* why;
  };
  const Row row = GENERATE(
      Row{kSixLines, "ONE\ntwo\nthree\nfour\nfive\nsix\n",
          "one\ntwo\nthree\nfour\nfive\nSIX\n",
          "ONE\ntwo\nthree\nfour\nfive\nSIX\n", "edits far apart"},
      Row{kSixLines, "one\nthree\nfour\nfive\nsix\n",
          "one\ntwo\nthree\nfour\nfive\nsix\nseven\n",
          "one\nthree\nfour\nfive\nsix\nseven\n", "removed and added"},
      Row{kSixLines, kSixLines, "one\n", "one\n", "only one side changed"},
      Row{kSixLines, "x\n", "x\n", "x\n", "the same change"},
      Row{kSixLines, "A\ntwo\nthree\nfour\nfive\nsix\n",
          "B\ntwo\nthree\nfour\nfive\nsix\n", std::nullopt, "one line, twice"},
      Row{kSixLines, "A\ntwo\nthree\nfour\nfive\nsix\n",
          "one\nB\nthree\nfour\nfive\nsix\n", std::nullopt, "neighbours"},
      Row{"", "a\n", "", "a\n", "an empty ancestor"},
      Row{"", "a\n", "b\n", std::nullopt, "both filled it"},
      Row{"a\nb\nc\nd", "a\nb\nc\nD", "A\nb\nc\nd", "A\nb\nc\nD",
          "no newline at the end"},
      Row{"a\r\nb\r\nc\r\nd\r\n", "A\r\nb\r\nc\r\nd\r\n",
          "a\r\nb\r\nc\r\nD\r\n", "A\r\nb\r\nc\r\nD\r\n", "ends are kept"});
  INFO(row.why);
  CHECK(MergeText(row.base, row.first, row.second) == row.merged);
  CHECK(MergeText(row.base, row.second, row.first) == row.merged);
}

TEST_CASE("text_merge: what is no text is not merged", "[replication]") {
  const std::string binary("a\0b", 3);
  CHECK_FALSE(IsText(binary));
  CHECK_FALSE(MergeText(binary, "a", "b"));
  CHECK_FALSE(MergeText("a", binary, "a"));
  CHECK_FALSE(DiffText("a", binary));
  // A zero byte further on is not looked for.
  CHECK(IsText(std::string(8192, 'a') + binary));
  CHECK(IsText(std::string(kTextBytesMax, 'a')));
  CHECK_FALSE(IsText(std::string(kTextBytesMax + 1, 'a')));
}

TEST_CASE("text_merge: disjoint random edits merge and swapping is the same",
          "[replication][law]") {
  SeededRandom random(7);
  for (int round = 0; round < 200; ++round) {
    const std::uint64_t lines = 10 + random.Below(60);
    const std::uint64_t split = 3 + random.Below(lines - 6);
    std::string base;
    std::string first;
    std::string second;
    std::string both;
    for (std::uint64_t i = 0; i < lines; ++i) {
      const std::string line = "line " + std::to_string(i) + "\n";
      const std::string edit = "edit " + std::to_string(random.Next()) + "\n";
      const bool edited = random.Below(3) == 0;
      const bool in_first = edited && i + 2 < split;
      const bool in_second = edited && i > split + 1;
      base += line;
      first += in_first ? edit : line;
      second += in_second ? edit : line;
      both += in_first || in_second ? edit : line;
    }
    INFO(round);
    REQUIRE(MergeText(base, first, second) == both);
    REQUIRE(MergeText(base, second, first) == both);
  }
}

TEST_CASE("text_merge: differences are shown as diff shows them",
          "[replication]") {
  CHECK(DiffText("a\nb\nc\n", "a\nB\nc\n") ==
        "@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n");
  CHECK(DiffText("same\n", "same\n") == "");
  CHECK(DiffText("", "a\n") == "@@ -0,0 +1 @@\n+a\n");
  CHECK(DiffText("a", "a\n") ==
        "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n");
}

}  // namespace
}  // namespace syncline
