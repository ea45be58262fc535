#include "replication/state/row_cache.h"

#include <utility>

namespace syncline {
namespace {

// What a row costs beyond its bytes: two strings in a table that is half full.
constexpr std::size_t kRowOverhead = 150;

}  // namespace

const std::optional<std::string>* RowCache::Find(std::string_view key) {
  if (const auto at = young_.rows.find(key); at != young_.rows.end()) {
    return &at->second;
  }
  const auto at = old_.rows.find(key);
  return at == old_.rows.end() ? nullptr : &Set(key, at->second);
}

const std::optional<std::string>& RowCache::Set(
    std::string_view key, std::optional<std::string> value) {
  if (young_.bytes > generation_bytes_) {
    old_ = std::exchange(young_, {});
    ++dropped_;
  }
  auto at = young_.rows.find(key);
  if (at == young_.rows.end()) {
    at = young_.rows.emplace(key, std::nullopt).first;
    young_.bytes += kRowOverhead + key.size();
  } else if (at->second) {
    young_.bytes -= at->second->size();
  }
  if (value) young_.bytes += value->size();
  at->second = std::move(value);
  return at->second;
}

}  // namespace syncline
