#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/hash.h"
#include "base/random.h"
#include "clock/dot.h"
#include "clock/version_vector.h"
#include "kv/keys.h"
#include "kv/store.h"
#include "log/chain_head.h"

namespace syncline {

class CommitQueue;
class Subscription;
enum class Visibility : unsigned char;

// A position in one node's log of one project: 1, 2, 3, ...; 0 is before the
// first record.
struct Seq {
  std::uint64_t value = 0;
  [[nodiscard]] Seq next() const { return {value + 1}; }
  friend bool operator==(Seq, Seq) = default;
  friend auto operator<=>(Seq, Seq) = default;
};

// Drawn at random when a log is created. A subscriber resumes with
// {log id, seq}; a seq alone means nothing once a log has been recreated.
struct LogId {
  std::string bytes;  // 16 bytes.
  friend bool operator==(const LogId&, const LogId&) = default;
};

enum class Durability : std::uint8_t {
  kDurable,   // Acknowledged once it survives loss of power.
  kBuffered,  // Acknowledged once it survives the death of this process.
};

// What is to be appended: an encoded entry and the path changes it caused. A
// joined state changes paths without an entry: then dot and entry are empty.
struct Draft {
  Dot dot;
  std::string_view entry;    // Flat Cap'n Proto message, stored as it is.
  std::string_view changes;  // EncodePathChanges().
  // ChainOf() its origin with it, where the caller has worked that out.
  std::optional<Hash> chain = {};
  std::int64_t joined_ms = 0;  // Wall clock; only without an entry.
};

// A record as read; the views live as long as the reader stays on it.
struct RecordView {
  Seq seq;
  Dot dot;                     // Counter 0: joined().
  std::int64_t joined_ms = 0;  // When, if joined().
  std::string_view stored;     // The whole record, as it is stored.
  std::string_view frame;    // Length, checksum, entry: the bytes on the wire.
  std::string_view entry;    // The entry's message within `frame`.
  std::string_view changes;  // EncodePathChanges().

  // Changes that came with another node's state, without an entry.
  [[nodiscard]] bool joined() const { return entry.empty(); }
};

// Explicit answers to a position that cannot be read from.
enum class CursorState : std::uint8_t {
  kValid,
  kBehindHorizon,  // Truncated away: take a snapshot, then subscribe.
  kInvalid,        // Of another log, or beyond the head.
};

// The append log of one project, kept in a Store. Format: log/FORMAT.md.
//
// Order       Records are numbered 1, 2, 3, ... without holes, also after
//             everything was truncated and after a restart; a record never
//             changes.
// Group       Appends made in one turn of the executor, or while the disk is
//             busy, are written together, those to all logs of the store: one
//             batch, one fsync (log/commit_queue.h).
// Durability  As asked for, see Durability. Readers and subscribers see a
//             record only when it is durable.
// Fail-stop   After a failed write the outcome on disk is unknown: appends that
//             wait fail with its error, later ones are refused, health() keeps
//             the error; reads go on. Logs that had something in the same
//             batch, or wait for the same sync, stop with it; others do not.
//             Recover by destroying the log and opening it again.
//
// Bound to the executor of its queue: call it only from there; callbacks come
// there, one after the other, never from within a call. A callback may destroy
// the log. Reader may be used on any thread. A flush under way counts as work
// of the executor: run() returns only behind it.
class AppendLog final {
 public:
  struct Options {
    std::size_t draft_bytes_max = 4u << 20;
    std::size_t append_drafts_max = 4096;
    // Of memory for the newest records, while there are subscriptions.
    std::size_t tail_cache_bytes = 4u << 20;
  };

  struct ReadOptions {
    Seq since = {};                 // Exclusive; horizon() for all there is.
    std::optional<Seq> until = {};  // Inclusive; the durable seq at most.
    bool reverse = false;           // From `until` down to after `since`.
  };

  // Walks records over a pinned view of the log. Views are valid until
  // Next(). Thread-compatible; must not outlive the log.
  class Reader {
   public:
    virtual ~Reader() = default;
    [[nodiscard]] virtual bool Valid() const = 0;
    [[nodiscard]] virtual const RecordView& record() const = 0;
    virtual void Next() = 0;
    //   kDataLoss  a hole, or a checksum that does not match; the message
    //              names project and seq
    //   kNotFound  `since` is below the horizon
    [[nodiscard]] virtual absl::Status status() const = 0;
  };

  // Woken, on the log's executor, after the durable seq moved (at most once
  // per group). Destruction cancels: no call comes after it.
  class Waiter {
   public:
    virtual ~Waiter() = default;
  };

  // What an append gave.
  struct Appended {
    Seq first;
    Seq last;
  };
  using AppendDone = std::function<void(absl::StatusOr<Appended>)>;

  // Adds to `batch` the row that makes an empty log of `project`, for whoever
  // makes more than that at once. The store must have none.
  static void Create(ProjectNumber project, RandomSource& random,
                     WriteBatch& batch);

  // Opens the log of `project`, creating it if `store` has none. Blocks while
  // it reads its rows. Borrows `commits`, the queue of all logs of its store,
  // which must outlive the log.
  //   kDataLoss            the log's rows contradict each other
  //   kFailedPrecondition  written by a newer version of this program
  //   other                the store cannot be read or written
  static absl::StatusOr<std::unique_ptr<AppendLog>> Open(
      CommitQueue& commits, ProjectNumber project, RandomSource& random,
      const Options& options);

  // Waits for the flush under way, if any. Appends that were not acknowledged
  // may be lost. No callback comes after it.
  ~AppendLog();
  AppendLog(const AppendLog&) = delete;
  AppendLog& operator=(const AppendLog&) = delete;

  // Appends all of `drafts` or none, in order; what they view is copied within
  // the call. `rows` are written in the same batch (state that must change
  // with the log). Seqs are given out at the
  // call: next() .. next() + drafts.size() - 1. An empty list answers with
  // the current head and writes `rows` only.
  //   kInvalidArgument     a draft is over a limit in Options, or its dot is
  //                        not the next of its origin: nothing changed
  //   kFailedPrecondition  an earlier write failed; health() has its error
  //   other                this write failed (see Store::Write)
  void Append(std::span<const Draft> drafts, const WriteBatch& rows,
              Durability durability, AppendDone done);

  // Appends `last`, a record without an entry, and in the same batch raises the
  // log to `theirs`, where that is more: frontier, chain hashes, and
  // truncated(), because their entries are not here. `done` comes when it is
  // durable; until then append no entries.
  //   kInvalidArgument  `last` has an entry, or too many origins
  //   other             as Append()
  void AppendJoin(const Draft& last, std::span<const ChainHead> theirs,
                  const WriteBatch& rows, AppendDone done);

  // Drops the records up to `through` and remembers per origin how far. Doing
  // it twice is harmless. Open readers keep what they see. Blocks on the disk,
  // the longer the more runs and origins are dropped.
  //   kInvalidArgument     `through` is beyond durable()
  //   kUnavailable         a join is not durable yet
  //   kFailedPrecondition  an earlier write failed
  //   other                this write failed: appends are refused, see above
  absl::Status TruncateThrough(Seq through);

  // A position that Check() does not call valid gives a reader with kNotFound
  // (behind the horizon) or no records (beyond durable()).
  [[nodiscard]] std::unique_ptr<Reader> Read(const ReadOptions& options) const;
  [[nodiscard]] CursorState Check(const LogId& log, Seq since) const;
  // A cursor behind `since` (log/subscription.h). `on_ready` is called on the
  // log's executor, never from within a call of the subscription.
  [[nodiscard]] std::unique_ptr<Subscription> Subscribe(
      Seq since, Visibility visibility, std::function<void()> on_ready);
  [[nodiscard]] std::unique_ptr<Waiter> Wait(std::function<void()> on_durable);

  // Seq of an entry that this log holds; nothing if it was never appended, was
  // truncated, or came by a snapshot.
  [[nodiscard]] absl::StatusOr<std::optional<Seq>> Find(const Dot& dot) const;
  // SHA-256 over the entries of `origin` up to the highest counter appended:
  // h(n) = SHA-256(h(n-1) || entry bytes), h(0) = 32 zeros.
  [[nodiscard]] Hash ChainOf(const Origin& origin) const;
  // ... up to the dot's counter, from the last truncated one on. Reads up to
  // 1024 records.
  //   kNotFound  truncated, or not reached yet
  [[nodiscard]] absl::StatusOr<Hash> ChainAt(const Dot& dot) const;

  [[nodiscard]] const LogId& id() const;
  [[nodiscard]] Seq head() const;     // Last given out.
  [[nodiscard]] Seq durable() const;  // Last that survives loss of power.
  [[nodiscard]] Seq horizon() const;  // Last truncated; 0 if none.
  // Highest counter of each origin appended, and the part of it that is
  // durable.
  [[nodiscard]] const VersionVector& frontier() const;
  [[nodiscard]] const VersionVector& durable_frontier() const;
  // Highest counter of each origin truncated away, or never here.
  [[nodiscard]] const VersionVector& truncated() const;
  // OK, or why appends are refused.
  [[nodiscard]] absl::Status health() const;

 private:
  struct Impl;
  explicit AppendLog(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace syncline
