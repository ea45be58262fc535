#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/hash/hash.h"
#include "log/entry.h"

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

struct ItemIdHash {
  std::size_t operator()(const ItemId& item) const {
    return absl::HashOf(item.origin.bytes, item.counter, item.index);
  }
};

// Remembers the values that were used last, up to about so many bytes of them.
// Two generations, so that what is in use stays and neither a list nor a clock
// is needed.
template <typename Key, typename Value, typename Hash = BytesHash>
class Recent {
 public:
  explicit Recent(std::size_t bytes) : generation_bytes_(bytes / 2) {}

  // Null: not known. Valid until the next call.
  template <typename View>
  const Value* Find(const View& key) {
    if (const auto at = young_.values.find(key); at != young_.values.end()) {
      return &at->second.value;
    }
    const auto at = old_.values.find(key);
    if (at == old_.values.end()) return nullptr;
    Sized sized = std::move(at->second);
    old_.values.erase(at);
    return &Set(key, std::move(sized.value), sized.bytes);
  }

  // `bytes`: what key and value take.
  template <typename View>
  const Value& Set(const View& key, Value value, std::size_t bytes) {
    if (young_.bytes > generation_bytes_) {
      old_ = std::exchange(young_, {});
      ++dropped_;
    }
    Sized& sized = young_.values[key];
    young_.bytes += bytes - sized.bytes;
    sized = {std::move(value), bytes};
    return sized.value;
  }

  template <typename View>
  void Erase(const View& key) {
    old_.values.erase(key);
    const auto at = young_.values.find(key);
    if (at == young_.values.end()) return;
    young_.bytes -= at->second.bytes;
    young_.values.erase(at);
  }

  // How often the older half was dropped.
  [[nodiscard]] std::size_t dropped() const { return dropped_; }

 private:
  struct Sized {
    Value value;
    std::size_t bytes = 0;
  };
  struct Generation {
    absl::flat_hash_map<Key, Sized, Hash, std::equal_to<>> values;
    std::size_t bytes = 0;
  };

  const std::size_t generation_bytes_;
  Generation young_;
  Generation old_;
  std::size_t dropped_ = 0;
};

}  // namespace syncline
