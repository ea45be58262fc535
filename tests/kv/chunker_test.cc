#include "kv/chunker.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"

namespace syncline {
namespace {

// Where `bytes` are cut, the end included, handed over in pieces of `piece`.
std::vector<std::size_t> Cuts(std::string_view bytes, std::size_t piece) {
  Chunker chunker;
  std::vector<std::size_t> cuts;
  std::size_t at = 0;
  while (at < bytes.size()) {
    const std::string_view part = bytes.substr(at, piece);
    const Chunker::Step step = chunker.Scan(part);
    if (step.bytes == 0 || step.bytes > part.size() ||
        (!step.cut && step.bytes != part.size())) {
      FAIL("a step of " << step.bytes << " bytes in " << part.size());
    }
    at += step.bytes;
    if (step.cut) cuts.push_back(at);
  }
  if (cuts.empty() || cuts.back() != bytes.size()) cuts.push_back(bytes.size());
  return cuts;
}

std::vector<std::size_t> Cuts(std::string_view bytes) {
  return Cuts(bytes, bytes.size());
}

TEST_CASE("chunker: cuts a known stream at known points", "[kv][golden]") {
  // Part of the format: a change here makes all stored content foreign.
  CHECK(Cuts(SeededRandom(1).Bytes(1u << 20)) ==
        std::vector<std::size_t>{107'936, 183'097, 253'235, 299'172, 386'917,
                                 453'305, 540'341, 628'709, 694'725, 768'268,
                                 797'122, 880'025, 958'418, 1'026'774,
                                 1'048'576});
}

TEST_CASE("chunker: bytes without features are cut at the limit",
          "[kv][golden]") {
  CHECK(Cuts(std::string(600'000, '\0')) ==
        std::vector<std::size_t>{262'144, 524'288, 600'000});
}

TEST_CASE("chunker: chunks keep to their limits", "[kv][law]") {
  const std::string bytes = SeededRandom(2).Bytes(20u << 20);
  const auto cuts = Cuts(bytes);
  std::size_t start = 0;
  for (const std::size_t cut : cuts) {
    CHECK(cut - start <= Chunker::kBytesMax);
    if (cut != bytes.size()) CHECK(cut - start > Chunker::kBytesMin);
    start = cut;
  }
  const std::size_t mean = bytes.size() / cuts.size();
  CHECK(mean > 60'000);
  CHECK(mean < 90'000);
}

TEST_CASE("chunker: the pieces it is fed do not matter", "[kv][law]") {
  const std::string bytes = SeededRandom(3).Bytes(2u << 20);
  const auto whole = Cuts(bytes);
  for (const std::size_t piece :
       {std::size_t{1}, std::size_t{13}, std::size_t{4096}, std::size_t{16384},
        std::size_t{16385}, std::size_t{65537}, std::size_t{300'000}}) {
    INFO("pieces of " << piece);
    CHECK(Cuts(bytes, piece) == whole);
  }
}

TEST_CASE("chunker: an insertion moves only the cuts near it", "[kv][law]") {
  const std::string bytes = SeededRandom(4).Bytes(4u << 20);
  std::string edited = bytes;
  edited.insert(1u << 20, "a few bytes more");
  const auto before = Cuts(bytes);
  auto after = Cuts(edited);
  std::size_t head = 0;
  while (before[head] == after[head]) ++head;
  std::size_t tail = 0;  // From the end, the same but for the shift.
  while (*(before.rbegin() + tail) + 16 == *(after.rbegin() + tail)) ++tail;
  CHECK(before[head] > 1u << 20);
  CHECK(head > 5);
  CHECK(head + tail + 2 >= before.size());
}

}  // namespace
}  // namespace syncline
