#include "replication/state/staged_state.h"

#include <algorithm>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/status.h"
#include "replication/state/placement.h"

namespace syncline {
namespace {

// Under the tag of staged rows: items, documents, and the order in which
// directories are joined.
constexpr char kItemPart = 'i';
constexpr char kDocPart = 'd';
constexpr char kOrderPart = 'o';
constexpr std::size_t kDepthBytes = 4;

std::string StagedPrefix(ProjectNumber project, char part) {
  return RowKeys(project).AllStaged() + part;
}

absl::Status Malformed() {
  return DataLoss("causal state: malformed staged row");
}

// Steps over the rows of one prefix, from behind `at`.
class Rows {
 public:
  Rows(const Store& store, std::string prefix, std::string_view at)
      : prefix_(std::move(prefix)) {
    IterateOptions options;
    options.lower_bound = prefix_;
    options.upper_bound = PrefixEnd(prefix_);
    options.fill_cache = false;
    rows_ = store.NewIterator(Column::kHeads, options);
    const std::string from = prefix_ + std::string(at);
    rows_->Seek(from);
    if (!at.empty() && rows_->Valid() && rows_->key() == from) rows_->Next();
  }

  [[nodiscard]] bool Valid() const { return rows_->Valid(); }
  [[nodiscard]] std::string_view rest() const {
    return rows_->key().substr(prefix_.size());
  }
  [[nodiscard]] std::string_view value() const { return rows_->value(); }
  void Next() { rows_->Next(); }
  // Whether there is a row `rest`; asked for ever larger ones.
  bool Reach(std::string_view rest) {
    // The next rows are near more often than not.
    for (int i = 0; i < 8 && Valid() && this->rest() < rest; ++i) Next();
    if (Valid() && this->rest() < rest)
      rows_->Seek(prefix_ + std::string(rest));
    return Valid() && this->rest() == rest;
  }
  [[nodiscard]] absl::Status status() const { return rows_->status(); }

 private:
  const std::string prefix_;
  std::unique_ptr<StoreIterator> rows_;
};

bool SameDots(const StoredHeads& a, const StoredHeads& b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(),
                    [](const StoredHead& x, const StoredHead& y) {
                      return x.order.dot() == y.order.dot();
                    });
}

bool SameDots(const ItemHeads& a, const ItemHeads& b) {
  return SameDots(a.places, b.places) && SameDots(a.contents, b.contents) &&
         std::equal(a.attrs.begin(), a.attrs.end(), b.attrs.begin(),
                    b.attrs.end(), [](const auto& x, const auto& y) {
                      return x.first == y.first && SameDots(x.second, y.second);
                    });
}

void AddDigest(const RegisterId& reg, const StoredHeads& heads,
               HeadDigest& digest) {
  for (const StoredHead& head : heads) digest.Add(LanesOf(reg, head));
}

void StageItem(const RowKeys& keys, const StateRow& row, HeadDigest& digest,
               WriteBatch& batch) {
  const ItemId& item = *row.item;
  AddDigest({RegisterId::Field::kPlace, item, {}, {}}, row.heads.places,
            digest);
  AddDigest({RegisterId::Field::kContent, item, {}, {}}, row.heads.contents,
            digest);
  for (const auto& [key, values] : row.heads.attrs) {
    AddDigest({RegisterId::Field::kAttr, item, {}, key}, values, digest);
  }
  std::string key = keys.AllStaged() + kItemPart;
  item.AppendKey(key);
  batch.Put(Column::kHeads, key, EncodeItemHeads(row.heads));
  if (!item.IsDirectory()) return;
  const std::optional<Placed> placed = OwnPlacement(item, row.heads);
  std::string order = keys.AllStaged() + kOrderPart;
  AppendU32(order, placed ? placed->chain.length : 0);
  item.AppendKey(order);
  batch.Put(Column::kHeads, order, {});
}

}  // namespace

absl::Status StagePiece(ProjectNumber project, std::string_view bytes,
                        const VersionVector& frontier, StageProgress& progress,
                        WriteBatch& batch) {
  SYNCLINE_ASSIGN_OR_RETURN(const DecodedPiece piece,
                            DecodePiece(bytes, progress.last_key, frontier));
  const RowKeys keys(project);
  for (const auto& [hash, chain] : piece.chains) {
    batch.Put(Column::kChains, hash.view(), chain);
  }
  for (const StateRow& row : piece.rows) {
    if (row.item) {
      StageItem(keys, row, progress.digest, batch);
    } else {
      AddDigest({RegisterId::Field::kDoc, {}, row.doc.name_space, row.doc.key},
                row.doc_heads, progress.digest);
      batch.Put(Column::kHeads, keys.AllStaged() + kDocPart + row.key.substr(1),
                EncodeDocHeads(row.doc_heads));
    }
  }
  progress.rows += piece.rows.size();
  if (!piece.rows.empty()) progress.last_key = piece.rows.back().key;
  return absl::OkStatus();
}

void DropStaged(ProjectNumber project, WriteBatch& batch) {
  const std::string prefix = RowKeys(project).AllStaged();
  batch.DeleteRange(Column::kHeads, prefix, PrefixEnd(prefix));
}

// ---- StagedJoin

StagedJoin::StagedJoin(const Store& store, ProjectNumber project,
                       const VersionVector& theirs)
    : store_(store), project_(project), theirs_(theirs), keys_(project) {}

void StagedJoin::Enter(Phase phase) {
  phase_ = phase;
  at_.clear();
}

bool StagedJoin::HasDead(const StoredHeads& mine) const {
  return std::any_of(mine.begin(), mine.end(), [this](const StoredHead& head) {
    return theirs_.Covers(head.order.dot());
  });
}

bool StagedJoin::HasDead(const ItemHeads& mine) const {
  return HasDead(mine.places) || HasDead(mine.contents) ||
         std::any_of(mine.attrs.begin(), mine.attrs.end(),
                     [this](const auto& attr) { return HasDead(attr.second); });
}

absl::StatusOr<StatePart> StagedJoin::Next(std::size_t max) {
  StatePart part;
  const Phase phase = phase_;
  SYNCLINE_RETURN_IF_ERROR(Step(max, part));
  // A step that found nothing in a phase that is over costs little.
  if (part.size() == 0 && phase != phase_ && phase_ != Phase::kEnd) {
    SYNCLINE_RETURN_IF_ERROR(Step(max, part));
  }
  part.end = phase_ == Phase::kEnd;
  return part;
}

absl::Status StagedJoin::Step(std::size_t max, StatePart& part) {
  switch (phase_) {
    case Phase::kDead:
      return ScanDead(max, part);
    case Phase::kDirectories:
      return ScanDirectories(max, part);
    case Phase::kFiles:
      return ScanFiles(max, part);
    case Phase::kDocs:
      return ScanDocs(max, part);
    case Phase::kDeadDocs:
      return ScanDeadDocs(max, part);
    case Phase::kDeadDirectories:
      TakeDeadDirectories(max, part);
      return absl::OkStatus();
    case Phase::kEnd:
      return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::Status StagedJoin::ScanDead(std::size_t max, StatePart& part) {
  Rows mine(store_, keys_.AllItems(), at_);
  Rows staged(store_, StagedPrefix(project_, kItemPart), at_);
  std::size_t looked_at = 0;
  for (; mine.Valid(); mine.Next()) {
    if (part.items.size() == max || looked_at++ == kScanRowsMax) {
      return absl::OkStatus();
    }
    at_ = mine.rest();
    const std::optional<ItemId> item = ParseItemKey(at_);
    if (!item) return DataLoss("causal state: malformed key of an item");
    if (staged.Reach(at_)) continue;
    const auto heads = DecodeItemHeads(mine.value());
    if (!heads) return DataLoss("causal state: malformed heads of an item");
    if (!HasDead(*heads)) continue;
    if (!item->IsDirectory()) {
      part.items.push_back({*item, {}});
      continue;
    }
    const std::optional<Placed> placed = OwnPlacement(*item, *heads);
    dead_directories_.emplace_back(placed ? placed->chain.length : 0, *item);
  }
  SYNCLINE_RETURN_IF_ERROR(mine.status());
  SYNCLINE_RETURN_IF_ERROR(staged.status());
  std::sort(dead_directories_.begin(), dead_directories_.end());
  Enter(Phase::kDirectories);
  return absl::OkStatus();
}

absl::Status StagedJoin::ScanDirectories(std::size_t max, StatePart& part) {
  Rows order(store_, StagedPrefix(project_, kOrderPart), at_);
  std::size_t looked_at = 0;
  for (; order.Valid(); order.Next()) {
    if (part.items.size() == max || looked_at++ == kScanRowsMax) {
      return absl::OkStatus();
    }
    at_ = order.rest();
    if (at_.size() < kDepthBytes) return Malformed();
    const std::string_view key = std::string_view(at_).substr(kDepthBytes);
    const std::optional<ItemId> item = ParseItemKey(key);
    if (!item) return Malformed();
    SYNCLINE_ASSIGN_OR_RETURN(
        const std::string value,
        store_.Get(Column::kHeads,
                   StagedPrefix(project_, kItemPart) + std::string(key)));
    auto heads = DecodeItemHeads(value);
    if (!heads) return Malformed();
    part.items.push_back({*item, *std::move(heads)});
  }
  SYNCLINE_RETURN_IF_ERROR(order.status());
  Enter(Phase::kFiles);
  return absl::OkStatus();
}

absl::Status StagedJoin::ScanFiles(std::size_t max, StatePart& part) {
  Rows staged(store_, StagedPrefix(project_, kItemPart), at_);
  Rows mine(store_, keys_.AllItems(), at_);
  std::size_t looked_at = 0;
  for (; staged.Valid(); staged.Next()) {
    if (part.items.size() == max || looked_at++ == kScanRowsMax) {
      return absl::OkStatus();
    }
    at_ = staged.rest();
    const std::optional<ItemId> item = ParseItemKey(at_);
    if (!item) return Malformed();
    if (item->IsDirectory()) continue;
    auto heads = DecodeItemHeads(staged.value());
    if (!heads) return Malformed();
    const bool is_new = !mine.Reach(at_);
    if (!is_new) {
      const auto known = DecodeItemHeads(mine.value());
      if (known && SameDots(*known, *heads)) continue;
    } else if (!mine.status().ok()) {
      return mine.status();
    }
    part.items.push_back({*item, *std::move(heads), is_new});
  }
  SYNCLINE_RETURN_IF_ERROR(staged.status());
  SYNCLINE_RETURN_IF_ERROR(mine.status());
  Enter(Phase::kDocs);
  return absl::OkStatus();
}

absl::Status StagedJoin::ScanDocs(std::size_t max, StatePart& part) {
  Rows staged(store_, StagedPrefix(project_, kDocPart), at_);
  for (; staged.Valid(); staged.Next()) {
    if (part.docs.size() == max) return absl::OkStatus();
    at_ = staged.rest();
    const auto doc = ParseDocKey(at_);
    auto heads = DecodeDocHeads(staged.value());
    if (!doc || !heads) return Malformed();
    part.docs.emplace_back(*doc, *std::move(heads));
  }
  SYNCLINE_RETURN_IF_ERROR(staged.status());
  Enter(Phase::kDeadDocs);
  return absl::OkStatus();
}

absl::Status StagedJoin::ScanDeadDocs(std::size_t max, StatePart& part) {
  Rows mine(store_, keys_.AllDocs(), at_);
  Rows staged(store_, StagedPrefix(project_, kDocPart), at_);
  std::size_t looked_at = 0;
  for (; mine.Valid(); mine.Next()) {
    if (part.docs.size() == max || looked_at++ == kScanRowsMax) {
      return absl::OkStatus();
    }
    at_ = mine.rest();
    if (staged.Reach(at_)) continue;
    const auto doc = ParseDocKey(at_);
    const auto heads = DecodeDocHeads(mine.value());
    if (!doc || !heads) {
      return DataLoss("causal state: malformed heads of a document");
    }
    if (HasDead(*heads)) part.docs.emplace_back(*doc, StoredHeads());
  }
  SYNCLINE_RETURN_IF_ERROR(mine.status());
  SYNCLINE_RETURN_IF_ERROR(staged.status());
  Enter(Phase::kDeadDirectories);
  return absl::OkStatus();
}

void StagedJoin::TakeDeadDirectories(std::size_t max, StatePart& part) {
  while (!dead_directories_.empty() && part.items.size() < max) {
    part.items.push_back({dead_directories_.back().second, {}});
    dead_directories_.pop_back();
  }
  if (dead_directories_.empty()) Enter(Phase::kEnd);
}

// ---- JoinCensus

absl::StatusOr<bool> JoinCensus::Step() {
  Rows mine(store_, keys_.AllItems(), at_);
  Rows staged(store_, StagedPrefix(project_, kItemPart), at_);
  std::size_t looked_at = 0;
  for (; mine.Valid(); mine.Next()) {
    if (looked_at++ == StagedJoin::kScanRowsMax) return false;
    at_ = mine.rest();
    const std::optional<ItemId> item = ParseItemKey(at_);
    const auto heads = DecodeItemHeads(mine.value());
    if (!item || !heads) return DataLoss("causal state: malformed row");
    if (!IsAlive(*item, *heads)) continue;
    ++loss_.items;
    if (staged.Reach(at_)) {
      const auto decoded = DecodeItemHeads(staged.value());
      if (!decoded) return Malformed();
      if (IsAlive(*item, *decoded)) continue;
    }
    const StoredHeads& lives =
        item->IsDirectory() ? heads->places : heads->contents;
    const bool stays =
        std::any_of(lives.begin(), lives.end(), [this](const StoredHead& head) {
          return !theirs_.Covers(head.order.dot());
        });
    if (!stays) ++loss_.dropped;
  }
  SYNCLINE_RETURN_IF_ERROR(mine.status());
  SYNCLINE_RETURN_IF_ERROR(staged.status());
  return true;
}

}  // namespace syncline
