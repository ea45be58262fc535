#include "replication/conflict_records.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "absl/functional/function_ref.h"
#include "base/bytes.h"
#include "base/status.h"
#include "kv/file_content.h"
#include "replication/project_rows.h"
#include "replication/state/strategy.h"

// Row `c`: u8 format, sized item key (empty: a document), varint count of
// sides {origin, varint counter, varint ms, u8 kind, varint size, hash, u8
// automatic}, u8 resolved {varint seq, origin, varint counter, sized cause, u8
// has version {origin, varint counter}}. Row `v`: the rest of the key of `c`.

namespace syncline {
namespace {

constexpr std::uint8_t kFormat = 1;
constexpr char kDocument = '-';

std::string RestOfKey(Seq seq, std::string_view path) {
  std::string key;
  AppendU64(key, seq.value);
  key += path;
  return key;
}

void AppendDot(std::string& out, const Dot& dot) {
  out += dot.origin.view();
  AppendVarint(out, dot.counter);
}

Dot TakeDot(ByteReader& reader) {
  const auto origin = Origin::FromBytes(reader.Bytes(Origin::kBytes));
  return {origin.value_or(Origin{}), reader.Varint()};
}

void AppendSide(std::string& out, const ConflictSide& side) {
  AppendDot(out, side.version);
  AppendVarint(out, static_cast<std::uint64_t>(side.time_ms));
  out.push_back(side.kind ? static_cast<char>(*side.kind) : kDocument);
  AppendVarint(out, side.size);
  out += side.hash.view();
  out.push_back(side.automatic ? 1 : 0);
}

ConflictSide TakeSide(ByteReader& reader) {
  ConflictSide side;
  side.version = TakeDot(reader);
  side.time_ms = static_cast<std::int64_t>(reader.Varint());
  const char kind = static_cast<char>(reader.U8());
  if (kind == 'f' || kind == 'l') side.kind = static_cast<ItemKind>(kind);
  side.size = reader.Varint();
  side.hash = Hash::FromBytes(reader.Bytes(Hash::kBytes)).value_or(Hash{});
  side.automatic = reader.U8() != 0;
  return side;
}

std::string EncodeRecord(const ConflictRecord& record) {
  std::string out(1, static_cast<char>(kFormat));
  std::string item;
  if (record.reg.field == RegisterId::Field::kContent) {
    record.reg.item.AppendKey(item);
  }
  AppendSized(out, item);
  AppendVarint(out, record.sides.size());
  for (const ConflictSide& side : record.sides) AppendSide(out, side);
  out.push_back(record.resolution ? 1 : 0);
  if (!record.resolution) return out;
  AppendVarint(out, record.resolution->seq.value);
  AppendDot(out, record.resolution->by);
  AppendSized(out, record.resolution->cause);
  out.push_back(record.resolution->version ? 1 : 0);
  if (record.resolution->version) AppendDot(out, *record.resolution->version);
  return out;
}

RegisterId RegisterOf(std::string_view item, std::string_view path, bool& ok) {
  RegisterId reg;
  if (!item.empty()) {
    const auto id = ItemId::FromKey(item);
    ok = ok && id.has_value();
    reg.item = id.value_or(kRoot);
    return reg;
  }
  const auto name = DocOfPath(path);
  ok = ok && name.has_value();
  reg.field = RegisterId::Field::kDoc;
  if (name) {
    reg.name_space = name->first;
    reg.key = name->second;
  }
  return reg;
}

// `rest` of the key, and the value, of a row `c`.
absl::StatusOr<ConflictRecord> DecodeRecord(std::string_view rest,
                                            std::string_view value) {
  ConflictRecord record;
  ByteReader key(rest);
  record.seq = Seq{key.U64()};
  record.path = key.rest();
  ByteReader reader(value);
  bool ok = key.ok() && reader.U8() == kFormat;
  record.reg = RegisterOf(reader.Sized(), record.path, ok);
  const std::uint64_t sides = reader.Varint();
  for (std::uint64_t i = 0; i < sides && ok && reader.ok(); ++i) {
    record.sides.push_back(TakeSide(reader));
  }
  if (reader.U8() != 0) {
    ConflictRecord::Resolution& end = record.resolution.emplace();
    end.seq = Seq{reader.Varint()};
    end.by = TakeDot(reader);
    end.cause = reader.Sized();
    if (reader.U8() != 0) end.version = TakeDot(reader);
  }
  if (!ok || !reader.AtEnd()) return DataLoss("a conflict's row is malformed");
  return record;
}

bool Before(const ConflictSide& a, const ConflictSide& b) {
  return std::tie(a.version, a.kind, a.hash, a.size) <
         std::tie(b.version, b.kind, b.hash, b.size);
}

absl::StatusOr<std::optional<Row>> RowAt(const CausalState& state,
                                         std::string_view path,
                                         const RegisterId& reg) {
  if (reg.field == RegisterId::Field::kDoc) {
    return state.LookupDoc(reg.name_space, reg.key);
  }
  return state.Lookup(path);
}

bool IsBelow(std::string_view path, std::string_view directory) {
  return path.size() > directory.size() && path.starts_with(directory) &&
         path[directory.size()] == '/';
}

// Visits the rows `c` from behind `after` on; stops where `visit` says false.
absl::Status ForEach(
    const Store& store, ProjectNumber project, Seq after,
    absl::FunctionRef<bool(std::string_view key, ConflictRecord)> visit) {
  const std::string prefix = ProjectRowPrefix(project, ProjectRow::kConflict);
  IterateOptions range;
  range.lower_bound = prefix + RestOfKey(after.next(), "");
  range.upper_bound = PrefixEnd(prefix);
  auto rows = store.NewIterator(Column::kProjects, range);
  for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
    SYNCLINE_ASSIGN_OR_RETURN(
        ConflictRecord record,
        DecodeRecord(rows->key().substr(prefix.size()), rows->value()));
    if (!visit(rows->key(), std::move(record))) break;
  }
  return rows->status();
}

}  // namespace

ConflictSide DescribeSide(const Sibling& sibling) {
  ConflictSide side;
  side.version = sibling.head.order.dot();
  side.time_ms =
      static_cast<std::int64_t>(sibling.head.order.hlc.milliseconds());
  side.automatic = sibling.head.generation > 0;
  if (sibling.reg.field == RegisterId::Field::kDoc) {
    side.size = sibling.payload().size();
    side.hash = Sha256(sibling.payload());
    return side;
  }
  side.kind = sibling.reg.item.kind;
  if (side.kind == ItemKind::kSymlink) {
    const auto target = DecodeSymlinkPayload(sibling.payload());
    if (target.ok()) side.size = target->size();
  } else if (const auto content = FileContent::Decode(sibling.payload());
             content.ok()) {
    side.size = content->size;
    side.hash = content->hash;
  }
  return side;
}

absl::StatusOr<std::unique_ptr<ConflictRecords>> ConflictRecords::Open(
    Store& store, ProjectNumber project, const CausalState& state) {
  std::unique_ptr<ConflictRecords> records(new ConflictRecords(store, project));
  SYNCLINE_RETURN_IF_ERROR(records->Load(state));
  return records;
}

absl::Status ConflictRecords::Load(const CausalState& state) {
  SYNCLINE_ASSIGN_OR_RETURN(const std::vector<std::string> open,
                            state.Conflicts());
  const std::set<std::string_view> now(open.begin(), open.end());
  absl::Status status = absl::OkStatus();
  status.Update(ForEach(store_, project_, {},
                        [&](std::string_view, ConflictRecord record) {
                          if (record.resolution) return true;
                          // Rows keep the path of when the conflict came up.
                          std::string path = record.path;
                          if (record.reg.field == RegisterId::Field::kContent) {
                            const auto at = state.PathOf(record.reg.item);
                            status.Update(at.status());
                            if (at.ok() && *at) path = **at;
                          }
                          if (now.contains(path))
                            open_[path] = std::move(record);
                          return status.ok();
                        }));
  return status;
}

absl::Status ConflictRecords::Note(
    const CausalState& state, const Cause& cause,
    const std::vector<PathChange>& changes,
    const std::vector<std::string>& open_conflicts, WriteBatch& rows) {
  if (open_.empty() && open_conflicts.empty()) return absl::OkStatus();
  for (const PathChange& change : changes) {
    switch (change.type) {
      case PathChange::Type::kRename:
        TakeRename(change.from, change.path);
        break;
      case PathChange::Type::kDelete:
      case PathChange::Type::kResolve:
        SYNCLINE_RETURN_IF_ERROR(TakeEnd(state, cause, change.path, rows));
        break;
      case PathChange::Type::kSubtree:
        SYNCLINE_RETURN_IF_ERROR(LookBelow(state, cause, change.path, rows));
        break;
      default:
        break;
    }
  }
  for (const std::string& path : open_conflicts) {
    SYNCLINE_RETURN_IF_ERROR(TakeOpen(state, cause, path, rows));
  }
  return absl::OkStatus();
}

absl::Status ConflictRecords::TakeOpen(const CausalState& state,
                                       const Cause& cause,
                                       const std::string& path,
                                       WriteBatch& rows) {
  SYNCLINE_ASSIGN_OR_RETURN(const std::optional<Row> row,
                            ConflictRow(state, path));
  if (!row) return absl::OkStatus();
  const auto [at, added] = open_.try_emplace(path);
  ConflictRecord& record = at->second;
  if (added) {
    record.seq = cause.seq;
    record.path = path;
    record.reg = row->shown_sibling().reg;
  }
  const std::size_t known = record.sides.size();
  for (const Sibling& sibling : row->siblings) {
    ConflictSide side = DescribeSide(sibling);
    const auto place = std::lower_bound(record.sides.begin(),
                                        record.sides.end(), side, Before);
    if (place == record.sides.end() || Before(side, *place)) {
      record.sides.insert(place, side);
    }
  }
  if (record.sides.size() == known) return absl::OkStatus();
  rows.Put(Column::kProjects,
           ProjectRowKey(project_, ProjectRow::kConflict,
                         RestOfKey(record.seq, record.path)),
           EncodeRecord(record));
  return absl::OkStatus();
}

void ConflictRecords::TakeRename(const std::string& from,
                                 const std::string& to) {
  std::vector<decltype(open_)::node_type> moved;
  for (auto at = open_.lower_bound(from);
       at != open_.end() && at->first.starts_with(from);) {
    const auto next = std::next(at);
    if (at->first == from || IsBelow(at->first, from)) {
      moved.push_back(open_.extract(at));
      moved.back().key() = to + moved.back().key().substr(from.size());
    }
    at = next;
  }
  for (auto& node : moved) open_.insert(std::move(node));
}

absl::Status ConflictRecords::TakeEnd(const CausalState& state,
                                      const Cause& cause,
                                      const std::string& path,
                                      WriteBatch& rows) {
  const auto at = open_.find(path);
  if (at == open_.end()) return absl::OkStatus();
  ConflictRecord record = std::move(at->second);
  open_.erase(at);
  ConflictRecord::Resolution& end = record.resolution.emplace();
  end.seq = cause.seq;
  end.by = cause.dot;
  end.cause = cause.text;
  SYNCLINE_ASSIGN_OR_RETURN(const std::optional<Row> row,
                            RowAt(state, path, record.reg));
  if (row && !row->siblings.empty()) {
    end.version = row->shown_sibling().head.order.dot();
  }
  const std::string rest = RestOfKey(record.seq, record.path);
  rows.Put(Column::kProjects,
           ProjectRowKey(project_, ProjectRow::kConflict, rest),
           EncodeRecord(record));
  rows.Put(Column::kProjects,
           ProjectRowKey(project_, ProjectRow::kConflictEnd,
                         RestOfKey(cause.seq, path)),
           rest);
  return absl::OkStatus();
}

// Directories merged or separated: what was in conflict below may be elsewhere
// now, where it comes up anew when it is touched.
absl::Status ConflictRecords::LookBelow(const CausalState& state,
                                        const Cause& cause,
                                        const std::string& path,
                                        WriteBatch& rows) {
  std::vector<std::string> over;
  for (const auto& [each, record] : open_) {
    if (each != path && !path.empty() && !IsBelow(each, path)) continue;
    SYNCLINE_ASSIGN_OR_RETURN(const std::optional<Row> row,
                              ConflictRow(state, each));
    if (!row) over.push_back(each);
  }
  for (const std::string& each : over) {
    SYNCLINE_RETURN_IF_ERROR(TakeEnd(state, cause, each, rows));
  }
  return absl::OkStatus();
}

absl::Status ConflictRecords::Prune(Seq horizon, WriteBatch& rows) {
  std::set<std::string> kept;
  for (const auto& [path, record] : open_) {
    kept.insert(RestOfKey(record.seq, record.path));
  }
  return ForEach(
      store_, project_, {},
      [&](std::string_view key, const ConflictRecord& record) {
        const std::string rest = RestOfKey(record.seq, record.path);
        const bool over = record.resolution
                              ? record.resolution->seq <= horizon
                              : record.seq <= horizon && !kept.contains(rest);
        if (!over) return true;
        rows.Delete(Column::kProjects, std::string(key));
        if (record.resolution) {
          rows.DeleteRange(
              Column::kProjects,
              ProjectRowKey(project_, ProjectRow::kConflictEnd,
                            RestOfKey(record.resolution->seq, "")),
              ProjectRowKey(project_, ProjectRow::kConflictEnd,
                            RestOfKey(record.resolution->seq.next(), "")));
        }
        return true;
      });
}

const ConflictRecord* ConflictRecords::OpenAt(std::string_view path) const {
  const auto at = open_.find(path);
  return at == open_.end() ? nullptr : &at->second;
}

absl::StatusOr<std::optional<ConflictRecord>> ConflictRecords::At(
    Seq seq, std::string_view path) const {
  std::string rest = RestOfKey(seq, path);
  const absl::StatusOr<std::string> end =
      store_.Get(Column::kProjects,
                 ProjectRowKey(project_, ProjectRow::kConflictEnd, rest));
  if (end.ok()) {
    rest = *end;
  } else if (!absl::IsNotFound(end.status())) {
    return end.status();
  }
  const absl::StatusOr<std::string> row = store_.Get(
      Column::kProjects, ProjectRowKey(project_, ProjectRow::kConflict, rest));
  if (absl::IsNotFound(row.status())) return std::optional<ConflictRecord>();
  SYNCLINE_RETURN_IF_ERROR(row.status());
  SYNCLINE_ASSIGN_OR_RETURN(ConflictRecord record, DecodeRecord(rest, *row));
  return std::optional<ConflictRecord>(std::move(record));
}

absl::StatusOr<std::vector<ConflictRecord>> ConflictRecords::Resolved(
    Seq horizon, Seq after, std::size_t limit) const {
  std::vector<ConflictRecord> records;
  SYNCLINE_RETURN_IF_ERROR(ForEach(
      store_, project_, after, [&](std::string_view, ConflictRecord record) {
        // A record may have made several: they come together.
        if (records.size() >= limit && record.seq != records.back().seq) {
          return false;
        }
        if (record.resolution && record.resolution->seq > horizon) {
          records.push_back(std::move(record));
        }
        return true;
      }));
  return records;
}

}  // namespace syncline
