#include "proto/event_reader.h"

#include <catch2/catch.hpp>

#include "proto/entry_codec.h"

namespace syncline {
namespace {

std::string Encoded(std::vector<Effect> effects) {
  Entry entry;
  entry.dot.origin.bytes[0] = 7;
  entry.dot.counter = 2;
  entry.context.Raise(entry.dot.origin, 1);
  entry.hlc = Hlc{std::uint64_t{1234} << 16};
  entry.cause = "user";
  entry.effects = std::move(effects);
  return EncodeEntry(entry, "").value();
}

RecordView Record(std::string_view entry) {
  RecordView record;
  record.entry = entry;
  return record;
}

TEST_CASE("event_reader: gives channel and payload at any alignment",
          "[node][events]") {
  EventReader reader;
  const std::string large(100000, 'p');
  for (std::size_t shift = 0; shift < 8; ++shift) {
    const std::string bytes =
        std::string(shift, ' ') +
        Encoded({EventEffect{"a", "one"}, DocEffect{"n", "k", "v", {}, {}},
                 EventEffect{"b", large}});
    const auto events =
        reader.Read(Record(std::string_view(bytes).substr(shift)));
    REQUIRE(events.ok());
    REQUIRE(events->size() == 2);
    CHECK((*events)[0].channel == "a");
    CHECK((*events)[0].payload == "one");
    CHECK((*events)[1].channel == "b");
    CHECK((*events)[1].payload == large);
    CHECK(reader.time_ms() == 1234);
  }
  const std::string doc = Encoded({DocEffect{"n", "k", "v", {}, {}}});
  CHECK(reader.Read(Record(doc)).value().empty());
}

TEST_CASE("event_reader: what came with a state has no events",
          "[node][events]") {
  EventReader reader;
  RecordView joined = Record("");
  joined.joined_ms = 5678;
  CHECK(reader.Read(joined).value().empty());
  CHECK(reader.time_ms() == 5678);
}

TEST_CASE("event_reader: refuses bytes that are no entry", "[node][events]") {
  EventReader reader;
  const std::string good = Encoded({EventEffect{"a", "one"}});
  CHECK_FALSE(reader.Read(Record(good.substr(1))).ok());
  CHECK_FALSE(reader.Read(Record(good.substr(0, 16))).ok());
  // Any flipped byte gives an answer or an error, and no crash.
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(~bad[i]);
    reader.Read(Record(bad)).status().IgnoreError();
  }
  CHECK(reader.Read(Record(good)).value().size() == 1);
}

}  // namespace
}  // namespace syncline
