#include "replication/resolve_turn.h"

#include <catch2/catch.hpp>
#include <set>

namespace syncline {
namespace {

Origin OriginOf(unsigned char first) {
  Origin origin;
  origin.bytes[0] = first;
  return origin;
}

Sibling Of(const Origin& origin, std::string payload) {
  Sibling sibling;
  sibling.head.order.origin = origin;
  sibling.head.value = std::move(payload);
  return sibling;
}

TEST_CASE("resolve_turn: each author has a turn, the shown one's first",
          "[replication]") {
  Row row;
  row.siblings = {Of(OriginOf(9), "a"), Of(OriginOf(5), "b"),
                  Of(OriginOf(9), "c"), Of(OriginOf(7), "d")};
  row.shown = 3;
  CHECK(ResolveDelayMs(row, OriginOf(7)) == 0);
  CHECK(ResolveDelayMs(row, OriginOf(9)) == kResolveTurnMs);
  CHECK(ResolveDelayMs(row, OriginOf(5)) == 2 * kResolveTurnMs);
  std::set<std::int64_t> rest;
  for (unsigned char i = 20; i < 40; ++i) {
    rest.insert(ResolveDelayMs(row, OriginOf(i)));
  }
  CHECK(*rest.begin() == 10 * kResolveTurnMs);
  CHECK(rest.size() == 4);
  // Who has resolved is one of the others from then on.
  row.siblings[3].head.generation = 1;
  CHECK(ResolveDelayMs(row, OriginOf(7)) >= 10 * kResolveTurnMs);
  CHECK(ResolveDelayMs(row, OriginOf(9)) == 0);
}

}  // namespace
}  // namespace syncline
