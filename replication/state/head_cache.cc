#include "replication/state/head_cache.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "replication/state/placement.h"

namespace syncline {
namespace {

// What a row takes beyond its text: itself, its shares of three tables.
constexpr std::size_t kHeadRowOverhead = sizeof(HeadRow) + 80;

std::size_t HashOfName(const ItemId& parent, std::string_view name) {
  return absl::HashOf(ItemIdHash()(parent), name);
}

std::optional<PlainFile> FileOf(const HeadRow& row) {
  const auto value = row.value();
  return value ? ParsePlainFile(*value) : std::nullopt;
}

}  // namespace

void HeadRow::SetText(std::string_view key,
                      std::optional<std::string_view> value) {
  const std::string_view bytes = value.value_or(std::string_view());
  const std::size_t size = key.size() + bytes.size();
  // Rows grow a little as counters do.
  if (size > room_ || size + 64 < room_) {
    const std::size_t room = (size + 15) / 16 * 16;
    auto text = std::make_unique_for_overwrite<char[]>(room);
    std::memcpy(text.get(), key.data(), key.size());
    text_ = std::move(text);
    room_ = static_cast<std::uint32_t>(room);
    key_ = static_cast<std::uint32_t>(key.size());
  }
  std::copy(bytes.begin(), bytes.end(), text_.get() + key_);
  value_ = static_cast<std::uint32_t>(bytes.size());
  present_ = value.has_value();
}

std::size_t HeadRow::bytes() const { return kHeadRowOverhead + room_; }

HeadRow* HeadCache::Find(std::string_view key) {
  const auto at = rows_.find(key);
  if (at == rows_.end()) return nullptr;
  (*at)->used_ = true;
  return at->get();
}

HeadRow& HeadCache::Insert(std::string_view key,
                           std::optional<std::string_view> value) {
  DropOld();
  auto row = std::make_unique<HeadRow>();
  HeadRow& inserted = *row;
  row->SetText(key, value);
  row->number_ = static_cast<std::uint32_t>(all_.size());
  row->used_ = true;
  all_.push_back(row.get());
  rows_.insert(std::move(row));
  clean_bytes_ += inserted.bytes();
  return inserted;
}

void HeadCache::Set(HeadRow& row, std::optional<std::string_view> value) {
  std::size_t& bytes =
      row.state_ == State::kClean ? clean_bytes_ : changed_bytes_;
  bytes -= row.bytes();
  row.SetText(row.key(), value);
  bytes += row.bytes();
}

void HeadCache::Enter(HeadRow& row, State state) {
  (row.state_ == State::kClean ? clean_bytes_ : changed_bytes_) -= row.bytes();
  row.state_ = state;
  (state == State::kClean ? clean_bytes_ : changed_bytes_) += row.bytes();
}

HeadRow& HeadCache::Remember(std::string_view key,
                             std::optional<std::string_view> value) {
  return Insert(key, value);
}

HeadRow& HeadCache::Change(std::string_view key,
                           std::optional<std::string_view> value,
                           const std::optional<DigestLanes>& lanes) {
  HeadRow* known = Find(key);
  if (known != nullptr) Set(*known, value);
  HeadRow& row = known != nullptr ? *known : Insert(key, value);
  row.lanes_ = lanes;
  if (row.state_ != State::kChanged) {
    Enter(row, State::kChanged);
    changed_.push_back(&row);
  }
  return row;
}

void HeadCache::ChangeAny(std::string_view key,
                          std::optional<std::string_view> value) {
  HeadRow* known = Find(key);
  if (known != nullptr && known->alone_) GiveUpAlone(*known);
  Change(key, value, std::nullopt);
}

HeadRow* HeadCache::FindAlone(const ItemId& parent, std::string_view name) {
  const auto at = alone_.find(HashOfName(parent, name));
  if (at == alone_.end()) return nullptr;
  const std::optional<PlainFile> file = FileOf(*at->second);
  if (!file || file->at.parent != parent || file->at.name != name)
    return nullptr;
  at->second->used_ = true;
  return at->second;
}

void HeadCache::SetAlone(HeadRow& row, const ItemId& parent,
                         std::string_view name) {
  HeadRow*& known = alone_[HashOfName(parent, name)];
  if (known != nullptr && known != &row) {  // Another name of this hash.
    HeadRow& other = *known;
    GiveUpAlone(other);
    alone_[HashOfName(parent, name)] = &row;
  } else {
    known = &row;
  }
  row.alone_ = true;
}

void HeadCache::GiveUpAlone(const ItemId& parent, std::string_view name) {
  if (HeadRow* row = FindAlone(parent, name)) GiveUpAlone(*row);
}

void HeadCache::GiveUpAlone(HeadRow& row) {
  const std::optional<PlainFile> file = FileOf(row);
  row.alone_ = false;
  alone_.erase(HashOfName(file->at.parent, file->at.name));
  PackedRows packed;
  AppendSized(packed, RowKeys::ItemOf(row.key()));
  AppendSized(packed, kChildPlain);
  groups_.Set(RowKeys::NamedBeside(row.key(), file->at.parent, file->at.name),
              std::move(packed));
}

// Drops rows that were not used since the hand passed them last.
void HeadCache::DropOld() {
  while (clean_bytes_ > bytes_max_) {
    if (hand_ >= all_.size()) hand_ = 0;
    HeadRow& row = *all_[hand_];
    if (row.state_ != State::kClean || std::exchange(row.used_, false)) {
      ++hand_;
    } else {
      Drop(row);
    }
  }
}

void HeadCache::Drop(HeadRow& row) {
  if (row.alone_) {
    const std::optional<PlainFile> file = FileOf(row);
    alone_.erase(HashOfName(file->at.parent, file->at.name));
    groups_.ForgetWhole(RowKeys::ChildrenBeside(row.key(), file->at.parent));
  }
  clean_bytes_ -= row.bytes();
  all_.back()->number_ = row.number_;
  std::swap(all_[row.number_], all_.back());
  all_.pop_back();
  rows_.erase(rows_.find(row.key()));
}

void HeadCache::Spill(RowLayer& changed, RowLayer& writing) {
  const auto spill = [this](std::vector<HeadRow*>& rows, State state,
                            RowLayer& layer) {
    for (HeadRow* row : rows) {
      if (row->state_ != state) continue;
      const auto value = row->value();
      layer.Set(Column::kHeads, std::string(row->key()),
                value ? std::optional<std::string>(*value) : std::nullopt);
      Enter(*row, State::kClean);
    }
    rows.clear();
  };
  spill(changed_, State::kChanged, changed);
  spill(writing_, State::kWriting, writing);
}

void HeadCache::TakeFlush(WriteBatch& batch) {
  std::swap(changed_, writing_);
  std::sort(
      writing_.begin(), writing_.end(),
      [](const HeadRow* a, const HeadRow* b) { return a->key() < b->key(); });
  for (HeadRow* row : writing_) {
    Enter(*row, State::kWriting);
    if (const auto value = row->value()) {
      batch.Put(Column::kHeads, row->key(), *value);
    } else {
      batch.Delete(Column::kHeads, row->key());
    }
  }
}

void HeadCache::FlushWritten() {
  for (HeadRow* row : writing_) {
    if (row->state_ == State::kWriting) Enter(*row, State::kClean);
  }
  writing_.clear();
  DropOld();
}

ItemHeads LoadItem(RowReader& rows, const RowKeys& keys, const ItemId& item) {
  const auto bytes = rows.Heads(keys.Item(item));
  if (!bytes) return {};
  std::optional<ItemHeads> heads = DecodeItemHeads(*bytes);
  if (heads) return *std::move(heads);
  rows.FailRow("heads of item " + item.ToText());
  return {};
}

StoredHeads LoadDoc(RowReader& rows, const RowKeys& keys,
                    std::string_view name_space, std::string_view key) {
  const auto bytes = rows.Heads(keys.Doc(name_space, key));
  if (!bytes) return {};
  std::optional<StoredHeads> heads = DecodeDocHeads(*bytes);
  if (heads) return *std::move(heads);
  rows.FailRow("heads of a document");
  return {};
}

}  // namespace syncline
