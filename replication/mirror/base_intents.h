#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kv/keys.h"
#include "kv/store.h"
#include "replication/mirror/base_table.h"

namespace syncline {

// What a batch of changes is about to make of the disk, beside Base: who dies
// between a change and Base's row for it would take the change for a user's,
// and tell it as an edit of what Base still has. Rows of Column::kMirror;
// format: replication/mirror/README.md.
//
// A row stands for one batch. It must be durable before the disk is changed,
// and goes with the rows that Base gets for the batch. Bound to one thread.
class BaseIntents {
 public:
  // By path; nothing where nothing will stand. A batch may change a path
  // several times.
  using Paths = std::multimap<std::string, std::optional<BaseEntry>>;

  // Those of mirror `id` whose batches did not come to their end. Borrows
  // `store`.
  //   kDataLoss  rows that cannot be read
  static absl::StatusOr<std::unique_ptr<BaseIntents>> Open(
      const Store& store, ProjectNumber project, std::uint32_t id);
  // See BaseTable::MapTokens, which calls this.
  static absl::Status MapTokens(const Store& store, ProjectNumber project,
                                std::uint32_t id,
                                const std::function<Token(const Token&)>& map,
                                WriteBatch& rows);

  // The number of the batch, for End().
  std::uint64_t Begin(Paths paths, WriteBatch& rows);
  void End(std::uint64_t batch, WriteBatch& rows);

  // What `fits` of what was intended for `path`; null if nothing does. Valid
  // until the object changes.
  [[nodiscard]] const BaseEntry* Find(
      const std::string& path,
      const std::function<bool(const BaseEntry&)>& fits) const;
  // Whether nothing was to stand at `path` at some time.
  [[nodiscard]] bool Removes(const std::string& path) const;

  // The disk was looked at: forgets all but the paths that `keep` names.
  void Forget(const std::function<bool(const std::string& path)>& keep,
              WriteBatch& rows);
  [[nodiscard]] bool empty() const { return batches_.empty(); }

 private:
  explicit BaseIntents(std::string prefix) : prefix_(std::move(prefix)) {}

  const std::string prefix_;  // Of the rows.
  std::map<std::uint64_t, Paths> batches_;
  std::uint64_t next_ = 1;
};

// The first byte behind project and mirror in the key of a row of these.
inline constexpr char kIntentTag = 'i';

}  // namespace syncline
