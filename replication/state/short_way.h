#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "replication/state/plain_row.h"
#include "replication/state/state_change.h"

namespace syncline {

// Entries of the usual kinds, applied to rows of the usual form without
// staging anything: a new file at a free name, new content of a file that is
// alone at its name, a new value of a document with at most one. What comes
// out is what StateChange gives, in a fraction of its time.
class ShortWay {
 public:
  // Borrows both; one at a time.
  ShortWay(StateCore& core, const Entry& entry, std::uint64_t arrival);

  // False: take the long way. Changes nothing that shows.
  absl::StatusOr<bool> Plan();
  // Whether the long way found the same.
  [[nodiscard]] bool Agrees(const StateChange& change,
                            const PathDiff& diff) const;
  // After Plan() gave true, and no change since.
  PathDiff Commit();

 private:
  bool PlanEffects();
  bool PlanCreate(const CreateEffect& create, const PlaceEffect& place,
                  const ContentEffect& content);
  bool PlanContent(const ContentEffect& content);
  bool PlanDocument(const DocEffect& document);

  bool IsAlone(HeadRow& row, const PlainFile& file, const ItemId& item);
  bool SetPath(const DirectoryFacts& directory, std::string_view name);
  std::optional<PlainLocation> StoredAs(const Location& at);
  HeadRow* Row();
  [[nodiscard]] PlainHead NewHead(std::uint32_t index) const;
  DigestLanes LanesOfFile(const ItemId& item, const PlainHead& content,
                          const PlainLocation& hint, std::string_view payload,
                          std::string_view attrs);

  StateCore& core_;
  RowReader rows_;
  const Entry& entry_;
  const std::uint64_t arrival_;

  std::string& key_;  // The head row, and what it will be.
  std::string& value_;
  std::string& child_;  // The row `n` that is added; empty: none.
  std::string& attrs_;
  const Location* location_ = nullptr;  // Of a new file.
  const Chain* chain_ = nullptr;        // Whose row may have to be written.
  DigestLanes lanes_{};                 // Of the content, or document.
  HeadDigest digest_;
  RowCounts counts_;
  PathChange change_;
};

}  // namespace syncline
