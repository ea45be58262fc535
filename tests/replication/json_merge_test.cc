#include "replication/json_merge.h"

#include <catch2/catch.hpp>

namespace syncline {
namespace {

TEST_CASE("json_merge: members merge as the table says",
          "[replication][table]") {
  struct Row {
    const char* base;
    const char* older;
    const char* newer;
    std::optional<std::string> merged;
    const char* why;
  };
  const Row row = GENERATE(
      Row{R"({"a":1,"b":2})", R"({"a":9,"b":2})", R"({"a":1,"b":8})",
          R"({"a":9,"b":8})", "different members"},
      Row{R"({"a":1})", R"({"a":1,"x":1})", R"({"a":1,"y":2})",
          R"({"a":1,"x":1,"y":2})", "both added"},
      Row{R"({"a":1})", R"({"a":2})", R"({"a":3})", R"({"a":3})",
          "one member: the newer"},
      Row{R"({"a":1})", R"({"a":2})", R"({"a":2})", R"({"a":2})",
          "the same change"},
      Row{R"({"a":1,"b":1})", R"({"b":1})", R"({"a":1,"b":2})", R"({"b":2})",
          "removed"},
      Row{R"({"a":1})", R"({"a":5})", R"({})", R"({"a":5})",
          "a change wins over a removal"},
      Row{R"({"a":1})", R"({})", R"({"a":5})", R"({"a":5})",
          "... whichever is newer"},
      Row{R"({"o":{"x":1,"y":1}})", R"({"o":{"x":2,"y":1}})",
          R"({"o":{"x":1,"y":2}})", R"({"o":{"x":2,"y":2}})", "objects within"},
      Row{R"({})", R"({"o":{"x":1}})", R"({"o":{"y":2}})",
          R"({"o":{"x":1,"y":2}})", "two halves of a new object"},
      Row{R"({"l":[1]})", R"({"l":[1,2]})", R"({"l":[0,1]})", R"({"l":[0,1]})",
          "lists are one value"},
      Row{R"({"n":123456789012345678901234567890,"a":1,"b":1})",
          R"({"n":123456789012345678901234567890,"a":2,"b":1})",
          R"({"n":123456789012345678901234567890,"a":1,"b":2})",
          R"({"a":2,"b":2,"n":123456789012345678901234567890})",
          "bytes of what nobody changed are kept"},
      Row{R"({"a":1})", "{ \"a\" : 1 }", R"({"a":2})", R"({"a":2})",
          "blanks are no change"},
      Row{R"({"a":1})", R"({"b":{"c":",}\"]"},"a":1})", R"({"a":3})",
          R"({"a":3,"b":{"c":",}\"]"}})", "strings with anything in them"},
      Row{R"({"\u00e4":1})", R"({"ä":2})", R"({"ä":1,"b":1})",
          R"({"b":1,"ä":2})", "names are compared as they are meant"},
      Row{R"([1])", R"({"a":1})", R"({"a":2})", std::nullopt, "no object"},
      Row{R"({"a":1})", R"({"a":1)", R"({"a":2})", std::nullopt, "no JSON"},
      Row{R"({"a":1})", R"({"a":1,"a":2})", R"({"a":2})", std::nullopt,
          "a member twice"});
  INFO(row.why);
  CHECK(MergeJson(row.base, row.older, row.newer) == row.merged);
}

TEST_CASE("json_merge: members are split as they are written",
          "[replication]") {
  const auto members =
      SplitJsonObject("{ \"a\" : [1, {\"b\": 2}] ,\n \"c\\n\":\"x,}\" }");
  REQUIRE(members);
  REQUIRE(members->size() == 2);
  CHECK((*members)[0].first == "a");
  CHECK((*members)[0].second == "[1, {\"b\": 2}]");
  CHECK((*members)[1].first == "c\n");
  CHECK((*members)[1].second == "\"x,}\"");
  CHECK(SplitJsonObject(" {} ")->empty());
  CHECK_FALSE(SplitJsonObject("{"));
  CHECK_FALSE(SplitJsonObject("1"));
  CHECK(IsJson("1"));
  CHECK_FALSE(IsJson(""));
}

TEST_CASE("json_merge: deep objects are not followed for ever",
          "[replication]") {
  std::string deep = "1";
  for (int i = 0; i < 200; ++i) deep = "{\"a\":" + deep + "}";
  CHECK_FALSE(MergeJson(deep, deep, "{}"));
}

}  // namespace
}  // namespace syncline
