#include <catch2/catch.hpp>

#include <string>

#include "replication/state/recent.h"

namespace syncline {
namespace {

TEST_CASE("recent: what is used stays and what is not goes", "[state]") {
  Recent<std::string, int> recent(1000);
  recent.Set(std::string_view("used"), 1, 10);
  recent.Set(std::string_view("unused"), 2, 10);
  for (int i = 0; i < 1000; ++i) {
    recent.Set(std::string_view(std::to_string(i)), i, 10);
    const int* used = recent.Find(std::string_view("used"));
    REQUIRE(used != nullptr);
    REQUIRE(*used == 1);
  }
  REQUIRE(recent.dropped() > 10);
  REQUIRE(recent.Find(std::string_view("unused")) == nullptr);
  REQUIRE(recent.Find(std::string_view("0")) == nullptr);
  REQUIRE(*recent.Find(std::string_view("999")) == 999);
}

TEST_CASE("recent: a value that was set again is the new one", "[state]") {
  Recent<std::string, int> recent(100);
  recent.Set(std::string_view("key"), 1, 60);
  recent.Set(std::string_view("other"), 0, 10);  // `key` is old now.
  recent.Set(std::string_view("key"), 2, 10);
  REQUIRE(*recent.Find(std::string_view("key")) == 2);
  for (int i = 0; i < 20; ++i) {
    recent.Set(std::string_view(std::to_string(i)), i, 10);
    if (const int* value = recent.Find(std::string_view("key"))) {
      REQUIRE(*value == 2);
    }
  }
}

}  // namespace
}  // namespace syncline
