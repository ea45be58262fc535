#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "replication/state/view_rows.h"

namespace syncline {

// Numbers kept with the rows.
struct RowCounts {
  std::uint64_t items = 0;      // Placed items.
  std::uint64_t made_up = 0;    // Rows `b`.
  std::uint64_t conflicts = 0;  // Slots and documents in open conflict.
  friend bool operator==(const RowCounts&, const RowCounts&) = default;
};

// Values of rows `c` and `e`: several siblings, in open conflict or not.
inline constexpr std::string_view kSeveralOnly{"\0", 1};
inline constexpr std::string_view kOpenConflict{"\1", 1};

// One side of a change: the rows before it, or after it.
struct ViewSide {
  TreeView* tree;
  ViewRows* view;
};

// Rows of slots, directories and documents that a change touched. A row that
// only one side has is missing in the other.
struct VisibleRows {
  std::map<std::string, Row> paths;
  std::map<std::pair<std::string, std::string>, Row> docs;
};

// From what placement touched, finds everything that may look different now,
// and brings the rows that depend on whole names (`b`, `c`, `e`) up to date.
// See README.md, "Names".
class RowChanges {
 public:
  // Borrows all of it. `before` reads the rows without the change, `after`
  // those of `rows`. `touched` grows.
  RowChanges(const ViewSide& before, const ViewSide& after, RowWriter& rows,
             RowCounts& counts, Touched& touched)
      : sides_{before, after},
        rows_(rows),
        counts_(counts),
        touched_(touched) {}

  void Run();

  [[nodiscard]] const VisibleRows& before() const { return visible_[0]; }
  [[nodiscard]] const VisibleRows& after() const { return visible_[1]; }
  // The directories that moved, came or went, and all that were or are merged
  // with one of them.
  [[nodiscard]] const std::set<ItemId>& directories() const {
    return directories_;
  }

 private:
  enum Which { kBefore, kAfter };
  using Name = std::pair<ItemId, std::string>;
  using Rows = std::map<std::string, std::string>;  // Key -> value.

  void TouchRanked();
  void FindMerged();
  void ExpandMerged(Which which, const ClassPtr& merged);
  void TouchShared(Which which, const ClassPtr& merged,
                   std::vector<ClassPtr>& below);
  void Close();
  void UpdateMadeUp();
  void ShowRows(Which which, Rows& several);
  void ShowDocs(Which which, Rows& several);
  void Replace(const Rows& before, const Rows& after, std::uint64_t& count);
  const NameGroup& Group(Which which, const ClassPtr& parent,
                         const std::string& name);

  std::array<ViewSide, 2> sides_;
  RowWriter& rows_;
  RowCounts& counts_;
  Touched& touched_;
  std::set<ItemId> directories_;
  std::array<std::set<ItemId>, 2> expanded_;  // Smallest ids of classes.
  std::array<std::map<Name, NameGroup>, 2> groups_;
  std::array<VisibleRows, 2> visible_;
};

}  // namespace syncline
