#include "replication/mirror/base_table.h"

#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "base/status.h"
#include "replication/mirror/base_intents.h"
#include "replication/mirror/paths.h"

namespace syncline {
namespace {

constexpr char kPathTag = 'p';
constexpr char kPendingTag = 'w';
constexpr char kCursorTag = 'c';
constexpr char kNameTag = 'n';
constexpr char kRulesTag = 'r';
constexpr std::uint8_t kRowFormat = 1;

std::string MirrorPrefix(ProjectNumber project, std::uint32_t id) {
  std::string prefix = ProjectPrefix(project);
  AppendU32(prefix, id);
  return prefix;
}

bool ReadStat(ByteReader& reader, BaseStat& stat) {
  if (reader.U8() != kRowFormat) return false;
  const char kind = static_cast<char>(reader.U8());
  if (kind != 'd' && kind != 'f' && kind != 'l') return false;
  stat.kind = static_cast<ItemKind>(kind);
  stat.fingerprint = ReadFingerprint(reader);
  return reader.ok();
}

absl::Status BadRow(std::string_view key) {
  return DataLoss("mirror row " + ToHex(key) + " cannot be read");
}

}  // namespace

std::string EncodeBaseEntry(const BaseEntry& entry) {
  std::string out;
  out.reserve(96 + entry.payload.size() + entry.token.size());
  out += static_cast<char>(kRowFormat);
  out += static_cast<char>(entry.kind);
  AppendFingerprint(out, entry.fingerprint);
  AppendSized(out, entry.payload);
  AppendVarint(out, entry.attrs.size());
  for (const auto& [key, value] : entry.attrs) {
    AppendSized(out, key);
    AppendSized(out, value);
  }
  AppendSized(out, entry.token);
  return out;
}

absl::StatusOr<BaseEntry> DecodeBaseEntry(std::string_view bytes) {
  ByteReader reader(bytes);
  BaseStat stat;
  if (!ReadStat(reader, stat)) return DataLoss("malformed mirror row");
  BaseEntry entry;
  entry.kind = stat.kind;
  entry.fingerprint = stat.fingerprint;
  entry.payload = reader.Sized();
  const std::uint64_t attrs = reader.Varint();
  for (std::uint64_t i = 0; i < attrs && reader.ok(); ++i) {
    std::string key(reader.Sized());
    entry.attrs.emplace_back(std::move(key), std::string(reader.Sized()));
  }
  entry.token = reader.Sized();
  if (!reader.AtEnd()) return DataLoss("malformed mirror row");
  return entry;
}

absl::StatusOr<BaseStat> DecodeBaseStat(std::string_view bytes) {
  ByteReader reader(bytes);
  BaseStat stat;
  if (!ReadStat(reader, stat)) return DataLoss("malformed mirror row");
  return stat;
}

absl::StatusOr<std::unique_ptr<BaseTable>> BaseTable::Open(
    Store& store, ProjectNumber project, std::uint32_t id) {
  std::unique_ptr<BaseTable> table(
      new BaseTable(store, MirrorPrefix(project, id)));
  SYNCLINE_RETURN_IF_ERROR(table->Load());
  return table;
}

void BaseTable::Erase(ProjectNumber project, std::uint32_t id,
                      WriteBatch& rows) {
  const std::string prefix = MirrorPrefix(project, id);
  rows.DeleteRange(Column::kMirror, prefix, PrefixEnd(prefix));
}

absl::Status BaseTable::MapTokens(const Store& store, ProjectNumber project,
                                  std::uint32_t id,
                                  const std::function<Token(const Token&)>& map,
                                  WriteBatch& rows) {
  const std::string prefix = MirrorPrefix(project, id) + kPathTag;
  IterateOptions options;
  options.lower_bound = prefix;
  options.upper_bound = PrefixEnd(prefix);
  options.fill_cache = false;
  const auto stored = store.NewIterator(Column::kMirror, options);
  for (stored->Seek(prefix); stored->Valid(); stored->Next()) {
    SYNCLINE_ASSIGN_OR_RETURN(BaseEntry entry,
                              DecodeBaseEntry(stored->value()));
    if (entry.token.empty()) continue;
    const absl::StatusOr<Token> token = DecodeToken(entry.token);
    if (!token.ok()) return BadRow(stored->key());
    std::string mapped = EncodeToken(map(*token));
    if (mapped == entry.token) continue;
    entry.token = std::move(mapped);
    rows.Put(Column::kMirror, stored->key(), EncodeBaseEntry(entry));
  }
  SYNCLINE_RETURN_IF_ERROR(stored->status());
  return BaseIntents::MapTokens(store, project, id, map, rows);
}

absl::Status BaseTable::Load() {
  IterateOptions options;
  options.lower_bound = prefix_;
  options.upper_bound = PrefixEnd(prefix_);
  options.fill_cache = false;
  const auto rows = store_.NewIterator(Column::kMirror, options);
  for (rows->Seek(prefix_); rows->Valid(); rows->Next()) {
    const std::string_view rest = rows->key().substr(prefix_.size());
    if (rest.empty()) return BadRow(rows->key());
    if (rest[0] == kPathTag) {
      if (rest.size() > 1) ++size_;
    } else if (rest[0] == kPendingTag) {
      pending_[std::string(rest.substr(1))] = rows->value() == "1";
    } else if (rest[0] == kNameTag) {
      ByteReader reader(rows->value());
      attached_ = reader.U8() != 0;
      name_ = reader.rest();
    } else if (rest[0] == kRulesTag) {
      rules_ = rows->value();
    } else if (rest[0] == kCursorTag) {
      ByteReader reader(rows->value());
      Cursor cursor;
      cursor.seq.value = reader.U64();
      cursor.log.bytes = reader.Sized();
      if (!reader.AtEnd()) return BadRow(rows->key());
      cursor_ = std::move(cursor);
    } else if (rest[0] != kIntentTag) {
      return BadRow(rows->key());
    }
  }
  return rows->status();
}

void BaseTable::Set(std::string key, std::optional<std::string> value,
                    WriteBatch& rows) {
  if (value) {
    rows.Put(Column::kMirror, key, *value);
  } else {
    rows.Delete(Column::kMirror, key);
  }
  overlay_[std::move(key)] = std::move(value);
}

bool BaseTable::Holds(const std::string& key) const {
  const auto found = overlay_.find(key);
  if (found != overlay_.end()) return found->second.has_value();
  return store_.Get(Column::kMirror, key).ok();
}

absl::StatusOr<std::optional<BaseEntry>> BaseTable::Get(
    std::string_view path) const {
  const std::string key = prefix_ + kPathTag + PathKey(path);
  std::string bytes;
  const auto found = overlay_.find(key);
  if (found != overlay_.end()) {
    if (!found->second) return std::optional<BaseEntry>();
    bytes = *found->second;
  } else {
    auto stored = store_.Get(Column::kMirror, key);
    if (absl::IsNotFound(stored.status())) return std::optional<BaseEntry>();
    if (!stored.ok()) return stored.status();
    bytes = *std::move(stored);
  }
  auto entry = DecodeBaseEntry(bytes);
  if (!entry.ok()) return Annotate(entry.status(), path);
  return std::optional<BaseEntry>(*std::move(entry));
}

absl::Status BaseTable::Walk(
    std::string_view path,
    const std::function<bool(const std::string&, const BaseEntry&)>& visit)
    const {
  const std::string first = prefix_ + kPathTag + PathKey(path);
  const std::string below =
      path.empty() ? first : first + '\0';  // Where descendants start.
  const std::string end = path.empty() ? PrefixEnd(first) : first + '\1';
  const auto give = [&](std::string_view key,
                        std::string_view value) -> absl::StatusOr<bool> {
    if (key != first && key < below) return true;
    SYNCLINE_ASSIGN_OR_RETURN(const BaseEntry entry, DecodeBaseEntry(value));
    return visit(PathOfKey(key.substr(prefix_.size() + 1)), entry);
  };
  IterateOptions options;
  options.lower_bound = first;
  options.upper_bound = end;
  const auto rows = store_.NewIterator(Column::kMirror, options);
  rows->Seek(first);
  auto over = overlay_.lower_bound(first);
  const auto over_end = overlay_.lower_bound(end);
  while (rows->Valid() || over != over_end) {
    absl::StatusOr<bool> more = true;
    if (over == over_end || (rows->Valid() && rows->key() < over->first)) {
      more = give(rows->key(), rows->value());
      rows->Next();
    } else {
      if (rows->Valid() && rows->key() == over->first) rows->Next();
      if (over->second) more = give(over->first, *over->second);
      ++over;
    }
    if (!more.ok()) return Annotate(more.status(), path);
    if (!*more) return absl::OkStatus();
  }
  return rows->status();
}

void BaseTable::Put(std::string_view path, const BaseEntry& entry,
                    WriteBatch& rows) {
  std::string key = prefix_ + kPathTag + PathKey(path);
  if (!path.empty() && !Holds(key)) ++size_;
  Set(std::move(key), EncodeBaseEntry(entry), rows);
}

void BaseTable::Remove(std::string_view path, WriteBatch& rows) {
  std::string key = prefix_ + kPathTag + PathKey(path);
  if (!Holds(key)) return;
  if (!path.empty()) --size_;
  Set(std::move(key), std::nullopt, rows);
}

absl::Status BaseTable::MoveTrees(
    const std::vector<std::pair<std::string, std::string>>& moves,
    WriteBatch& rows) {
  std::vector<std::pair<std::string, BaseEntry>> moved;
  std::vector<std::string> cleared;
  for (const auto& [from, to] : moves) {
    SYNCLINE_CHECK(!from.empty() && !to.empty(), "the root does not move");
    SYNCLINE_RETURN_IF_ERROR(
        Walk(from, [&, &from = from, &to = to](const std::string& path,
                                               const BaseEntry& entry) {
          moved.emplace_back(Rebase(path, from, to), entry);
          cleared.push_back(path);
          return true;
        }));
    SYNCLINE_RETURN_IF_ERROR(
        Walk(to, [&](const std::string& path, const BaseEntry&) {
          cleared.push_back(path);
          return true;
        }));
  }
  for (const std::string& path : cleared) Remove(path, rows);
  for (const auto& [path, entry] : moved) Put(path, entry, rows);
  return absl::OkStatus();
}

void BaseTable::SetName(const std::string& name, bool attached,
                        WriteBatch& rows) {
  name_ = name;
  attached_ = attached;
  rows.Put(Column::kMirror, prefix_ + kNameTag,
           std::string(1, attached ? '\1' : '\0') + name);
}

void BaseTable::SetCursor(const Cursor& cursor, WriteBatch& rows) {
  std::string value;
  AppendU64(value, cursor.seq.value);
  AppendSized(value, cursor.log.bytes);
  rows.Put(Column::kMirror, prefix_ + kCursorTag, std::move(value));
  cursor_ = cursor;
}

void BaseTable::SetRules(const std::string& digest, WriteBatch& rows) {
  rules_ = digest;
  rows.Put(Column::kMirror, prefix_ + kRulesTag, digest);
}

void BaseTable::AddPending(const std::string& path, bool whole,
                           WriteBatch& rows) {
  const auto [row, added] = pending_.try_emplace(path, whole);
  if (!added && (row->second || !whole)) return;
  row->second = row->second || whole;
  rows.Put(Column::kMirror, prefix_ + kPendingTag + path,
           row->second ? "1" : "0");
}

void BaseTable::RemovePending(const std::string& path, WriteBatch& rows) {
  if (pending_.erase(path) == 0) return;
  rows.Delete(Column::kMirror, prefix_ + kPendingTag + path);
}

absl::Status BaseTable::Stats(
    std::string_view path, bool whole,
    const std::function<bool(const std::string&, const BaseStat&)>& visit)
    const {
  const std::string first = prefix_ + kPathTag + PathKey(path);
  const std::size_t below = first.size() + (path.empty() ? 0 : 1);
  IterateOptions options;
  options.lower_bound = first;
  options.upper_bound = path.empty() ? PrefixEnd(first) : first + '\1';
  options.fill_cache = false;
  const auto rows = store_.NewIterator(Column::kMirror, options);
  rows->Seek(first);
  while (rows->Valid()) {
    const std::string key(rows->key());
    if (!whole && key.size() > below) {
      const std::size_t deeper = key.find('\0', below);
      if (deeper != std::string::npos) {  // Skip what is below a child.
        rows->Seek(key.substr(0, deeper) + '\1');
        continue;
      }
    }
    auto stat = DecodeBaseStat(rows->value());
    if (!stat.ok()) return BadRow(key);
    if (!visit(PathOfKey(key.substr(prefix_.size() + 1)), *stat)) break;
    rows->Next();
  }
  return rows->status();
}

}  // namespace syncline
