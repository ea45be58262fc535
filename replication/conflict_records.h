#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/hash.h"
#include "kv/store.h"
#include "log/append_log.h"
#include "log/path_change.h"
#include "replication/state/causal_state.h"

namespace syncline {

// One of the values in conflict.
struct ConflictSide {
  Dot version;
  std::int64_t time_ms = 0;      // By its author's clock.
  std::optional<ItemKind> kind;  // Nothing for a document.
  std::uint64_t size = 0;
  Hash hash;               // Of a file's content or a document.
  bool automatic = false;  // Made by a strategy.
  friend bool operator==(const ConflictSide&, const ConflictSide&) = default;
};

ConflictSide DescribeSide(const Sibling& sibling);

// A conflict as this node's log saw it.
struct ConflictRecord {
  // How it ended.
  struct Resolution {
    Seq seq;
    Dot by;                      // The entry; its origin tells the device.
    std::string cause;           // "user", or "auto:<strategy>...".
    std::optional<Dot> version;  // Shown from then on; nothing: removed.
    friend bool operator==(const Resolution&, const Resolution&) = default;
  };

  Seq seq;           // The record with which it came up.
  std::string path;  // Then; or "doc:<namespace>/<key>".
  RegisterId reg;    // Of its history: the shown item's content, a document.
  std::vector<ConflictSide> sides;  // By version; all there ever were.
  std::optional<Resolution> resolution;
  friend bool operator==(const ConflictRecord&,
                         const ConflictRecord&) = default;
};

// The conflicts of a project, open and resolved, as long as the log has the
// record that ended them. Local: on another node the same conflict has other
// seqs, and may never have shown. Rows: replication/project_rows.h.
//
// Bound to the replica's executor.
class ConflictRecords {
 public:
  // Borrows `store`.
  // `state` says what is open, whatever rows say.
  //   kDataLoss  rows that cannot be read
  static absl::StatusOr<std::unique_ptr<ConflictRecords>> Open(
      Store& store, ProjectNumber project, const CausalState& state);

  // Notes what a record did, after it was applied: `rows` go with it.
  struct Cause {
    Seq seq;
    Dot dot;
    std::string_view text;
  };
  absl::Status Note(const CausalState& state, const Cause& cause,
                    const std::vector<PathChange>& changes,
                    const std::vector<std::string>& open_conflicts,
                    WriteBatch& rows);
  // Rows of conflicts that ended at or before `horizon` go.
  absl::Status Prune(Seq horizon, WriteBatch& rows);

  // The open conflict at `path`.
  [[nodiscard]] const ConflictRecord* OpenAt(std::string_view path) const;
  // That which record `seq` made or ended at `path`, once the record is
  // written; nothing if there is none or it was pruned.
  absl::StatusOr<std::optional<ConflictRecord>> At(Seq seq,
                                                   std::string_view path) const;
  // Those that ended behind `horizon`, by the seq with which they came up, from
  // behind `after` on; `limit` or, of the last record, a few more.
  absl::StatusOr<std::vector<ConflictRecord>> Resolved(Seq horizon, Seq after,
                                                       std::size_t limit) const;

 private:
  ConflictRecords(Store& store, ProjectNumber project)
      : store_(store), project_(project) {}
  absl::Status Load(const CausalState& state);
  absl::Status TakeOpen(const CausalState& state, const Cause& cause,
                        const std::string& path, WriteBatch& rows);
  void TakeRename(const std::string& from, const std::string& to);
  absl::Status TakeEnd(const CausalState& state, const Cause& cause,
                       const std::string& path, WriteBatch& rows);
  absl::Status LookBelow(const CausalState& state, const Cause& cause,
                         const std::string& path, WriteBatch& rows);

  Store& store_;
  ProjectNumber project_;
  std::map<std::string, ConflictRecord, std::less<>> open_;  // By path now.
};

}  // namespace syncline
