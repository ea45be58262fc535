#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

// Merging and comparing texts, line by line. Pure functions of their
// arguments, from any thread.

namespace syncline {

// What MergeText() computes; in the cause of every entry that comes of it.
// Raise it when equal arguments may give other bytes than before.
inline constexpr int kTextMergeVersion = 1;

// Longer texts are not merged or compared: both take memory and time of a
// multiple of it.
inline constexpr std::size_t kTextBytesMax = 4u << 20;

// No zero byte in the first 8 KiB, and at most kTextBytesMax.
[[nodiscard]] bool IsText(std::string_view bytes);

// Both texts' changes since `base`, in one; nothing if they touch the same or
// neighbouring lines in different ways, or if one is no text. Swapping `first`
// and `second` changes nothing.
std::optional<std::string> MergeText(std::string_view base,
                                     std::string_view first,
                                     std::string_view second);

// The lines that differ, as `diff -u` shows them, without the two lines that
// name the files; empty if nothing differs, nothing if one is no text.
std::optional<std::string> DiffText(std::string_view before,
                                    std::string_view after);

}  // namespace syncline
