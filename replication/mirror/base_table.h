#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kv/keys.h"
#include "kv/store.h"
#include "log/append_log.h"
#include "log/entry.h"
#include "replication/mirror/disk_entry.h"
#include "replication/state/causal_state.h"

namespace syncline {

// What a mirror last wrote to, or accepted from, the disk at one path.
struct BaseEntry {
  ItemKind kind = ItemKind::kFile;
  Fingerprint fingerprint;  // Of the disk when it was written or accepted.
  std::string payload;      // Not for directories.
  Attrs attrs;              // As the disk shows them ("exec", "mtime").
  std::string token;        // EncodeToken(): exactly what the disk showed.
  friend bool operator==(const BaseEntry&, const BaseEntry&) = default;
};

// The part of a BaseEntry that a scan compares.
struct BaseStat {
  ItemKind kind = ItemKind::kFile;
  Fingerprint fingerprint;
};

// Base: what one mirror last wrote to or accepted from the disk, by path, with
// the mirror's position in the log and the paths it still owes the disk. Rows
// of Column::kMirror; format: replication/mirror/README.md.
//
// Order  Walks give a directory before what is in it, and all of that before
//        its next sibling; siblings bytewise. (The order of PathKey().)
// Reads  see what was put, also before its batch is written: changes go to the
//        caller's batch and to an overlay, which Settle() drops once all those
//        batches were written.
//
// Bound to one thread, except Stats(). Paths are relative; "" is the root.
class BaseTable {
 public:
  // How far the log's changes have reached the disk.
  struct Cursor {
    LogId log;
    Seq seq;
    friend bool operator==(const Cursor&, const Cursor&) = default;
  };

  // Opens the Base of mirror `id`, empty if there is none. Borrows `store`.
  //   kDataLoss  rows that cannot be read
  static absl::StatusOr<std::unique_ptr<BaseTable>> Open(Store& store,
                                                         ProjectNumber project,
                                                         std::uint32_t id);
  // Adds the removal of all rows of mirror `id` to `rows`.
  static void Erase(ProjectNumber project, std::uint32_t id, WriteBatch& rows);

  // Adds to `rows` what changes in the Base of mirror `id` when heads and items
  // are called otherwise, as `map` says. The mirror must not be open.
  //   kDataLoss  rows that cannot be read
  static absl::Status MapTokens(const Store& store, ProjectNumber project,
                                std::uint32_t id,
                                const std::function<Token(const Token&)>& map,
                                WriteBatch& rows);

  BaseTable(const BaseTable&) = delete;
  BaseTable& operator=(const BaseTable&) = delete;

  //   kDataLoss  a row that cannot be read (also of Walk and MoveTrees)
  absl::StatusOr<std::optional<BaseEntry>> Get(std::string_view path) const;
  // `path` and all below it, in order, until `visit` returns false.
  absl::Status Walk(std::string_view path,
                    const std::function<bool(const std::string&,
                                             const BaseEntry&)>& visit) const;

  void Put(std::string_view path, const BaseEntry& entry, WriteBatch& rows);
  void Remove(std::string_view path, WriteBatch& rows);
  // Moves each first path, with all below it, to its second, all at once; what
  // was there and does not move is dropped.
  absl::Status MoveTrees(
      const std::vector<std::pair<std::string, std::string>>& moves,
      WriteBatch& rows);

  // Entries, the root's not counted.
  [[nodiscard]] std::uint64_t size() const { return size_; }

  // The random name of this mirror, which its root is marked with, and whether
  // it was. "" if this Base is new.
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] bool attached() const { return attached_; }
  void SetName(const std::string& name, bool attached, WriteBatch& rows);

  // Nothing until the first SetCursor: this Base is new.
  [[nodiscard]] const std::optional<Cursor>& cursor() const { return cursor_; }
  void SetCursor(const Cursor& cursor, WriteBatch& rows);

  // The digest of the rules under which all of it was compared with the project
  // (IgnoreMap::Digest()); no digest if it has to be.
  [[nodiscard]] const std::string& rules() const { return rules_; }
  void SetRules(const std::string& digest, WriteBatch& rows);

  // Paths whose Target could not be put on the disk yet.
  [[nodiscard]] const std::map<std::string, bool>& pending() const {
    return pending_;
  }
  // `whole`: with all that is below it.
  void AddPending(const std::string& path, bool whole, WriteBatch& rows);
  void RemovePending(const std::string& path, WriteBatch& rows);

  // All batches that were given to this object are written.
  void Settle() { overlay_.clear(); }
  [[nodiscard]] bool settled() const { return overlay_.empty(); }

  // Walks kind and fingerprint of `path` and all below it (with `whole`), or
  // of `path` and its direct children only, until `visit` returns false. Reads
  // the store alone: for a worker thread, while this object is settled and not
  // changed.
  absl::Status Stats(std::string_view path, bool whole,
                     const std::function<bool(const std::string&,
                                              const BaseStat&)>& visit) const;

 private:
  BaseTable(Store& store, std::string prefix)
      : store_(store), prefix_(std::move(prefix)) {}
  absl::Status Load();
  void Set(std::string key, std::optional<std::string> value, WriteBatch& rows);
  bool Holds(const std::string& key) const;

  Store& store_;
  std::string prefix_;  // Of all rows of this mirror.
  std::uint64_t size_ = 0;
  std::string name_;
  bool attached_ = false;
  std::optional<Cursor> cursor_;
  std::string rules_;
  std::map<std::string, bool> pending_;
  std::map<std::string, std::optional<std::string>> overlay_;  // By key.
};

// The form kept in a row.
//   kDataLoss  malformed
std::string EncodeBaseEntry(const BaseEntry& entry);
absl::StatusOr<BaseEntry> DecodeBaseEntry(std::string_view bytes);
absl::StatusOr<BaseStat> DecodeBaseStat(std::string_view bytes);

}  // namespace syncline
