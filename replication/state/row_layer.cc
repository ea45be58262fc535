#include "replication/state/row_layer.h"

#include <utility>

#include "base/check.h"

namespace syncline {
namespace {

// What a row costs beyond its bytes: two strings in a tree node.
constexpr std::size_t kLayerRowOverhead = 72;

std::size_t IndexOf(Column column) {
  for (std::size_t i = 0; i < RowLayer::kColumns.size(); ++i) {
    if (RowLayer::kColumns[i] == column) return i;
  }
  SYNCLINE_CHECK(false, "not a column of the causal state");
}

std::size_t BytesOf(std::string_view key,
                    const std::optional<std::string>& value) {
  return kLayerRowOverhead + key.size() + (value ? value->size() : 0);
}

}  // namespace

const RowLayer::Map& RowLayer::map(Column column) const {
  return maps_[IndexOf(column)];
}

void RowLayer::Set(Column column, std::string key,
                   std::optional<std::string> value) {
  const std::size_t added = BytesOf(key, value);
  auto [at, inserted] =
      maps_[IndexOf(column)].try_emplace(std::move(key), std::nullopt);
  if (!inserted) bytes_ -= BytesOf(at->first, at->second);
  bytes_ += added;
  at->second = std::move(value);
}

void RowLayer::Erase(Column column, std::string_view key) {
  Map& map = maps_[IndexOf(column)];
  const auto at = map.find(key);
  if (at == map.end()) return;
  bytes_ -= BytesOf(at->first, at->second);
  map.erase(at);
}

RowLayer::Map RowLayer::Take(Column column) {
  Map rows = std::exchange(maps_[IndexOf(column)], {});
  for (const auto& [key, value] : rows) bytes_ -= BytesOf(key, value);
  return rows;
}

void RowLayer::MergeFrom(RowLayer&& newer) {
  for (std::size_t i = 0; i < maps_.size(); ++i) {
    for (auto& [key, value] : newer.maps_[i]) {
      Set(kColumns[i], key, std::move(value));
    }
  }
  newer.Clear();
}

std::size_t RowLayer::size() const {
  std::size_t rows = 0;
  for (const Map& map : maps_) rows += map.size();
  return rows;
}

void RowLayer::Clear() {
  for (Map& map : maps_) map.clear();
  bytes_ = 0;
}

}  // namespace syncline
