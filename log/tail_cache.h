#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string_view>
#include <vector>

#include "log/record_span.h"

namespace syncline {

// The newest records of a log as they are stored, in a few large buffers that
// all subscribers share: a span of them costs no copy. Bytes that were given
// out never move and never change; the oldest buffer goes when there are too
// many, and lives on with the spans that hold it.
//
// Bound to the log's executor; spans may be read anywhere.
class TailCache {
 public:
  explicit TailCache(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  // The record that follows the last one added, or any record if the cache is
  // empty.
  void Add(Seq seq, std::string_view record);
  void Clear();

  // The first record that it has is `first()`; 0: none.
  [[nodiscard]] Seq first() const {
    return blocks_.empty() ? Seq{} : blocks_.front().first;
  }
  // Records from `from` to `last` at most, of one buffer, up to `bytes_max`
  // bytes but at least one; false if it does not have `from`. Their owner is
  // not set: the bytes are valid until the next Add() or Clear(), or for good
  // after a Keep() before that.
  bool Span(Seq from, Seq last, std::size_t bytes_max, RecordSpan& span) const;
  // Sets the owner of a span that it gave.
  void Keep(RecordSpan& span) const;

 private:
  struct Block {
    Seq first;
    std::shared_ptr<char[]> buffer;
    std::size_t capacity = 0;
    std::vector<std::uint32_t> ends;  // Of each record in `buffer`.

    [[nodiscard]] std::size_t used() const {
      return ends.empty() ? 0 : ends.back();
    }
    [[nodiscard]] Seq last() const { return {first.value + ends.size() - 1}; }
  };

  [[nodiscard]] const Block* Find(Seq seq) const;
  void AddBlock(Seq first, std::size_t record_bytes);

  const std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  std::deque<Block> blocks_;
};

}  // namespace syncline
