#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "replication/state/overlay_rows.h"
#include "replication/state/plain_row.h"
#include "replication/state/row.h"
#include "replication/state/row_keys.h"

// What shows where there is nothing but one file in the usual form, or one
// value of a document: without making heads of their rows.

namespace syncline {

struct PlainItem {
  ItemId item;
  PlainFile file;  // Borrowed from the row, until any other row is read.
};

// The file that is alone at a name. Nothing: look at what is there in the
// usual way. Requires: no row `b`. Remembers that it is alone.
std::optional<PlainItem> PlainItemAt(RowReader& rows, const RowKeys& keys,
                                     const ItemId& parent,
                                     std::string_view name);

// What ViewRows shows of it.
Row RowOf(const PlainItem& plain);
Row RowOf(std::string_view name_space, std::string_view key,
          const PlainDocument& document);
// A token of it; `at`: where the view has it.
Token TokenOf(const PlainItem& plain, Location at);

}  // namespace syncline
