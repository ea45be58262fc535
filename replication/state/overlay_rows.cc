#include "replication/state/overlay_rows.h"

#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "base/status.h"
#include "kv/keys.h"

namespace syncline {
namespace {

constexpr std::array<Column, 3> kColumns = {Column::kHeads, Column::kTree,
                                            Column::kChains};

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

absl::StatusOr<std::optional<std::string>> OverlayRows::Get(
    Column column, std::string_view key, const RowLayer* staged) const {
  for (const RowLayer* layer : {staged, &active_, &frozen_}) {
    if (layer == nullptr) continue;
    const RowLayer::Map& map = layer->map(column);
    if (auto at = map.find(key); at != map.end()) return at->second;
  }
  if (const auto* known = cache_.Find(column, key)) return *known;
  absl::StatusOr<std::string> value = store_.Get(column, key);
  if (value.ok()) return cache_.Add(column, key, *std::move(value));
  if (absl::IsNotFound(value.status())) {
    return cache_.Add(column, key, std::nullopt);
  }
  return value.status();
}

// What a layer has covers the store, and will be in the store when it goes.
void OverlayRows::Commit(RowLayer&& staged) {
  for (const Column column : kColumns) {
    for (const auto& [key, value] : staged.map(column)) {
      cache_.Forget(column, key);
      groups_.ForgetPrefixOf(column, key);
    }
  }
  active_.MergeFrom(std::move(staged));
}

absl::StatusOr<std::string> OverlayRows::Group(Column column,
                                               const std::string& prefix,
                                               const RowLayer* staged) const {
  if (staged != nullptr) {
    const RowLayer::Map& map = staged->map(column);
    const auto at = map.lower_bound(prefix);
    if (at != map.end() && at->first.starts_with(prefix)) {
      return ReadGroup(column, prefix, staged);
    }
  }
  if (const auto* known = groups_.Find(column, prefix)) return **known;
  SYNCLINE_ASSIGN_OR_RETURN(std::string packed,
                            ReadGroup(column, prefix, nullptr));
  return *groups_.Add(column, prefix, std::move(packed));
}

absl::StatusOr<std::string> OverlayRows::ReadGroup(
    Column column, const std::string& prefix, const RowLayer* staged) const {
  std::string packed;
  RowCursor cursor = Scan(column, prefix, PrefixEnd(prefix), staged);
  for (; cursor.Valid(); cursor.Next()) {
    AppendSized(packed, cursor.key().substr(prefix.size()));
    AppendSized(packed, cursor.value());
  }
  SYNCLINE_RETURN_IF_ERROR(cursor.status());
  return packed;
}

RowCursor OverlayRows::Scan(Column column, const std::string& lower,
                            const std::string& upper,
                            const RowLayer* staged) const {
  return RowCursor(store_, {staged, &active_, &frozen_}, column, lower, upper);
}

WriteBatch OverlayRows::TakeFlush() {
  SYNCLINE_CHECK(!flushing_, "one flush at a time");
  flushing_ = true;
  std::swap(active_, frozen_);
  WriteBatch batch;
  for (const Column column : kColumns) {
    for (const auto& [key, value] : frozen_.map(column)) {
      if (value) {
        batch.Put(column, key, *value);
      } else {
        batch.Delete(column, key);
      }
    }
  }
  return batch;
}

void OverlayRows::FlushWritten() {
  SYNCLINE_CHECK(flushing_, "no flush is under way");
  flushing_ = false;
  frozen_.Clear();
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

void RowReader::ForEach(Column column, const std::string& prefix,
                        const Visitor& visit) {
  if (!status_.ok()) return;
  RowCursor cursor = Cursor(column, prefix, PrefixEnd(prefix));
  for (; cursor.Valid(); cursor.Next()) {
    if (!visit(cursor.key().substr(prefix.size()), cursor.value())) break;
  }
  Fail(cursor.status());
}

void RowReader::ForEachOf(Column column, const std::string& prefix,
                          const Visitor& visit) {
  if (!status_.ok()) return;
  const absl::StatusOr<std::string> packed =
      rows_.Group(column, prefix, staged_);
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
