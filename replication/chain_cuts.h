#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kv/store.h"
#include "log/append_log.h"
#include "replication/chain_signature.h"

namespace syncline {

// Where a log may be cut so that what is before can be proven to others: the
// entries of other devices come with signatures at the end of what arrived
// together, and these are kept, by the seq there. (An own entry is signed when
// it is sent.)
//
// Rows of Column::kProjects, see replication/project_rows.h:
//   cut     u64 seq -> for each origin with entries since the cut before: the
//           origin (16), varint counter, signature (64)
//   proof   origin -> varint counter, chain hash (32), signature (64): the
//           newest
class ChainCuts {
 public:
  // Cuts are not closer than that, in records and in bytes.
  static constexpr std::uint64_t kRecordsMin = 256;
  static constexpr std::size_t kBytesMin = 64u << 10;

  explicit ChainCuts(ProjectNumber project) : project_(project) {}

  // Reads the newest proofs that are kept.
  //   kDataLoss  a malformed row
  absl::Status Load(const Store& store);

  // Records up to `last` were appended behind `before`, and end with `heads`,
  // one for each origin among them that is another device's, signed. Adds the
  // rows.
  void Add(Seq before, Seq last, std::size_t bytes,
           const std::vector<ChainHead>& heads, WriteBatch& rows);
  // What proves the entries that a peer's state stands for. Adds the rows of
  // those that are news.
  void Adopt(const std::vector<ChainHead>& heads, WriteBatch& rows);
  // The newest proof of what `origin` wrote; nullptr if there is none: it is
  // this device's, or unknown.
  [[nodiscard]] const ChainHead* Newest(const Origin& origin) const;
  // The records up to `through` are gone.
  void Truncate(Seq through, WriteBatch& rows) const;

 private:
  // The cut that was added last, while it may still move.
  struct Open {
    Seq begin;  // Behind the cut before.
    Seq last;
    std::size_t bytes = 0;
    std::map<Origin, ChainHead> heads;
  };

  void Keep(const ChainHead& head, WriteBatch& rows);

  const ProjectNumber project_;
  std::optional<Open> open_;
  std::map<Origin, ChainHead> newest_;
};

// Walks the cuts behind a seq, oldest first. Must not outlive the store.
class CutReader {
 public:
  CutReader(const Store& store, ProjectNumber project, Seq since);
  [[nodiscard]] bool Valid() const { return valid_; }
  [[nodiscard]] Seq seq() const { return seq_; }
  // Without hashes.
  [[nodiscard]] const std::vector<ChainHead>& heads() const { return heads_; }
  void Next();
  //   kDataLoss  a malformed row
  [[nodiscard]] absl::Status status() const;

 private:
  void Load();

  std::string prefix_;
  std::unique_ptr<StoreIterator> rows_;
  bool valid_ = false;
  Seq seq_;
  std::vector<ChainHead> heads_;
  absl::Status status_;
};

}  // namespace syncline
