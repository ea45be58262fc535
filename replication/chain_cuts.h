#pragma once

#include <cstdint>
#include <map>
#include <memory>
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
// together, and these are kept, by the seq there: every one, because a project
// that is made anew keeps of others' entries only what it can prove
// (replication/rebuild.h). (An own entry is signed when it is sent.)
//
// Rows of Column::kProjects, see replication/project_rows.h:
//   cut     u64 seq -> for each origin that arrived together: the origin (16),
//           varint counter, signature (64)
//   proof   origin -> varint counter, chain hash (32), signature (64): the
//           newest
class ChainCuts {
 public:
  explicit ChainCuts(ProjectNumber project) : project_(project) {}

  // Reads the newest proofs that are kept.
  //   kDataLoss  a malformed row
  absl::Status Load(const Store& store);

  // Records up to `last` were appended together, and end with `heads`, one for
  // each origin among them that is another device's, signed. Adds the rows.
  void Add(Seq last, const std::vector<ChainHead>& heads, WriteBatch& rows);
  // What proves the entries that a peer's state stands for. Adds the rows of
  // those that are news.
  void Adopt(const std::vector<ChainHead>& heads, WriteBatch& rows);
  // The newest proof of what `origin` wrote; nullptr if there is none: it is
  // this device's, or unknown.
  [[nodiscard]] const ChainHead* Newest(const Origin& origin) const;
  // The records up to `through` are gone.
  void Truncate(Seq through, WriteBatch& rows) const;

 private:
  void Keep(const ChainHead& head, WriteBatch& rows);

  const ProjectNumber project_;
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
