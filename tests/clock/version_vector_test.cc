#include <catch2/catch.hpp>

#include "clock/version_vector.h"

namespace syncline {
namespace {

TEST_CASE("version_vector: starts having seen nothing", "[clock]") {
  CHECK(VersionVector().empty());
}

}  // namespace
}  // namespace syncline
