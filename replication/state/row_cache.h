#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"

namespace syncline {

// Tables by bytes that are looked up by views of them.
struct BytesHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view bytes) const {
    return std::hash<std::string_view>()(bytes);
  }
};
template <typename Value>
using BytesMap =
    absl::flat_hash_map<std::string, Value, BytesHash, std::equal_to<>>;

// Rows of one column as they are, those used last: one change reads the same
// rows several times, and the next change often the same again. Two
// generations, so that what is in use stays and neither a list nor a clock is
// needed.
class RowCache {
 public:
  explicit RowCache(std::size_t bytes) : generation_bytes_(bytes / 2) {}

  // Null: not known. A known row may be absent. Valid until the next call.
  const std::optional<std::string>* Find(std::string_view key);
  const std::optional<std::string>& Set(std::string_view key,
                                        std::optional<std::string> value);
  // How often the older half was dropped.
  [[nodiscard]] std::size_t dropped() const { return dropped_; }

 private:
  struct Generation {
    BytesMap<std::optional<std::string>> rows;
    std::size_t bytes = 0;
  };

  const std::size_t generation_bytes_;
  Generation young_;
  Generation old_;
  std::size_t dropped_ = 0;
};

}  // namespace syncline
