#include "replication/peer/peer_codec.h"

#include <capnp/message.h>

#include <catch2/catch.hpp>

#include "base/random.h"

namespace syncline {
namespace {

Stop Passed(const Stop& stop) {
  capnp::MallocMessageBuilder message;
  EncodeStop(stop, message.initRoot<wire::Stop>());
  return DecodeStop(message.getRoot<wire::Stop>().asReader());
}

TEST_CASE("peer_codec: a fence says whose history it is about", "[peer]") {
  SeededRandom random(1);
  const Origin origin = Origin::Random(random);
  const Stop about = Passed({Stop::Reason::kFence, "fork", origin});
  CHECK(about.reason == Stop::Reason::kFence);
  CHECK(about.detail == "fork");
  CHECK(about.origin == origin);
  CHECK_FALSE(Passed({Stop::Reason::kFence, "set back"}).origin);
}

TEST_CASE("peer_codec: an origin of another size is none", "[peer][fault]") {
  capnp::MallocMessageBuilder message;
  auto stop = message.initRoot<wire::Stop>();
  stop.setFence();
  stop.initOrigin(15);
  CHECK_FALSE(DecodeStop(stop.asReader()).origin);
}

}  // namespace
}  // namespace syncline
