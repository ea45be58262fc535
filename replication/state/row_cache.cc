#include "replication/state/row_cache.h"

#include <utility>

namespace syncline {

const std::optional<std::string>* RowCache::Find(Column column,
                                                 std::string_view key) {
  const RowLayer::Map& young = young_.map(column);
  if (const auto at = young.find(key); at != young.end()) return &at->second;
  const RowLayer::Map& old = old_.map(column);
  const auto at = old.find(key);
  return at == old.end() ? nullptr : &Add(column, key, at->second);
}

const std::optional<std::string>& RowCache::Add(
    Column column, std::string_view key, std::optional<std::string> value) {
  if (young_.bytes() > kGenerationBytes) {
    old_ = std::move(young_);
    young_ = RowLayer();
  }
  young_.Set(column, std::string(key), std::move(value));
  return young_.map(column).find(key)->second;
}

void RowCache::ForgetPrefixOf(Column column, std::string_view key) {
  for (RowLayer* layer : {&young_, &old_}) {
    const RowLayer::Map& map = layer->map(column);
    auto at = map.upper_bound(key);
    if (at == map.begin()) continue;
    --at;
    if (key.starts_with(at->first)) layer->Erase(column, at->first);
  }
}

void RowCache::Forget(Column column, std::string_view key) {
  young_.Erase(column, key);
  old_.Erase(column, key);
}

}  // namespace syncline
