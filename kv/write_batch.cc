#include <cstring>
#include <utility>

#include "kv/store.h"

namespace syncline {
namespace {

struct OpHeader {
  WriteBatch::Op::Kind kind;
  Column column;
  std::uint32_t key_bytes;
  std::uint32_t value_bytes;
};

OpHeader HeaderAt(const char* at) {
  OpHeader header;
  std::memcpy(&header, at, sizeof header);
  return header;
}

}  // namespace

WriteBatch::Op WriteBatch::Iterator::operator*() const {
  const OpHeader header = HeaderAt(at_);
  const char* const key = at_ + sizeof header;
  return {header.kind,
          header.column,
          {key, header.key_bytes},
          {key + header.key_bytes, header.value_bytes}};
}

WriteBatch::Iterator& WriteBatch::Iterator::operator++() {
  const OpHeader header = HeaderAt(at_);
  at_ += sizeof header + header.key_bytes + header.value_bytes;
  return *this;
}

void WriteBatch::Add(Op::Kind kind, Column column, std::string_view key,
                     std::string_view value) {
  OpHeader header{};
  header.kind = kind;
  header.column = column;
  header.key_bytes = static_cast<std::uint32_t>(key.size());
  header.value_bytes = static_cast<std::uint32_t>(value.size());
  buffer_.append(reinterpret_cast<const char*>(&header), sizeof header);
  buffer_.append(key).append(value);
  ++size_;
}

void WriteBatch::Put(Column column, std::string_view key,
                     std::string_view value) {
  Add(Op::Kind::kPut, column, key, value);
}

void WriteBatch::Delete(Column column, std::string_view key) {
  Add(Op::Kind::kDelete, column, key, {});
}

void WriteBatch::DeleteRange(Column column, std::string_view begin,
                             std::string_view end) {
  Add(Op::Kind::kDeleteRange, column, begin, end);
}

void WriteBatch::Append(const WriteBatch& other) {
  Append(other, Mark(), other.mark());
}

void WriteBatch::Append(WriteBatch&& other) {
  if (!empty()) return Append(std::as_const(other));
  *this = std::move(other);
  other.Clear();
}

void WriteBatch::Append(const WriteBatch& other, const Mark& begin,
                        const Mark& end) {
  buffer_.append(other.buffer_, begin.bytes, end.bytes - begin.bytes);
  size_ += end.size - begin.size;
}

void WriteBatch::Clear() {
  buffer_.clear();
  size_ = 0;
}

}  // namespace syncline
