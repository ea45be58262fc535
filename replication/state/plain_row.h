#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "replication/state/head_codec.h"

// Head rows of the usual form, read and written without making heads of them.
// The bytes are those of head_codec.

namespace syncline {

// Of a head: all but its value.
struct PlainHead {
  HeadOrder order;
  int generation = 0;
  std::uint64_t arrival = 0;
};

// StoredLocation, borrowed.
struct PlainLocation {
  ItemId parent;
  std::string_view name;
  ChainRef chain;
  friend bool operator==(const PlainLocation&, const PlainLocation&) = default;
};

// An item with one place, one content which is its own source, and no
// attributes but those of the content. Views point into the row, or where
// whoever made it says.
struct PlainFile {
  PlainHead place;
  PlainLocation at;
  PlainHead content;
  PlainLocation hint;
  std::string_view payload;
  std::string_view attrs;  // As PackAttrs has them.
};

// A document with one value, its own source.
struct PlainDocument {
  PlainHead head;
  std::string_view payload;
};

// Nothing: the row is of another form, or malformed.
std::optional<PlainFile> ParsePlainFile(std::string_view row);
std::optional<PlainDocument> ParsePlainDocument(std::string_view row);

// Replace what is in `out`.
void EncodePlainFile(const PlainFile& file, std::string& out);
void EncodePlainDocument(const PlainDocument& document, std::string& out);

// What PackAttrs packed.
Attrs UnpackAttrs(std::string_view packed);

}  // namespace syncline
