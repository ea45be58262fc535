#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

#include "tests/e2e/pair.h"

namespace syncline::testing {
namespace {

TEST_CASE("quiet: a pair at rest writes nothing and uses no processor",
          "[e2e]") {
  constexpr std::chrono::seconds kRest(60);
  Pair pair;
  MakeTree(pair.dir_a(), 2000, 3);
  pair.Share();
  REQUIRE(pair.Settle());
  const std::uint64_t head_a = Pair::Head(pair.home_a());
  const std::uint64_t head_b = Pair::Head(pair.home_b());
  const double cpu_a = pair.a().CpuSeconds();
  const double cpu_b = pair.b().CpuSeconds();
  std::this_thread::sleep_for(kRest);  // The thing under test, not a wait.
  const double used_a = pair.a().CpuSeconds() - cpu_a;
  const double used_b = pair.b().CpuSeconds() - cpu_b;
  CHECK(Pair::Head(pair.home_a()) == head_a);
  CHECK(Pair::Head(pair.home_b()) == head_b);
  CHECK(used_a < 0.01 * kRest.count());
  CHECK(used_b < 0.01 * kRest.count());
}

}  // namespace
}  // namespace syncline::testing
