#include "log/tail_cache.h"

#include <algorithm>
#include <cstring>

namespace syncline {
namespace {

// A log that is hardly written to must cost little, a busy one few buffers.
constexpr std::size_t kFirstBlockBytes = 1u << 10;
constexpr std::size_t kBlockBytesMax = 256u << 10;

}  // namespace

void TailCache::Add(Seq seq, std::string_view record) {
  if (blocks_.empty() ||
      blocks_.back().capacity - blocks_.back().used() < record.size()) {
    AddBlock(seq, record.size());
  }
  Block& block = blocks_.back();
  const std::size_t used = block.used();
  std::memcpy(block.buffer.get() + used, record.data(), record.size());
  block.ends.push_back(static_cast<std::uint32_t>(used + record.size()));
}

void TailCache::AddBlock(Seq first, std::size_t record_bytes) {
  Block block;
  block.first = first;
  block.capacity = blocks_.empty()
                       ? kFirstBlockBytes
                       : std::min(kBlockBytesMax, blocks_.back().capacity * 2);
  block.capacity = std::max(block.capacity, record_bytes);
  block.buffer = std::shared_ptr<char[]>(new char[block.capacity]);
  bytes_ += block.capacity;
  blocks_.push_back(std::move(block));
  while (bytes_ > bytes_max_ && blocks_.size() > 1) {
    bytes_ -= blocks_.front().capacity;
    blocks_.pop_front();
  }
}

void TailCache::Clear() {
  blocks_.clear();
  bytes_ = 0;
}

const TailCache::Block* TailCache::Find(Seq seq) const {
  if (blocks_.empty() || seq < blocks_.front().first) return nullptr;
  // Nearly everybody wants the newest.
  auto block = blocks_.rbegin();
  while (seq < block->first) ++block;
  return block->last() < seq ? nullptr : &*block;
}

bool TailCache::Span(Seq from, Seq last, std::size_t bytes_max,
                     RecordSpan& span) const {
  const Block* const block = Find(from);
  if (block == nullptr) return false;
  const auto& ends = block->ends;
  const std::size_t at = from.value - block->first.value;
  const std::size_t begin = at == 0 ? 0 : ends[at - 1];
  std::size_t stop = std::min(last, block->last()).value - block->first.value;
  if (ends[stop] - begin > bytes_max) {
    const auto beyond =
        std::upper_bound(ends.begin() + at, ends.end(), begin + bytes_max);
    stop = std::max<std::size_t>(at + 1, beyond - ends.begin()) - 1;
  }
  span.first = from;
  span.last = {block->first.value + stop};
  span.bytes = {block->buffer.get() + begin, ends[stop] - begin};
  span.checked = true;
  if (span.owner) span.owner.reset();
  return true;
}

void TailCache::Keep(RecordSpan& span) const {
  if (const Block* block = Find(span.first)) span.owner = block->buffer;
}

}  // namespace syncline
