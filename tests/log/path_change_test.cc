#include "log/path_change.h"

#include <catch2/catch.hpp>
#include <set>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"

namespace syncline {
namespace {

constexpr int kTypes = 12;

std::string RandomText(SeededRandom& random) {
  return random.Below(3) == 0 ? std::string() : random.Bytes(random.Below(300));
}

PathChange RandomChange(SeededRandom& random) {
  PathChange change;
  do {
    change.type = static_cast<PathChange::Type>(random.Below(kTypes));
  } while (change.type == PathChange::Type::kEvent);  // Never stored.
  change.path = RandomText(random);
  if (change.type == PathChange::Type::kRename) {
    change.from = RandomText(random);
  }
  if (random.Below(2) == 0) {
    constexpr ItemKind kKinds[] = {ItemKind::kDirectory, ItemKind::kFile,
                                   ItemKind::kSymlink};
    change.item = ItemId{Origin::Random(random), random.Next(),
                         static_cast<std::uint32_t>(random.Next()),
                         kKinds[random.Below(3)]};
  }
  change.payload = RandomText(random);
  if (random.Below(2) == 0) {
    change.version = Dot{Origin::Random(random), random.Next() >> 40};
  }
  return change;
}

std::vector<PathChange> RandomChanges(SeededRandom& random) {
  std::vector<PathChange> changes;
  for (std::uint64_t left = random.Below(5); left > 0; --left) {
    changes.push_back(RandomChange(random));
  }
  return changes;
}

TEST_CASE("path_change: form is that of the format", "[log][golden]") {
  PathChange change;
  change.type = PathChange::Type::kRename;
  change.path = "new";
  change.from = "old";
  change.item = ItemId{{}, 1, 2, ItemKind::kFile};
  change.payload = "p";
  change.version = Dot{{}, 300};
  const std::string zeros(32, '0');
  CHECK(ToHex(EncodePathChanges({change})) == "030f036e6577036f6c64" + zeros +
                                                  "00000000000000010000000266" +
                                                  "0170" + zeros + "ac02");
  CHECK(EncodePathChanges({}).empty());
  PathChange bare;
  bare.type = PathChange::Type::kSubtree;
  bare.path = "d";
  CHECK(ToHex(EncodePathChanges({bare, bare})) == "0b0001640b000164");
}

TEST_CASE("path_change: every type has a name of its own", "[log]") {
  std::set<std::string_view> names;
  for (int type = 0; type < kTypes; ++type) {
    names.insert(PathChangeTypeName(static_cast<PathChange::Type>(type)));
  }
  CHECK(names.size() == kTypes);
  CHECK(PathChangeTypeName(PathChange::Type::kCreate) == "create");
  CHECK(PathChangeTypeName(PathChange::Type::kSubtree) == "subtree");
}

TEST_CASE("path_change: changes come back as they were", "[log][law]") {
  constexpr std::uint64_t kSeed = 4;
  INFO("SYNCLINE_SEED=" << kSeed);
  SeededRandom random(kSeed);
  for (int round = 0; round < 2'000; ++round) {
    const std::vector<PathChange> changes = RandomChanges(random);
    const auto decoded = DecodePathChanges(EncodePathChanges(changes));
    REQUIRE(decoded.ok());
    REQUIRE(*decoded == changes);
  }
}

TEST_CASE("path_change: malformed bytes are refused", "[log][table]") {
  struct Row {
    const char* why;
    std::string hex;
  };
  const Row row = GENERATE(values<Row>({
      {"a type alone", "00"},
      {"no path", "0000"},
      {"an unknown type", "0c000161"},
      {"an event", "0a000161"},
      {"an unknown flag", "01100161"},
      {"a path cut off", "01000561"},
      {"an empty from",
       "030100"
       "00"},
      {"an empty payload",
       "010400"
       "00"},
      {"an item cut off", "01020000"},
      {"a version cut off", "01080000"},
      {"a version without counter",
       "010800"
       "00000000000000000000000000000000"},
      {"bytes left over", "0b00016400"},
      {"an item of no kind",
       "010200"
       "00000000000000000000000000000000"
       "0000000000000001"
       "00000000"
       "78"},
  }));
  INFO(row.why);
  const auto decoded = DecodePathChanges(*FromHex(row.hex));
  CHECK(absl::IsInvalidArgument(decoded.status()));
}

TEST_CASE("path_change: what is decoded has one form only", "[log][fuzz]") {
  constexpr std::uint64_t kSeed = 5;
  INFO("SYNCLINE_SEED=" << kSeed);
  SeededRandom random(kSeed);
  int accepted = 0;
  for (int round = 0; round < 30'000; ++round) {
    std::string bytes = EncodePathChanges(RandomChanges(random));
    if (bytes.empty()) continue;
    for (std::uint64_t edits = 1 + random.Below(3); edits > 0; --edits) {
      const std::size_t at = random.Below(bytes.size());
      bytes[at] = static_cast<char>(random.Next());
      if (random.Below(6) == 0) bytes.resize(at + 1);
    }
    const auto decoded = DecodePathChanges(bytes);
    if (!decoded.ok()) continue;
    ++accepted;
    REQUIRE(EncodePathChanges(*decoded) == bytes);
  }
  CHECK(accepted > 100);  // Changed bytes of a payload, for example.
}

}  // namespace
}  // namespace syncline
