#pragma once

#include <string>
#include <string_view>

#include "base/hash.h"
#include "log/entry.h"

// Names of visible items: which are legal, and which ones Syncline makes up.
// All of it is replicated semantics (rules E5, I4, N1 to N3): a changed result
// is a changed tree.

namespace syncline {

inline constexpr std::size_t kNameBytesMax = 255;

// One path component that every replica accepts: 1 to 255 bytes, not "." or
// "..", without '/' and NUL, not starting with ".syncline".
[[nodiscard]] bool LegalName(std::string_view name);

// Puts `suffix` before the extension (a last '.' and 1 to 16 letters or
// digits) and cuts the stem, at a UTF-8 character, so that 255 bytes are kept.
std::string SuffixedName(std::string_view name, std::string_view suffix);

// The name of a file whose own name is taken by a directory.
std::string BesideDirectoryName(std::string_view name, const ItemId& item,
                                int attempt);

// The identity of a conflict copy is a function of the losing head.
Hash CopyHash(const ItemId& item, const Dot& dot);
ItemId CopyItem(const ItemId& item, const Hash& copy_hash);
// When the loser was written (UTC), and 8 digits of `copy_hash`.
std::string CopyName(std::string_view name, Hlc written, const Hash& copy_hash);

}  // namespace syncline
