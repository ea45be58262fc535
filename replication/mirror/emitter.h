#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "replication/mirror/base_intents.h"
#include "replication/mirror/base_table.h"
#include "replication/mirror/local_plan.h"
#include "replication/replica.h"

namespace syncline {

// Tells the project what a user did on the disk: one entry for each op, which
// supersedes what Base says the disk showed, and Base's new row in the same
// batch. Where the project shows already what the disk shows, Base accepts it
// and nothing is written; so where the disk shows what this mirror was about to
// make of it.
//
// Base may lag the view (a directory that was renamed elsewhere still has its
// old name here): places are found through the items of Base.
//
// Bound to the replica's executor.
class Emitter {
 public:
  struct Hooks {
    // Disk and view differ at `path` (on disk) now: have it compared.
    std::function<void(const std::string& path)> differs;
    // `path` could not be told; its Base row stays.
    std::function<void(const std::string& path, const absl::Status&)> problem;
    // The record `seq` is fully accounted for by Base.
    std::function<void(Seq)> accounted;
    // All rows given to the log so far are written, or an error: what was
    // emitted did not become durable.
    std::function<void(const absl::Status&)> written;
  };

  // Borrows all; they must outlive it.
  Emitter(Replica& replica, BaseTable& base, const BaseIntents& intents,
          Hooks hooks);

  // Emits in order. The state shows everything when this returns; it is
  // durable once in_flight() is 0 again.
  //   kFailedPrecondition  the replica takes no changes any more
  //   kDataLoss            Base or state cannot be read
  absl::Status Emit(const std::vector<LocalOp>& ops);

  // Batches that are not written yet. Base is unsettled until there are none.
  [[nodiscard]] std::uint64_t in_flight() const { return in_flight_; }

  // Writes rows that belong to no entry.
  void WriteRows(WriteBatch rows, Durability durability);

 private:
  using Rows = std::function<void(const Replica::Committed&, WriteBatch&)>;

  absl::Status One(const LocalOp& op);
  // ---- emit_intended.cc: false if the disk does not show an intent.
  absl::StatusOr<bool> TakeIntended(const LocalOp& op);
  absl::StatusOr<bool> TakeIntendedMoves(
      const std::vector<std::pair<std::string, std::string>>& moves);
  bool TakeIntendedRemoval(const std::string& path);

  absl::Status Create(const LocalOp& op);
  absl::Status Update(const LocalOp& op);
  absl::Status Edit(const LocalOp& op, const BaseEntry& base);
  absl::Status Attributes(const LocalOp& op, BaseEntry base);
  absl::Status Rename(const LocalOp& op);
  absl::Status Cycle(const LocalOp& op);
  absl::Status Retype(const LocalOp& op);
  absl::Status RemoveAll(const std::vector<LocalOp>& ops, std::size_t begin,
                         std::size_t end);
  absl::Status RemoveGroup(const std::vector<std::string>& paths);

  // Base accepts the disk at op's path as `item`, told by `own` if given.
  absl::Status Accept(const LocalOp& op, const ItemId& item,
                      const BaseEntry& disk, const std::optional<Dot>& own,
                      WriteBatch& rows);
  absl::Status Moved(
      const std::vector<std::pair<std::string, std::string>>& moves,
      const std::optional<Dot>& own, WriteBatch& rows);
  // Where the view has, or would have, `path` (on disk); "" if the view has no
  // such parent.
  absl::StatusOr<std::string> FindViewPath(const std::string& path) const;
  // ... where a parent that is gone from the view is made anew: its new child
  // keeps it.
  absl::StatusOr<std::string> ViewPath(const std::string& path);
  // `where`, the view's path of the item that the disk has at `path`, if a
  // change of it concerns nothing but what stands there; "" if it has moved in
  // the view: the disk may have it there too by now, as it was before.
  absl::StatusOr<std::string> AccountedAt(
      const std::string& path, const std::optional<std::string>& where) const;
  absl::StatusOr<bool> Shows(std::string_view view_path, ItemKind kind,
                             const std::string& payload) const;
  // `expected`: the one path that the entry may change; "" if any.
  absl::Status Commit(const std::string& path, std::vector<Effect> effects,
                      const std::string& expected, const Rows& rows);

  Replica& replica_;
  BaseTable& base_;
  const BaseIntents& intents_;
  Hooks hooks_;
  WriteBatch rows_;  // To go with the next batch.
  std::uint64_t in_flight_ = 0;
  absl::Status row_error_;  // From within a rows callback.
  // Held weakly by the callbacks given to the log.
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

// `effects` of several actions as those of one entry: an item is placed once,
// and not at all if it is removed.
std::vector<Effect> JoinEffects(std::vector<Effect> effects);

}  // namespace syncline
