#include "proto/event_writer.h"

#include <catch2/catch.hpp>
#include <string>

#include "base/random.h"
#include "proto/entry_codec.h"
#include "tests/proto/entry_maker.h"

namespace syncline {
namespace {

using testing::OriginOf;

std::string AsEntry(const Origin& author, const VersionVector& context,
                    std::uint64_t counter, Hlc hlc, const EventView& event) {
  Entry entry;
  entry.dot = {author, counter};
  entry.context = context;
  entry.context.Raise(author, counter - 1);
  entry.hlc = hlc;
  entry.cause = "user";
  entry.effects = {
      EventEffect{std::string(event.channel), std::string(event.payload)}};
  return EncodeEntry(entry, "").value();
}

TEST_CASE("event_writer: writes the bytes of the entry codec", "[proto]") {
  SeededRandom random(7);
  for (int round = 0; round < 300; ++round) {
    const Origin author = OriginOf(static_cast<std::uint8_t>(random.Below(5)));
    VersionVector context;
    for (std::uint64_t i = random.Below(6); i > 0; --i) {
      context.Raise(OriginOf(static_cast<std::uint8_t>(random.Below(20))),
                    1 + random.Next() / 7);
    }
    const std::uint64_t counter = context.CounterOf(author) + 2;
    const EventWriter writer(author, context);
    std::string out = random.Bytes(random.Below(3) * 8);
    const std::size_t before = out.size();
    const std::string channel = random.Bytes(1 + random.Below(30));
    const std::string payload =
        random.Bytes(random.Below(2) * random.Below(600));
    const EventView event{channel, payload};
    const Hlc hlc{random.Next()};
    writer.Append(counter, hlc, event, out);
    CHECK(out.substr(before) == AsEntry(author, context, counter, hlc, event));
  }
}

}  // namespace
}  // namespace syncline
