#include "replication/chain_cuts.h"

#include <utility>

#include "base/bytes.h"
#include "base/status.h"
#include "replication/project_rows.h"

namespace syncline {
namespace {

std::string CutKey(ProjectNumber project, Seq seq) {
  std::string key = ProjectRowPrefix(project, ProjectRow::kCut);
  AppendU64(key, seq.value);
  return key;
}

}  // namespace

absl::Status ChainCuts::Load(const Store& store) {
  const std::string prefix = ProjectRowPrefix(project_, ProjectRow::kProof);
  IterateOptions range;
  range.lower_bound = prefix;
  range.upper_bound = PrefixEnd(prefix);
  const auto rows = store.NewIterator(Column::kProjects, range);
  for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
    const auto origin = Origin::FromBytes(rows->key().substr(prefix.size()));
    ByteReader reader(rows->value());
    const std::uint64_t counter = reader.Varint();
    const auto hash = Hash::FromBytes(reader.Bytes(Hash::kBytes));
    std::string signature(reader.Bytes(kSignatureBytes));
    if (!origin || !hash || !reader.AtEnd()) {
      return DataLoss("project rows: a malformed proof");
    }
    newest_[*origin] = {{*origin, counter}, *hash, std::move(signature)};
  }
  return rows->status();
}

void ChainCuts::Keep(const ChainHead& head, WriteBatch& rows) {
  newest_[head.dot.origin] = head;
  std::string proof;
  AppendVarint(proof, head.dot.counter);
  proof += head.hash.view();
  proof += head.signature;
  rows.Put(Column::kProjects,
           ProjectRowKey(project_, ProjectRow::kProof, head.dot.origin.view()),
           proof);
}

void ChainCuts::Adopt(const std::vector<ChainHead>& heads, WriteBatch& rows) {
  for (const ChainHead& head : heads) {
    const ChainHead* known = Newest(head.dot.origin);
    if (known == nullptr || known->dot.counter < head.dot.counter) {
      Keep(head, rows);
    }
  }
}

const ChainHead* ChainCuts::Newest(const Origin& origin) const {
  const auto at = newest_.find(origin);
  return at == newest_.end() ? nullptr : &at->second;
}

void ChainCuts::Add(Seq last, const std::vector<ChainHead>& heads,
                    WriteBatch& rows) {
  std::string cut;
  for (const ChainHead& head : heads) {
    Keep(head, rows);
    cut += head.dot.origin.view();
    AppendVarint(cut, head.dot.counter);
    cut += head.signature;
  }
  rows.Put(Column::kProjects, CutKey(project_, last), cut);
}

void ChainCuts::Truncate(Seq through, WriteBatch& rows) const {
  rows.DeleteRange(Column::kProjects, CutKey(project_, {0}),
                   CutKey(project_, through.next()));
}

CutReader::CutReader(const Store& store, ProjectNumber project, Seq since)
    : prefix_(ProjectRowPrefix(project, ProjectRow::kCut)) {
  IterateOptions range;
  range.lower_bound = CutKey(project, since.next());
  range.upper_bound = PrefixEnd(prefix_);
  rows_ = store.NewIterator(Column::kProjects, range);
  rows_->SeekToFirst();
  Load();
}

void CutReader::Next() {
  rows_->Next();
  Load();
}

void CutReader::Load() {
  heads_.clear();
  valid_ = rows_->Valid();
  if (!valid_) return;
  ByteReader key(rows_->key().substr(prefix_.size()));
  seq_ = {key.U64()};
  ByteReader value(rows_->value());
  while (value.ok() && !value.AtEnd()) {
    const auto origin = Origin::FromBytes(value.Bytes(Origin::kBytes));
    const std::uint64_t counter = value.Varint();
    std::string signature(value.Bytes(kSignatureBytes));
    if (!origin) break;
    heads_.push_back({{*origin, counter}, {}, std::move(signature)});
  }
  if (key.AtEnd() && value.AtEnd()) return;
  valid_ = false;
  status_ = DataLoss("project rows: a malformed cut");
}

absl::Status CutReader::status() const {
  return status_.ok() ? rows_->status() : status_;
}

}  // namespace syncline
