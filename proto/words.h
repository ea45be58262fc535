#pragma once

#include <capnp/blob.h>
#include <capnp/common.h>

#include <cstddef>
#include <string_view>

// Bytes as Cap'n Proto has them, and the words in which it counts them.

namespace syncline {

inline constexpr std::size_t kWord = sizeof(capnp::word);  // Bytes.

// Words that `bytes` fill, the last one perhaps in part.
constexpr std::size_t WordsOf(std::size_t bytes) {
  return (bytes + kWord - 1) / kWord;
}

// Words of a text of `bytes`, which ends with a NUL.
constexpr std::size_t TextWords(std::size_t bytes) { return bytes / kWord + 1; }

// Views of the same bytes.
inline std::string_view View(capnp::Data::Reader data) {
  return {reinterpret_cast<const char*>(data.begin()), data.size()};
}
inline capnp::Data::Reader ToData(std::string_view bytes) {
  return {reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()};
}

}  // namespace syncline
