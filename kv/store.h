#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace syncline {

// The column families of a node's store. Key layout: kv/keys.h.
enum class Column : std::uint8_t {
  kMeta,      // Identity, format version.
  kProjects,  // Per project: frontier, log head and horizon, settings.
  kLog,       // (project, seq) -> record.
  kDots,      // (project, origin, first counter of a run) -> seq, chain hash.
  kHeads,     // Live heads of registers.
  kTree,      // Placement rows of the view.
  kChains,    // Hash -> ancestor chain, stored once.
  kMirror,    // Base rows of folder mirrors.
  kChunks,    // Hash -> small chunk, or mark of a chunk file.
  kPeers,     // Known devices, invitations, cursors.
};
inline constexpr std::size_t kColumnCount = 10;

// Writes that take effect together or not at all, in the order they were
// added: one flat buffer. A value; thread-compatible.
class WriteBatch {
 public:
  // Views into the batch, valid until it changes.
  struct Op {
    enum class Kind : std::uint8_t { kPut, kDelete, kDeleteRange } kind;
    Column column;
    std::string_view key;
    std::string_view value;  // kDeleteRange: the end of the range, exclusive.
  };

  // Of the operations, in order.
  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Op;
    using difference_type = std::ptrdiff_t;
    using pointer = const Op*;
    using reference = Op;

    explicit Iterator(const char* at) : at_(at) {}
    Op operator*() const;
    Iterator& operator++();
    friend bool operator==(const Iterator&, const Iterator&) = default;

   private:
    const char* at_;
  };

  void Put(Column column, std::string_view key, std::string_view value);
  void Delete(Column column, std::string_view key);
  // Deletes the keys in [begin, end): none if `end` is not above `begin`.
  void DeleteRange(Column column, std::string_view begin, std::string_view end);
  // Adds the operations of `other`.
  void Append(const WriteBatch& other);
  void Append(WriteBatch&& other);  // Not copied if this is empty.
  // Makes room for so many bytes().
  void Reserve(std::size_t bytes) { buffer_.reserve(bytes); }
  // How far a batch has come: `begin` and `end` of some of its operations.
  struct Mark {
    std::size_t bytes = 0;
    std::size_t size = 0;
  };
  [[nodiscard]] Mark mark() const { return {buffer_.size(), size_}; }
  void Append(const WriteBatch& other, const Mark& begin, const Mark& end);
  // Keeps the memory for what comes next.
  void Clear();

  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::size_t size() const { return size_; }  // Operations.
  [[nodiscard]] Iterator begin() const { return Iterator(buffer_.data()); }
  [[nodiscard]] Iterator end() const {
    return Iterator(buffer_.data() + buffer_.size());
  }
  // Of memory: keys, values and what separates them.
  [[nodiscard]] std::size_t bytes() const { return buffer_.size(); }

 private:
  void Add(Op::Kind kind, Column column, std::string_view key,
           std::string_view value);

  std::string buffer_;  // {kind, column, key length, value length}, key, value.
  std::size_t size_ = 0;
};

// A consistent view of a store; releasing it (destruction) lets old data go.
// Must not outlive the store.
class StoreSnapshot {
 public:
  virtual ~StoreSnapshot() = default;
};

// Walks one column in key order, over the data as of its creation (or of the
// snapshot it was given). Starts invalid: call a Seek first. Views are valid
// until the next move. Thread-compatible; must not outlive the store.
class StoreIterator {
 public:
  virtual ~StoreIterator() = default;
  virtual void SeekToFirst() = 0;
  virtual void SeekToLast() = 0;
  virtual void Seek(std::string_view key) = 0;         // First key >= `key`.
  virtual void SeekForPrev(std::string_view key) = 0;  // Last key <= `key`.
  virtual void Next() = 0;
  virtual void Prev() = 0;
  // False at either end of the bounds, and after a failure: check status().
  [[nodiscard]] virtual bool Valid() const = 0;
  [[nodiscard]] virtual std::string_view key() const = 0;
  [[nodiscard]] virtual std::string_view value() const = 0;
  //   kDataLoss  a block of the store does not match its checksum
  [[nodiscard]] virtual absl::Status status() const = 0;
};

struct IterateOptions {
  std::string lower_bound;  // Inclusive; empty: from the first key.
  std::string upper_bound;  // Exclusive; empty: to the last key.
  const StoreSnapshot* snapshot = nullptr;
  bool fill_cache = true;  // False for long scans.
};

// An ordered key-value store with column families: the seam between Syncline
// and the disk.
//
// Order       Keys are compared bytewise.
// Atomicity   A batch is applied whole or not at all, also across a crash.
// Durability  A batch survives loss of power once a Write(..., true) or a
//             Sync() that began after it has returned. After a process crash
//             (not a power loss) every returned Write is there.
// Prefix      After a crash the store holds a prefix of the sequence of
//             batches, over all columns.
//
// Thread-safe. Calls block on the disk.
class Store {
 public:
  virtual ~Store() = default;

  // The value of `key`.
  //   kNotFound  there is none
  //   kDataLoss  the stored bytes do not match their checksum
  virtual absl::StatusOr<std::string> Get(
      Column column, std::string_view key,
      const StoreSnapshot* snapshot = nullptr) const = 0;

  [[nodiscard]] virtual std::unique_ptr<StoreIterator> NewIterator(
      Column column, const IterateOptions& options = {}) const = 0;

  [[nodiscard]] virtual std::unique_ptr<StoreSnapshot> NewSnapshot() const = 0;

  // Applies `batch`; with `sync`, also makes it (and all before it) durable.
  //   kResourceExhausted  the disk is full
  //   kInternal           any other I/O error; the outcome is unknown until
  //                       the store is opened again
  virtual absl::Status Write(const WriteBatch& batch, bool sync) = 0;

  // Makes every batch that was written before the call durable.
  virtual absl::Status Sync() = 0;

  // Gives the space of deleted keys in [begin, end) back.
  virtual absl::Status Compact(Column column, std::string_view begin,
                               std::string_view end) = 0;
};

}  // namespace syncline
