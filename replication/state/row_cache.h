#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "replication/state/row_layer.h"

namespace syncline {

// Rows as the store has them, those read last: one change reads the same rows
// several times, and the next change often the same again. Two generations, so
// that what is in use stays and neither a list nor a clock is needed.
class RowCache {
 public:
  // Nothing: not known. A known row may be absent.
  const std::optional<std::string>* Find(Column column, std::string_view key);
  const std::optional<std::string>& Add(Column column, std::string_view key,
                                        std::optional<std::string> value);
  // The row is about to change.
  void Forget(Column column, std::string_view key);
  // So is one whose key starts with what is known here, if anything is.
  // Requires: no key that was added starts with another.
  void ForgetPrefixOf(Column column, std::string_view key);

 private:
  static constexpr std::size_t kGenerationBytes = 1u << 20;

  RowLayer young_;
  RowLayer old_;
};

}  // namespace syncline
