#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "clock/dot.h"
#include "clock/hybrid_clock.h"
#include "clock/version_vector.h"

// The vocabulary of the log: what one origin adds at once (an Entry), and what
// it is about (items, documents, events). Plain values; the rules that they
// obey are checked in replication/state. Wire form: proto/entry.capnp.

namespace syncline {

// Values are the letters of the text form; ordered by letter.
enum class ItemKind : char {
  kDirectory = 'd',
  kFile = 'f',
  kSymlink = 'l',
};

// A file, directory or symbolic link: the dot and effect index of its
// creation, and its kind. Survives renames. Counter 0 marks ids that no
// Create minted: the root, and conflict copies.
struct ItemId {
  Origin origin;
  std::uint64_t counter = 0;
  std::uint32_t index = 0;
  ItemKind kind = ItemKind::kDirectory;

  // "<origin>.<counter>.<index>.<kind>"; nothing if malformed.
  static std::optional<ItemId> FromText(std::string_view text);
  [[nodiscard]] std::string ToText() const;

  // Fixed-width form that sorts as the ids do; 29 bytes.
  static constexpr std::size_t kKeyBytes = Origin::kBytes + 8 + 4 + 1;
  static std::optional<ItemId> FromKey(std::string_view key);
  void AppendKey(std::string& out) const;

  [[nodiscard]] Dot dot() const { return {origin, counter}; }
  [[nodiscard]] bool IsDirectory() const {
    return kind == ItemKind::kDirectory;
  }

  friend bool operator==(const ItemId&, const ItemId&) = default;
  friend auto operator<=>(const ItemId&, const ItemId&) = default;
};

// The directory that every path starts from.
inline constexpr ItemId kRoot{};

// Ancestors from below the root down to a parent: (id, name at that time).
using Chain = std::vector<std::pair<ItemId, std::string>>;

// Where an item is. `chain` ends with `parent`, and is empty iff the parent is
// the root; it is read only to revive dead ancestors.
struct Location {
  ItemId parent;
  std::string name;
  Chain chain;
  friend bool operator==(const Location&, const Location&) = default;
};

// Attribute key -> value, sorted by key, keys distinct.
using Attrs = std::vector<std::pair<std::string, std::string>>;

// Dots, sorted, distinct.
using Dots = std::vector<Dot>;

// Effects. `supersedes` names the heads of the same register that are
// replaced. See SPEC words in docs/semantics.md.
struct CreateEffect {
  ItemId item;
  friend bool operator==(const CreateEffect&, const CreateEffect&) = default;
};
struct PlaceEffect {
  ItemId item;
  Location location;
  Dots supersedes;
  friend bool operator==(const PlaceEffect&, const PlaceEffect&) = default;
};
// `location` and `attrs` are hints: read only where the item has lost those
// registers. `sources` is empty, or the human heads an automatic resolution
// replaced.
struct ContentEffect {
  ItemId item;
  std::string payload;
  Location location;
  Attrs attrs;
  Dots supersedes;
  Dots sources;
  friend bool operator==(const ContentEffect&, const ContentEffect&) = default;
};
// An absent attribute is the empty value.
struct AttrEffect {
  ItemId item;
  std::string key;
  std::string value;
  Dots supersedes;
  friend bool operator==(const AttrEffect&, const AttrEffect&) = default;
};
// Supersedes heads of one item and adds none: there is no tombstone.
struct RemoveEffect {
  ItemId item;
  Dots place;
  Dots content;
  std::vector<std::pair<std::string, Dot>> attrs;
  friend bool operator==(const RemoveEffect&, const RemoveEffect&) = default;
};
// Payload nothing: removes the observed heads.
struct DocEffect {
  std::string name_space;
  std::string key;
  std::optional<std::string> payload;
  Dots supersedes;
  Dots sources;
  friend bool operator==(const DocEffect&, const DocEffect&) = default;
};
// An application's own record; no state of its own.
struct EventEffect {
  std::string topic;
  std::string payload;
  friend bool operator==(const EventEffect&, const EventEffect&) = default;
};

using Effect = std::variant<CreateEffect, PlaceEffect, ContentEffect,
                            AttrEffect, RemoveEffect, DocEffect, EventEffect>;

// What one origin adds to the log at once. `context` is the author's whole
// frontier just before: it decides the order of delivery; only the
// `supersedes` lists decide what conflicts.
struct Entry {
  Dot dot;
  VersionVector context;
  Hlc hlc;
  std::string cause;  // "user" or "auto:<strategy>".
  std::vector<Effect> effects;

  // 0 for a human decision, 1 for an automatic resolution.
  [[nodiscard]] int generation() const {
    return cause.starts_with("auto:") ? 1 : 0;
  }
  friend bool operator==(const Entry&, const Entry&) = default;
};

}  // namespace syncline
