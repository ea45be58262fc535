#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "clock/hybrid_clock.h"
#include "log/entry.h"

// What a project's state consists of and what of it is visible: plain values.

namespace syncline {

// A register: the place, content or one attribute of an item, or a document.
struct RegisterId {
  enum class Field : std::uint8_t { kAttr, kContent, kDoc, kPlace };

  Field field = Field::kContent;
  ItemId item;             // Not for kDoc.
  std::string name_space;  // kDoc only.
  std::string key;         // Attribute or document key.

  friend bool operator==(const RegisterId&, const RegisterId&) = default;
  friend auto operator<=>(const RegisterId&, const RegisterId&) = default;
};

// Total order of heads, for display among concurrent ones: newest is largest.
struct HeadOrder {
  Hlc hlc;
  Origin origin;
  std::uint64_t counter = 0;
  std::uint32_t index = 0;  // Effect index.
  friend bool operator==(const HeadOrder&, const HeadOrder&) = default;
  friend auto operator<=>(const HeadOrder&, const HeadOrder&) = default;
  [[nodiscard]] Dot dot() const { return {origin, counter}; }
};

// One live value of a register.
struct Head {
  HeadOrder order;
  int generation = 0;  // 0 human, 1 automatic.
  // kPlace: a location. Else the payload, attribute value or document.
  std::variant<std::string, Location> value;
  std::optional<Location> hint;  // kContent.
  Attrs attrs;                   // kContent.
  Dots sources;                  // kContent, kDoc.
  std::uint64_t arrival = 0;     // Record that brought it. Local.
  friend bool operator==(const Head&, const Head&) = default;
};

// A live content head (or document head) at a visible path. Its head comes
// without the location hint; CausalState::Heads() has it.
struct Sibling {
  RegisterId reg;
  Head head;
  [[nodiscard]] const std::string& payload() const {
    return std::get<std::string>(head.value);
  }
};

// One visible path or document.
struct Row {
  std::optional<ItemKind> kind;   // Nothing for a document.
  std::vector<ItemId> items;      // Ascending; merged directories, or a slot.
  std::vector<Sibling> siblings;  // By ascending order; none for directories.
  std::size_t shown = 0;          // Index of the shown sibling.
  Attrs attrs;
  bool revived = false;

  // Several distinct values, at least one of them human.
  [[nodiscard]] bool conflict() const;
  [[nodiscard]] bool IsDirectory() const {
    return kind == ItemKind::kDirectory;
  }
  // Requires (checked): not a directory.
  [[nodiscard]] const Sibling& shown_sibling() const;
  // The shown item, or the smallest id of a merged directory.
  [[nodiscard]] const ItemId& item() const;
};

// What a reader saw at a path: the only source of every `supersedes` list.
// A mirror keeps the token of what it wrote to or accepted from the disk.
struct Token {
  ItemId item;  // The shown one.
  std::vector<ItemId> items;
  std::vector<Location> locations;  // Of `items`, in the same order.
  Attrs attrs;
  std::vector<std::pair<RegisterId, Dot>> heads;  // Sorted.

  [[nodiscard]] Dots DotsOf(const ItemId& of, RegisterId::Field field) const;
  friend bool operator==(const Token&, const Token&) = default;
};
std::string EncodeToken(const Token& token);
//   kInvalidArgument  malformed
absl::StatusOr<Token> DecodeToken(std::string_view bytes);

}  // namespace syncline
