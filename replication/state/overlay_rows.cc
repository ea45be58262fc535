#include "replication/state/overlay_rows.h"

#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "base/status.h"
#include "kv/keys.h"
#include "replication/state/head_cache.h"
#include "replication/state/placement.h"
#include "replication/state/row_keys.h"

namespace syncline {
namespace {

// What a remembered row takes beyond its bytes: two strings in a table that is
// half full.
constexpr std::size_t kRememberedOverhead = 150;

const HeadRow* FindAlone(HeadCache& heads, std::string_view group) {
  const std::optional<ChildKey> name = ParseGroupKey(group);
  return name ? heads.FindAlone(name->item, name->name) : nullptr;
}

}  // namespace

RowCursor::RowCursor(const Store& store,
                     std::array<const RowLayer*, kLayersMax> layers,
                     Column column, const std::string& lower,
                     const std::string& upper) {
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (layers[i] == nullptr) continue;
    const RowLayer::Map& map = layers[i]->map(column);
    sources_[i] = {map.lower_bound(lower),
                   upper.empty() ? map.end() : map.lower_bound(upper)};
  }
  IterateOptions options;
  options.lower_bound = lower;
  options.upper_bound = upper;
  store_rows_ = store.NewIterator(column, options);
  store_rows_->SeekToFirst();
  Settle();
}

// Finds the least key, in the newest layer that has it; passes deleted ones.
void RowCursor::Settle() {
  for (;;) {
    valid_ = store_rows_->Valid();
    if (valid_) key_ = store_rows_->key();
    const Source* newest = nullptr;
    for (const Source& source : sources_) {
      if (source.at == source.end) continue;
      if (valid_ && (source.at->first > key_ ||
                     (newest != nullptr && source.at->first == key_))) {
        continue;
      }
      valid_ = true;
      key_ = source.at->first;
      newest = &source;
    }
    if (!valid_) return;
    if (newest == nullptr) {
      value_ = store_rows_->value();
      return;
    }
    if (newest->at->second) {
      value_ = *newest->at->second;
      return;
    }
    StepOver(newest->at->first);
  }
}

void RowCursor::StepOver(std::string_view key) {
  // The store moves last: `key` may be a view into its buffer.
  const bool in_store = store_rows_->Valid() && store_rows_->key() == key;
  for (Source& source : sources_) {
    if (source.at != source.end && source.at->first == key) ++source.at;
  }
  if (in_store) store_rows_->Next();
}

void RowCursor::Next() {
  StepOver(key_);
  Settle();
}

OverlayRows::OverlayRows(Store& store, std::size_t head_bytes_max)
    : store_(store),
      heads_(std::make_unique<HeadCache>(groups_, head_bytes_max)) {}

OverlayRows::~OverlayRows() = default;

absl::StatusOr<std::optional<std::string>> OverlayRows::Get(
    Column column, std::string_view key, const RowLayer* staged) const {
  if (staged != nullptr) {
    const RowLayer::Map& map = staged->map(column);
    if (auto at = map.find(key); at != map.end()) return at->second;
  }
  if (const auto* known = others_.Find(key)) return *known;
  SYNCLINE_ASSIGN_OR_RETURN(std::optional<std::string> value,
                            Load(column, key));
  Remember(key, value);
  return value;
}

absl::StatusOr<HeadRow*> OverlayRows::Heads(std::string_view key) const {
  if (HeadRow* known = heads_->Find(key)) return known;
  SYNCLINE_ASSIGN_OR_RETURN(const std::optional<std::string> value,
                            Load(Column::kHeads, key));
  return &heads_->Remember(key, value);
}

// Past what is remembered.
absl::StatusOr<std::optional<std::string>> OverlayRows::Load(
    Column column, std::string_view key) const {
  if (const auto* changed = FindChanged(column, key)) return *changed;
  absl::StatusOr<std::string> stored = store_.Get(column, key);
  if (stored.ok()) return std::optional<std::string>(*std::move(stored));
  if (absl::IsNotFound(stored.status())) return std::optional<std::string>();
  return stored.status();
}

const std::optional<std::string>* OverlayRows::FindChanged(
    Column column, std::string_view key) const {
  for (const RowLayer* layer : {&active_, &frozen_}) {
    const RowLayer::Map& map = layer->map(column);
    if (auto at = map.find(key); at != map.end()) return &at->second;
  }
  return nullptr;
}

void OverlayRows::Remember(std::string_view key,
                           const std::optional<std::string>& value) const {
  others_.Set(key, value,
              kRememberedOverhead + key.size() + (value ? value->size() : 0));
}

void OverlayRows::Commit(RowLayer&& staged) {
  for (const auto& [key, value] : staged.Take(Column::kHeads)) {
    heads_->ChangeAny(key, value);
  }
  for (const auto& [key, value] : staged.map(Column::kTree)) {
    const std::string_view group = RowKeys::GroupOf(key);
    if (group.empty()) {
      Remember(key, value);
      continue;
    }
    if (const auto name = ParseGroupKey(group)) {
      heads_->GiveUpAlone(name->item, name->name);
    }
    groups_.Changed(key, value);
    if (value == kChildPlain) NoteAlone(key, group);
  }
  active_.MergeFrom(std::move(staged));
}

// If the row `n` that was committed is all that its name has.
void OverlayRows::NoteAlone(const std::string& child_key,
                            std::string_view group) {
  const PackedRows* known = groups_.Find(group);
  PackedRows alone;
  AppendSized(alone, std::string_view(child_key).substr(group.size()));
  AppendSized(alone, kChildPlain);
  const auto name = ParseGroupKey(group);
  if (known == nullptr || *known != alone || !name) return;
  HeadRow* row = heads_->Find(RowKeys::ItemBeside(child_key));
  if (row == nullptr || !row->value()) return;
  const std::optional<PlainFile> file = ParsePlainFile(*row->value());
  if (!file || file->at.parent != name->item || file->at.name != name->name) {
    return;
  }
  heads_->SetAlone(*row, name->item, name->name);
  groups_.Forget(group);
}

void OverlayRows::CommitFirst(std::string child_key, std::string_view value) {
  groups_.Forget(RowKeys::GroupOf(child_key));
  active_.Set(Column::kTree, std::move(child_key), std::string(value));
}

absl::StatusOr<PackedRows> OverlayRows::Group(const std::string& group,
                                              const RowLayer* staged) const {
  PackedRows rows;
  if (const HeadRow* alone = FindAlone(*heads_, group)) {
    AppendSized(rows, RowKeys::ItemOf(alone->key()));
    AppendSized(rows, kChildPlain);
  } else if (const PackedRows* known = groups_.Find(group)) {
    rows = *known;
  } else {
    SYNCLINE_ASSIGN_OR_RETURN(rows, ReadGroup(group));
  }
  if (staged == nullptr) return rows;
  const RowLayer::Map& map = staged->map(Column::kTree);
  for (auto at = map.lower_bound(group);
       at != map.end() && at->first.starts_with(group); ++at) {
    rows = WithRow(rows, std::string_view(at->first).substr(group.size()),
                   at->second);
  }
  return rows;
}

absl::StatusOr<PackedRows> OverlayRows::ReadGroup(
    const std::string& group) const {
  if (groups_.Missed(group)) {
    SYNCLINE_RETURN_IF_ERROR(
        ScanDirectory(std::string(RowKeys::DirectoryOf(group))));
    if (const PackedRows* known = groups_.Find(group)) return *known;
  }
  PackedRows rows;
  RowCursor cursor = Scan(Column::kTree, group, PrefixEnd(group), nullptr);
  for (; cursor.Valid(); cursor.Next()) {
    AppendSized(rows, cursor.key().substr(group.size()));
    AppendSized(rows, cursor.value());
  }
  SYNCLINE_RETURN_IF_ERROR(cursor.status());
  groups_.Set(group, rows);
  return rows;
}

// Remembers all groups of a directory, unless there are many.
absl::Status OverlayRows::ScanDirectory(const std::string& directory) const {
  RowCursor cursor =
      Scan(Column::kTree, directory, PrefixEnd(directory), nullptr);
  std::string group;
  PackedRows rows;
  std::size_t count = 0;
  for (; cursor.Valid() && count < GroupCache::kScanMax;
       cursor.Next(), ++count) {
    const std::string_view key = cursor.key();
    const std::string_view next = RowKeys::GroupOf(key);
    if (next != group) {
      if (!group.empty()) groups_.SetAhead(group, std::exchange(rows, {}));
      group = next;
    }
    AppendSized(rows, key.substr(next.size()));
    AppendSized(rows, cursor.value());
  }
  SYNCLINE_RETURN_IF_ERROR(cursor.status());
  // The last group that was read may go on where the reading stopped.
  if (!group.empty() && !cursor.Valid()) {
    groups_.SetAhead(group, std::move(rows));
  }
  groups_.Scanned(directory, count, !cursor.Valid());
  return absl::OkStatus();
}

RowCursor OverlayRows::Scan(Column column, const std::string& lower,
                            const std::string& upper,
                            const RowLayer* staged) const {
  if (column == Column::kHeads) heads_->Spill(active_, frozen_);
  return RowCursor(store_, {staged, &active_, &frozen_}, column, lower, upper);
}

WriteBatch OverlayRows::TakeFlush() {
  SYNCLINE_CHECK(!flushing_, "one flush at a time");
  flushing_ = true;
  WriteBatch batch;
  batch.Reserve(bytes());
  std::swap(active_, frozen_);
  for (const Column column : RowLayer::kColumns) {
    for (const auto& [key, value] : frozen_.map(column)) {
      if (value) {
        batch.Put(column, key, *value);
      } else {
        batch.Delete(column, key);
      }
    }
    // Over what was spilled of it before it changed again.
    if (column == Column::kHeads) heads_->TakeFlush(batch);
  }
  return batch;
}

void OverlayRows::FlushWritten() {
  SYNCLINE_CHECK(flushing_, "no flush is under way");
  flushing_ = false;
  frozen_.Clear();
  heads_->FlushWritten();
}

std::size_t OverlayRows::bytes() const {
  return active_.bytes() + frozen_.bytes() + heads_->changed_bytes();
}

std::optional<std::string> RowReader::Get(Column column, std::string_view key) {
  if (!status_.ok()) return std::nullopt;
  absl::StatusOr<std::optional<std::string>> value =
      rows_.Get(column, key, staged_);
  if (!value.ok()) {
    Fail(value.status());
    return std::nullopt;
  }
  return *std::move(value);
}

std::optional<std::string_view> RowReader::Heads(std::string_view key) {
  if (!status_.ok()) return std::nullopt;
  if (staged_ != nullptr) {
    const RowLayer::Map& map = staged_->map(Column::kHeads);
    if (auto at = map.find(key); at != map.end()) return at->second;
  }
  const absl::StatusOr<HeadRow*> row = rows_.Heads(key);
  if (row.ok()) return (*row)->value();
  Fail(row.status());
  return std::nullopt;
}

HeadRow* RowReader::FindAlone(const ItemId& parent, std::string_view name) {
  if (!status_.ok()) return nullptr;
  return heads().FindAlone(parent, name);
}

HeadRow* RowReader::Unstaged(std::string_view key) {
  if (!status_.ok()) return nullptr;
  const absl::StatusOr<HeadRow*> row = rows_.Heads(key);
  if (row.ok()) return *row;
  Fail(row.status());
  return nullptr;
}

void RowReader::ForEach(Column column, const std::string& prefix,
                        Visitor visit) {
  if (!status_.ok()) return;
  RowCursor cursor = Cursor(column, prefix, PrefixEnd(prefix));
  for (; cursor.Valid(); cursor.Next()) {
    if (!visit(cursor.key().substr(prefix.size()), cursor.value())) break;
  }
  Fail(cursor.status());
}

void RowReader::ForEachOf(const std::string& group, Visitor visit) {
  if (!status_.ok()) return;
  const absl::StatusOr<PackedRows> packed = rows_.Group(group, staged_);
  if (!packed.ok()) return Fail(packed.status());
  ByteReader reader(*packed);
  while (!reader.AtEnd()) {
    const std::string_view rest = reader.Sized();
    if (!visit(rest, reader.Sized())) break;
  }
}

RowCursor RowReader::Cursor(Column column, const std::string& lower,
                            const std::string& upper) {
  return rows_.Scan(column, lower, upper, staged_);
}

void RowReader::Fail(const absl::Status& status) {
  if (status_.ok()) status_ = status;
}

void RowReader::FailRow(std::string_view what) {
  Fail(DataLoss("causal state: malformed " + std::string(what)));
}

}  // namespace syncline
