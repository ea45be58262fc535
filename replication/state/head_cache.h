#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "replication/state/head_codec.h"
#include "replication/state/overlay_rows.h"
#include "replication/state/recent.h"
#include "replication/state/row_keys.h"

namespace syncline {

// Head rows as they are without staged ones, decoded, those used last. Who
// commits a row tells it here too.
class HeadCache {
 public:
  // Null: not known. Valid until the next call.
  const ItemHeads* Find(const ItemId& item) { return items_.Find(item); }
  const StoredHeads* Find(std::string_view doc_row) {
    return docs_.Find(doc_row);
  }
  void Set(const ItemId& item, ItemHeads heads);
  void Set(std::string_view doc_row, StoredHeads heads);

 private:
  Recent<ItemId, ItemHeads, ItemIdHash> items_{8u << 20};
  Recent<std::string, StoredHeads> docs_{4u << 20};
};

// Head rows by item and document; without heads if there is no row.
ItemHeads LoadItem(RowReader& rows, const RowKeys& keys, const ItemId& item);
StoredHeads LoadDoc(RowReader& rows, const RowKeys& keys,
                    std::string_view name_space, std::string_view key);

}  // namespace syncline
