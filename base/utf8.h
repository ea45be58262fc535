#pragma once

#include <cstddef>
#include <string_view>

namespace syncline {

// Bytes of the UTF-8 character that `text` starts with; 0 if it is none (also
// overlong forms and surrogates) or `text` is empty.
std::size_t Utf8CharacterBytes(std::string_view text);

// Whether all of `text` is.
bool IsUtf8(std::string_view text);

}  // namespace syncline
