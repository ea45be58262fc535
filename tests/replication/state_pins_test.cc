#include "replication/state_pins.h"

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <memory>

#include "kv/memory_store.h"
#include "tests/testing/manual_timers.h"
#include "tests/testing/replica_rig.h"
#include "tests/testing/state_steps.h"

namespace syncline {
namespace {

using testing::ManualTimers;
using testing::PinOf;
using testing::ReplicaRig;

TEST_CASE("state_pins: a pin that nobody asks for goes", "[replication]") {
  ManualTimers timers;
  boost::asio::io_context io;
  MemoryStore store;
  ReplicaRig a(io, store, "a", {}, timers.Maker());
  a.Put("first", "x");
  std::weak_ptr<const PinnedState> first = *PinOf(a);
  a.time().now_ms += StatePins::kAgeMaxMs / 2;
  a.Put("later", "x");
  std::weak_ptr<const PinnedState> second = *PinOf(a);
  a.time().now_ms += StatePins::kAgeMaxMs / 2;
  timers.Fire();
  CHECK(first.expired());
  CHECK_FALSE(second.expired());
  a.time().now_ms += StatePins::kAgeMaxMs / 2;
  timers.Fire();
  CHECK(second.expired());
  CHECK_FALSE(timers.waiting());
}

}  // namespace
}  // namespace syncline
