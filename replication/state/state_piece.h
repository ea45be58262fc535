#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "kv/store.h"
#include "replication/state/head_codec.h"
#include "replication/state/row_keys.h"

namespace syncline {

// A state in pieces, as it goes from node to node: PIECES.md.

// A piece as it is sent.
struct StatePiece {
  std::string bytes;
  std::string last_key;  // Of its last row: the next piece is behind it.
  std::uint64_t rows = 0;
  bool end = false;  // Nothing is behind it.
};

// Cuts the heads of a project, as rows in the store have them, into pieces in
// the order of their keys. Borrows all; thread-compatible.
class StateReader {
 public:
  StateReader(const Store& store, ProjectNumber project,
              const StoreSnapshot* snapshot)
      : store_(store), project_(project), snapshot_(snapshot) {}

  // The rows behind `after` ("" for the first), at most about `bytes_max` but
  // one row always.
  //   kDataLoss  a row that cannot be read
  [[nodiscard]] absl::StatusOr<StatePiece> Next(std::string_view after,
                                                std::size_t bytes_max) const;

 private:
  const Store& store_;
  const ProjectNumber project_;
  const StoreSnapshot* const snapshot_;
};

// All that is live of one item or document.
struct StateRow {
  std::string key;             // Behind the project, in column kHeads.
  std::optional<ItemId> item;  // Nothing: a document.
  DocKey doc;
  ItemHeads heads;        // Of an item.
  StoredHeads doc_heads;  // Of a document.
};
// By itself (rule T1).
bool IsAlive(const ItemId& item, const ItemHeads& heads);

// What a piece holds; the bytes may be anything. Rows are ascending, behind
// `after`, and each could have been made by entries that `frontier` covers.
struct DecodedPiece {
  std::vector<StateRow> rows;
  // Hash -> bytes of the ancestor chains that the rows name.
  std::vector<std::pair<Hash, std::string_view>> chains;
};
//   kInvalidArgument  it is not what a peer that follows the rules sends
absl::StatusOr<DecodedPiece> DecodePiece(std::string_view bytes,
                                         std::string_view after,
                                         const VersionVector& frontier);

}  // namespace syncline
