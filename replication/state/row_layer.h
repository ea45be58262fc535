#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/container/btree_map.h"
#include "kv/store.h"

namespace syncline {

// Rows of the columns kHeads, kTree and kChains: key -> value, or nothing for
// a row that is not there.
class RowLayer {
 public:
  static constexpr std::array kColumns = {Column::kHeads, Column::kTree,
                                          Column::kChains};
  using Map =
      absl::btree_map<std::string, std::optional<std::string>, std::less<>>;

  [[nodiscard]] const Map& map(Column column) const;
  void Set(Column column, std::string key, std::optional<std::string> value);
  void Erase(Column column, std::string_view key);
  // The rows of `column`, which are no longer here then.
  Map Take(Column column);
  // Puts the rows of `newer` over these.
  void MergeFrom(RowLayer&& newer);
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  [[nodiscard]] std::size_t size() const;
  void Clear();

 private:
  std::array<Map, kColumns.size()> maps_;
  std::size_t bytes_ = 0;
};

}  // namespace syncline
