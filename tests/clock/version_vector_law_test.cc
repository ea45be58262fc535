// What must hold for all version vectors: first for every one over three
// origins with counters 0 to 2, then for random ones against a naive twin.
#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "clock/version_vector.h"

namespace syncline {
namespace {

using Twin = std::map<Origin, std::uint64_t>;

Origin LawOrigin(std::uint64_t number) {
  Origin origin;
  origin.bytes.back() = static_cast<unsigned char>(number);
  origin.bytes.front() = static_cast<unsigned char>(number * 37);
  return origin;
}

// All 27 vectors, with their counters.
struct Small {
  int counters[3];
  VersionVector vector;
};

std::vector<Small> AllSmall() {
  std::vector<Small> all;
  for (int code = 0; code < 27; ++code) {
    Small small{{code % 3, code / 3 % 3, code / 9}, {}};
    for (int i = 0; i < 3; ++i) {
      small.vector.Raise(LawOrigin(i),
                         static_cast<std::uint64_t>(small.counters[i]));
    }
    all.push_back(small);
  }
  return all;
}

VersionVector Joined(VersionVector left, const VersionVector& right) {
  left.Join(right);
  return left;
}

Causality Mirrored(Causality causality) {
  switch (causality) {
    case Causality::kBefore:
      return Causality::kAfter;
    case Causality::kAfter:
      return Causality::kBefore;
    default:
      return causality;
  }
}

Causality ByDefinition(const Small& left, const Small& right) {
  bool less = false;
  bool more = false;
  for (int i = 0; i < 3; ++i) {
    less |= left.counters[i] < right.counters[i];
    more |= left.counters[i] > right.counters[i];
  }
  if (less && more) return Causality::kConcurrent;
  if (less) return Causality::kBefore;
  return more ? Causality::kAfter : Causality::kEqual;
}

bool NotAfter(const VersionVector& left, const VersionVector& right) {
  return right.Covers(left);
}

TEST_CASE("version_vector: every small vector has its own encoding",
          "[clock][law]") {
  const std::vector<Small> all = AllSmall();
  std::map<std::string, int> seen;
  for (const Small& small : all) {
    const std::string bytes = small.vector.Encode();
    CHECK(++seen[bytes] == 1);
    const auto decoded = VersionVector::Decode(bytes);
    REQUIRE(decoded.ok());
    CHECK(*decoded == small.vector);
    CHECK(decoded->Encode() == bytes);
  }
  CHECK(seen.size() == 27);
}

TEST_CASE("version_vector: compare is causality by definition for all pairs",
          "[clock][law]") {
  const std::vector<Small> all = AllSmall();
  for (const Small& left : all) {
    for (const Small& right : all) {
      const Causality causality = Compare(left.vector, right.vector);
      REQUIRE(causality == ByDefinition(left, right));
      REQUIRE(Compare(right.vector, left.vector) == Mirrored(causality));
      REQUIRE((causality == Causality::kEqual) ==
              (left.vector == right.vector));
      REQUIRE(
          right.vector.Covers(left.vector) ==
          (causality == Causality::kEqual || causality == Causality::kBefore));
    }
  }
}

TEST_CASE("version_vector: join is the least upper bound for all pairs",
          "[clock][law]") {
  const std::vector<Small> all = AllSmall();
  for (const Small& left : all) {
    REQUIRE(Joined(left.vector, left.vector) == left.vector);
    REQUIRE(Joined(left.vector, {}) == left.vector);
    for (const Small& right : all) {
      const VersionVector join = Joined(left.vector, right.vector);
      REQUIRE(join == Joined(right.vector, left.vector));
      REQUIRE(join.Covers(left.vector));
      REQUIRE(join.Covers(right.vector));
      for (int i = 0; i < 3; ++i) {
        REQUIRE(join.CounterOf(LawOrigin(i)) ==
                static_cast<std::uint64_t>(
                    std::max(left.counters[i], right.counters[i])));
      }
    }
  }
}

TEST_CASE("version_vector: join and order obey their laws for all triples",
          "[clock][law]") {
  const std::vector<Small> all = AllSmall();
  std::size_t triples = 0;
  std::size_t broken = 0;
  for (const Small& a : all) {
    for (const Small& b : all) {
      const VersionVector ab = Joined(a.vector, b.vector);
      for (const Small& c : all) {
        ++triples;
        const VersionVector bc = Joined(b.vector, c.vector);
        const bool associative = Joined(ab, c.vector) == Joined(a.vector, bc);
        const bool transitive =
            !(NotAfter(a.vector, b.vector) && NotAfter(b.vector, c.vector)) ||
            NotAfter(a.vector, c.vector);
        const bool least =
            (NotAfter(a.vector, c.vector) && NotAfter(b.vector, c.vector)) ==
            NotAfter(ab, c.vector);
        if (!associative || !transitive || !least) ++broken;
      }
    }
  }
  CHECK(triples == 19'683);
  CHECK(broken == 0);
}

VersionVector Built(const Twin& twin) {
  VersionVector vector;
  // Against the order of the twin, so that order is the vector's own doing.
  for (auto it = twin.rbegin(); it != twin.rend(); ++it) {
    vector.Raise(it->first, it->second);
  }
  return vector;
}

Twin RandomTwin(SeededRandom& random) {
  Twin twin;
  const std::uint64_t origins = random.Below(12);
  for (std::uint64_t i = 0; i < origins; ++i) {
    const std::uint64_t counter = random.Below(4) == 0
                                      ? random.Next() >> random.Below(63)
                                      : random.Below(4);
    if (counter > 0) twin[LawOrigin(random.Below(16))] = counter;
  }
  return twin;
}

bool Same(const VersionVector& vector, const Twin& twin) {
  return std::equal(vector.slots().begin(), vector.slots().end(), twin.begin(),
                    twin.end(), [](const auto& slot, const auto& entry) {
                      return slot.origin == entry.first &&
                             slot.counter == entry.second;
                    });
}

Causality CompareTwins(const Twin& left, const Twin& right) {
  const auto ahead = [](const Twin& of, const Twin& than) {
    return std::any_of(of.begin(), of.end(), [&](const auto& entry) {
      const auto other = than.find(entry.first);
      return other == than.end() || other->second < entry.second;
    });
  };
  if (ahead(left, right)) {
    return ahead(right, left) ? Causality::kConcurrent : Causality::kAfter;
  }
  return ahead(right, left) ? Causality::kBefore : Causality::kEqual;
}

TEST_CASE("version_vector: random vectors do as a naive map does",
          "[clock][law]") {
  constexpr std::uint64_t kSeed = 20'240;
  INFO("SYNCLINE_SEED=" << kSeed);
  SeededRandom random(kSeed);
  for (int round = 0; round < 5'000; ++round) {
    Twin left = RandomTwin(random);
    const Twin right = round % 5 == 0 ? left : RandomTwin(random);
    VersionVector vector = Built(left);
    const VersionVector other = Built(right);
    REQUIRE(Same(vector, left));
    REQUIRE(Compare(vector, other) == CompareTwins(left, right));
    REQUIRE(*VersionVector::Decode(vector.Encode()) == vector);

    for (const auto& [origin, counter] : right) {
      left[origin] = std::max(left[origin], counter);
    }
    vector.Join(other);
    REQUIRE(Same(vector, left));
    const Dot dot{LawOrigin(random.Below(16)), random.Below(6) + 1};
    const auto entry = left.find(dot.origin);
    REQUIRE(vector.Covers(dot) ==
            (entry != left.end() && dot.counter <= entry->second));
  }
}

TEST_CASE("version_vector: decode takes no bytes but canonical ones",
          "[clock][fuzz]") {
  constexpr std::uint64_t kSeed = 71;
  INFO("SYNCLINE_SEED=" << kSeed);
  SeededRandom random(kSeed);
  int accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = Built(RandomTwin(random)).Encode();
    for (std::uint64_t edits = random.Below(3); edits > 0; --edits) {
      const std::size_t at = random.Below(bytes.size());
      bytes[at] = static_cast<char>(random.Next());
      if (random.Below(4) == 0) bytes.resize(at + 1);
    }
    const auto decoded = VersionVector::Decode(bytes);
    if (!decoded.ok()) continue;
    ++accepted;
    REQUIRE(decoded->Encode() == bytes);
  }
  CHECK(accepted > 1'000);
  CHECK(accepted < 20'000);
}

}  // namespace
}  // namespace syncline
