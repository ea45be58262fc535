#pragma once

#include "tests/testing/replica_rig.h"

namespace syncline::testing {

// What tests of states that go from one replica into another start from, and
// what they must end with.

// `count` files in directories, some removed and renamed, a document.
void Fill(ReplicaRig& rig, int count);

// Both hold the same: entries, states and the hashes that chain them.
void RequireSame(ReplicaRig& one, ReplicaRig& two);

}  // namespace syncline::testing
