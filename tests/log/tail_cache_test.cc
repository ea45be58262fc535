#include "log/tail_cache.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace syncline {
namespace {

std::string RecordOf(std::uint64_t seq) {
  return std::string(1 + seq * 7 % 90, static_cast<char>('a' + seq % 26));
}

std::string Joined(std::uint64_t first, std::uint64_t last) {
  std::string bytes;
  for (std::uint64_t seq = first; seq <= last; ++seq) bytes += RecordOf(seq);
  return bytes;
}

void FillCache(TailCache& cache, std::uint64_t first, std::uint64_t last) {
  for (std::uint64_t seq = first; seq <= last; ++seq) {
    cache.Add({seq}, RecordOf(seq));
  }
}

// Kept, or empty.
RecordSpan SpanOf(const TailCache& cache, Seq from, Seq last,
                  std::size_t bytes_max) {
  RecordSpan span;
  if (cache.Span(from, last, bytes_max, span)) cache.Keep(span);
  return span;
}

TEST_CASE("tail_cache: spans join to what was added", "[log]") {
  TailCache cache(1u << 20);
  FillCache(cache, 5, 400);
  CHECK(cache.first() == Seq{5});
  for (std::uint64_t from = 5; from <= 400; from += 13) {
    for (std::size_t bytes_max : {1u, 100u, 5000u, 1u << 20}) {
      std::string seen;
      Seq at{from};
      while (at <= Seq{400}) {
        const RecordSpan span = SpanOf(cache, at, {400}, bytes_max);
        REQUIRE_FALSE(span.empty());
        REQUIRE(span.first == at);
        REQUIRE(span.bytes == Joined(at.value, span.last.value));
        REQUIRE((span.bytes.size() <= bytes_max || span.last == span.first));
        seen += span.bytes;
        at = span.last.next();
      }
      REQUIRE(seen == Joined(from, 400));
    }
  }
}

TEST_CASE("tail_cache: nothing behind the last record asked for", "[log]") {
  TailCache cache(1u << 20);
  FillCache(cache, 1, 20);
  CHECK(SpanOf(cache, {3}, {7}, 1u << 20).last == Seq{7});
  CHECK(SpanOf(cache, {21}, {30}, 1u << 20).empty());
  CHECK(SpanOf(cache, {20}, {30}, 1u << 20).last == Seq{20});
}

TEST_CASE("tail_cache: the oldest goes and lives on with its spans", "[log]") {
  TailCache cache(8u << 10);
  FillCache(cache, 1, 20);
  const RecordSpan old = SpanOf(cache, {1}, {20}, 1u << 20);
  FillCache(cache, 21, 5000);
  CHECK(cache.first() > Seq{1});
  CHECK(SpanOf(cache, {1}, {5000}, 100).empty());
  CHECK(old.bytes == Joined(1, old.last.value));
  const Seq first = cache.first();
  CHECK(SpanOf(cache, first, {5000}, 1).bytes == RecordOf(first.value));
}

TEST_CASE("tail_cache: a record larger than a buffer has its own", "[log]") {
  TailCache cache(1u << 20);
  const std::string large(600'000, 'x');
  cache.Add({1}, "a");
  cache.Add({2}, large);
  cache.Add({3}, "b");
  CHECK(SpanOf(cache, {2}, {3}, 10).bytes == large);
  CHECK(SpanOf(cache, {3}, {3}, 10).bytes == "b");
}

}  // namespace
}  // namespace syncline
