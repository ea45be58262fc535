#include "tests/replication/state_replicas.h"

#include <catch2/catch.hpp>
#include <string>

#include "clock/version_vector.h"

namespace syncline::testing {

void RequireSame(ReplicaRig& one, ReplicaRig& two) {
  CHECK(one->log().frontier() == two->log().frontier());
  CHECK(one->state().frontier() == two->log().frontier());
  CHECK(one->state().Digest() == two->state().Digest());
  for (const VersionVector::Slot& slot : one->log().frontier().slots()) {
    CHECK(one->log().ChainOf(slot.origin) == two->log().ChainOf(slot.origin));
  }
}

void Fill(ReplicaRig& rig, int count) {
  rig.Mkdir("d");
  rig.Mkdir("d/e");
  for (int i = 0; i < count; ++i) {
    rig.Put((i % 2 == 0 ? "d/e/f" : "f") + std::to_string(i), "x");
  }
  rig.Remove("f1");
  rig.Rename("f3", "d/moved");
  rig.Commit({DocEffect{"app", "key", "value", {}, {}}});
}

}  // namespace syncline::testing
