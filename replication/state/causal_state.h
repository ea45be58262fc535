#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/hash.h"
#include "clock/hybrid_clock.h"
#include "clock/version_vector.h"
#include "kv/keys.h"
#include "kv/store.h"
#include "log/entry.h"
#include "log/path_change.h"
#include "replication/state/row.h"

namespace syncline {

struct StatePart;

enum class ApplyOutcome : std::uint8_t {
  kApplied,
  kVoid,       // Counted, but breaks a rule: no effect anywhere.
  kDuplicate,  // Known already. Nothing changed.
  kGap,        // Skips entries of its origin: the sender is broken.
  kCausality,  // Its context is not covered: the sender is broken.
};

// The causal state of one project: registers with live heads, one frontier,
// and the visible tree, which is a pure function of the live heads.
//
// Deterministic   Equal frontiers give equal registers, views and digests, on
//                 every node, whatever order entries came in.
// Incremental     A change costs what it touches: depth, and the children of
//                 directories that die or merge.
// Lazy            Changed rows live in memory until TakeFlush() hands them
//                 out; what the rows in the store lack after a crash is
//                 applied again from the log (Replay).
//
// Reads no clock, draws no random number, starts no thread. Bound to one
// thread at a time; const calls read the store and may block on it. After a
// status other than the documented ones the state must be opened again.
// Paths are relative, without a leading '/'; "" is the root.
class CausalState {
 public:
  struct Options {
    bool check_rebuild = false;    // Compare with a full rebuild every time.
    bool check_short_way = false;  // Go the long way too, and compare.
    // Bounds the unchanged heads of items and documents that are remembered.
    std::size_t head_bytes_max = 16u << 20;
  };

  struct Applied {
    ApplyOutcome outcome = ApplyOutcome::kApplied;
    std::string void_reason;          // kVoid.
    std::vector<PathChange> changes;  // In a useful order: parents first.
    // Rows (paths, or "doc:<namespace>/<key>") that the entry left as open
    // conflicts among those it touched.
    std::vector<std::string> open_conflicts;
  };

  // Everything that a joining replica needs: see Join.
  struct Snapshot {
    VersionVector frontier;
    std::vector<std::pair<RegisterId, Head>> heads;  // Any order.
  };

  // Opens the rows of `project`; `self` mints new entries. `frontier` is that
  // of the log: what the rows lack must then be given to Replay() in order,
  // before anything else. Borrows `store`.
  //   kDataLoss  rows that cannot be read
  static absl::StatusOr<std::unique_ptr<CausalState>> Open(
      Store& store, ProjectNumber project, const Origin& self,
      VersionVector frontier, const Options& options);

  virtual ~CausalState() = default;

  // ---- entries
  // Why an entry is void (decided from the entry alone), or nothing.
  static std::optional<std::string> Violation(const Entry& entry);

  // Rules A1 to A5. `arrival` is the seq its record will have. kGap,
  // kCausality and kDuplicate change nothing.
  virtual absl::StatusOr<Applied> Apply(const Entry& entry,
                                        std::uint64_t arrival,
                                        std::int64_t now_ms) = 0;
  // The same for an entry of which Violation() found nothing.
  virtual absl::StatusOr<Applied> ApplyValid(const Entry& entry,
                                             std::uint64_t arrival,
                                             std::int64_t now_ms) = 0;
  // An entry of the log's tail after a crash: the frontier covers it already.
  // `now_ms` says which stamps the clock believes, as in Apply().
  //   kInvalidArgument  the frontier does not cover it
  virtual absl::Status Replay(const Entry& entry, std::uint64_t arrival,
                              std::int64_t now_ms) = 0;

  // Installs another replica's state (rule X4); idempotent. The changes are
  // those of all items that it touched.
  virtual absl::StatusOr<Applied> Join(const Snapshot& theirs,
                                       std::uint64_t arrival,
                                       std::int64_t now_ms) = 0;
  virtual absl::StatusOr<Snapshot> TakeSnapshot() const = 0;
  // The same part by part (staged_state.h), for states of any size: the
  // registers of `part` under the frontier `theirs`, which only FinishJoin()
  // takes over. Until then there are heads that the frontier does not cover,
  // so nothing else may change the state; one that was cut short is done again
  // from the start, with the same `arrival`.
  virtual absl::StatusOr<Applied> JoinPart(const StatePart& part,
                                           const VersionVector& theirs,
                                           std::uint64_t arrival,
                                           std::int64_t now_ms) = 0;
  virtual void FinishJoin(const VersionVector& theirs) = 0;

  // The entry that `effects` become when committed now: next dot of `self`,
  // the frontier as context, the clock ticked. Changes nothing; give it to
  // Apply() at once.
  [[nodiscard]] virtual Entry MakeEntry(std::vector<Effect> effects,
                                        std::string cause,
                                        std::int64_t now_ms) const = 0;

  // The same for an entry of nothing but events, MakeEntry() and Apply() in
  // one: no effect of it is kept. Its context is the frontier before.
  struct Stamp {
    Dot dot;
    Hlc hlc;
  };
  virtual Stamp StampEvents(std::int64_t now_ms) = 0;

  [[nodiscard]] virtual const Origin& self() const = 0;
  // New entries are those of `self` from now on.
  virtual void TakeSelf(const Origin& self) = 0;
  [[nodiscard]] virtual const VersionVector& frontier() const = 0;
  [[nodiscard]] virtual Hlc hlc() const = 0;
  // Equal on two replicas exactly when their registers are (a set hash over
  // the live heads, kept up to date).
  [[nodiscard]] virtual Hash Digest() const = 0;
  // Visible items: files and symlinks, merged ones each, and directories once
  // per id. Kept up to date, as is the number of rows in open conflict.
  [[nodiscard]] virtual std::uint64_t item_count() const = 0;
  [[nodiscard]] virtual std::uint64_t conflict_count() const = 0;

  // ---- the view
  // The row at `path`; nothing if there is none. The root is a directory row
  // with the item kRoot.
  virtual absl::StatusOr<std::optional<Row>> Lookup(
      std::string_view path) const = 0;
  // Children of directory `path` by name (bytewise), from after `after`, at
  // most `limit`.
  //   kNotFound            no such row
  //   kFailedPrecondition  not a directory
  virtual absl::StatusOr<std::vector<std::pair<std::string, Row>>> List(
      std::string_view path, std::string_view after,
      std::size_t limit) const = 0;
  // The path that shows `item`; nothing if it is not alive.
  virtual absl::StatusOr<std::optional<std::string>> PathOf(
      const ItemId& item) const = 0;
  virtual absl::StatusOr<std::optional<Row>> LookupDoc(
      std::string_view name_space, std::string_view key) const = 0;
  virtual absl::StatusOr<std::vector<std::pair<std::string, Row>>> ListDocs(
      std::string_view name_space, std::string_view key_prefix) const = 0;
  // Documents by namespace and key, at most `limit`, from (name_space, key) on;
  // `behind`: that one left out.
  struct DocRow {
    std::string name_space;
    std::string key;
    Row row;
  };
  virtual absl::StatusOr<std::vector<DocRow>> ListDocsFrom(
      std::string_view name_space, std::string_view key, bool behind,
      std::size_t limit) const = 0;
  // All open conflicts, sorted: paths, and "doc:<namespace>/<key>".
  virtual absl::StatusOr<std::vector<std::string>> Conflicts() const = 0;

  // A token of `path` (rule G4): in an open conflict of the shown value only,
  // unless `all_siblings`. Nothing if there is no row.
  virtual absl::StatusOr<std::optional<Token>> Read(
      std::string_view path, bool all_siblings) const = 0;

  // ---- what edits by path need
  // Where a new item at `path` goes (rule P3).
  //   kNotFound         no parent directory
  //   kInvalidArgument  an illegal name, or too deep
  virtual absl::StatusOr<Location> Locate(std::string_view path) const = 0;
  // Where the view has `item` (after cycles were broken, under its own name
  // and not a made-up one); nothing if it is not alive.
  virtual absl::StatusOr<std::optional<Location>> LocationOf(
      const ItemId& item) const = 0;
  // The directory that is shown at the root because `item` and it lie on one
  // cycle of parents; nothing if `item` lies on none.
  virtual absl::StatusOr<std::optional<ItemId>> ShownAtRootFor(
      const ItemId& item) const = 0;

  // Live heads of one register, by dot.
  virtual absl::StatusOr<std::vector<Head>> Heads(
      const RegisterId& reg) const = 0;

  // ---- the write-back view
  // Rows changed since the last call, sorted, with the mark `covered`: the
  // seq of the last record applied. Write them as one batch, behind the
  // records they cover, then call FlushWritten(); until then they are still
  // read from memory. What is lost with a crash is replayed.
  // Requires (checked): no other flush is under way.
  [[nodiscard]] virtual WriteBatch TakeFlush(std::uint64_t covered) = 0;
  virtual void FlushWritten() = 0;
  // Bytes of memory that changed rows hold.
  [[nodiscard]] virtual std::size_t dirty_bytes() const = 0;
  // Seq that the rows in the store covered when they were opened; Replay
  // starts behind it.
  [[nodiscard]] virtual std::uint64_t flushed() const = 0;
};

}  // namespace syncline
