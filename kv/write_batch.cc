#include <iterator>
#include <utility>

#include "kv/store.h"

namespace syncline {

void WriteBatch::Put(Column column, std::string key, std::string value) {
  bytes_ += key.size() + value.size();
  ops_.push_back({Op::Kind::kPut, column, std::move(key), std::move(value)});
}

void WriteBatch::Delete(Column column, std::string key) {
  bytes_ += key.size();
  ops_.push_back({Op::Kind::kDelete, column, std::move(key), {}});
}

void WriteBatch::DeleteRange(Column column, std::string begin,
                             std::string end) {
  bytes_ += begin.size() + end.size();
  ops_.push_back(
      {Op::Kind::kDeleteRange, column, std::move(begin), std::move(end)});
}

void WriteBatch::Append(WriteBatch&& other) {
  bytes_ += other.bytes_;
  ops_.insert(ops_.end(), std::make_move_iterator(other.ops_.begin()),
              std::make_move_iterator(other.ops_.end()));
  other.Clear();
}

void WriteBatch::Clear() {
  ops_.clear();
  bytes_ = 0;
}

}  // namespace syncline
