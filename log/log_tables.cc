#include "log/log_tables.h"

#include <memory>
#include <string>

#include "base/status.h"
#include "log/log_rows.h"

namespace syncline {
namespace {

std::unique_ptr<StoreIterator> Below(const Store& store, Column column,
                                     const std::string& prefix) {
  IterateOptions options;
  options.lower_bound = prefix;
  options.upper_bound = PrefixEnd(prefix);
  return store.NewIterator(column, options);
}

absl::Status LoadFrontier(const Store& store, ProjectNumber project,
                          LogTables& tables) {
  const std::string prefix = OriginRowsPrefix(project);
  const auto rows = Below(store, Column::kProjects, prefix);
  for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
    SYNCLINE_ASSIGN_OR_RETURN(const Origin origin,
                              OriginOfKey(prefix, rows->key()));
    SYNCLINE_ASSIGN_OR_RETURN(const OriginRow row, DecodeOrigin(rows->value()));
    tables.frontier.Raise(origin, row.counter);
    tables.chains.emplace(origin, row.chain);
  }
  return rows->status();
}

absl::Status LoadTruncated(const Store& store, ProjectNumber project,
                           LogTables& tables) {
  const std::string prefix = TruncatedRowsPrefix(project);
  const auto rows = Below(store, Column::kProjects, prefix);
  for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
    SYNCLINE_ASSIGN_OR_RETURN(const Origin origin,
                              OriginOfKey(prefix, rows->key()));
    SYNCLINE_ASSIGN_OR_RETURN(const std::uint64_t counter,
                              DecodeTruncated(rows->value()));
    tables.truncated.Raise(origin, counter);
  }
  return rows->status();
}

absl::Status LoadHorizon(const Store& store, ProjectNumber project,
                         LogTables& tables) {
  const auto value = store.Get(Column::kProjects, HorizonKey(project));
  if (absl::IsNotFound(value.status())) return absl::OkStatus();
  SYNCLINE_RETURN_IF_ERROR(value.status());
  SYNCLINE_ASSIGN_OR_RETURN(tables.horizon, DecodeHorizon(*value));
  return absl::OkStatus();
}

// Counts in the records behind the head row.
absl::Status LoadTail(const Store& store, ProjectNumber project,
                      LogTables& tables) {
  IterateOptions options;
  options.lower_bound = RecordKey(project, tables.head.next());
  options.upper_bound = PrefixEnd(ProjectPrefix(project));
  const auto rows = store.NewIterator(Column::kLog, options);
  for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
    const Seq seq = tables.head.next();
    if (rows->key() != RecordKey(project, seq)) {
      return DataLoss("seq " + std::to_string(seq.value) +
                      ": record is missing");
    }
    const absl::StatusOr<RecordView> record = DecodeRecord(seq, rows->value());
    if (!record.ok()) {
      return Annotate(record.status(), "seq " + std::to_string(seq.value));
    }
    const Dot& dot = record->dot;
    if (dot.counter != tables.frontier.CounterOf(dot.origin) + 1) {
      return DataLoss("seq " + std::to_string(seq.value) +
                      ": not the next of its origin");
    }
    tables.head = seq;
    tables.frontier.Raise(dot.origin, dot.counter);
    Hash& chain = tables.chains[dot.origin];
    chain = Sha256(chain.view(), record->entry);
    tables.unrecorded[dot.origin] = {dot.counter, chain};
  }
  return rows->status();
}

// The first and the last record are where the head and the horizon say, and
// the last one is the newest of its origin.
absl::Status CheckRecords(const Store& store, ProjectNumber project,
                          const LogTables& tables) {
  const auto rows = Below(store, Column::kLog, ProjectPrefix(project));
  rows->SeekToFirst();
  if (!rows->Valid()) {
    SYNCLINE_RETURN_IF_ERROR(rows->status());
    return tables.horizon == tables.head
               ? absl::OkStatus()
               : DataLoss("records behind the horizon are missing");
  }
  if (rows->key() != RecordKey(project, tables.horizon.next())) {
    return DataLoss("the first record is not the one behind the horizon");
  }
  rows->SeekToLast();
  if (!rows->Valid() || rows->key() != RecordKey(project, tables.head)) {
    SYNCLINE_RETURN_IF_ERROR(rows->status());
    return DataLoss("the last record is not the head");
  }
  const absl::StatusOr<RecordView> last =
      DecodeRecord(tables.head, rows->value());
  if (!last.ok()) {
    return Annotate(last.status(), "seq " + std::to_string(tables.head.value));
  }
  if (!last->joined() &&
      tables.frontier.CounterOf(last->dot.origin) != last->dot.counter) {
    return DataLoss("the last record is not the newest of its origin");
  }
  return absl::OkStatus();
}

absl::Status Check(const Store& store, ProjectNumber project,
                   const LogTables& tables) {
  if (tables.head < tables.horizon) {
    return DataLoss("the horizon is beyond the head");
  }
  if (!tables.frontier.Covers(tables.truncated)) {
    return DataLoss("more was truncated of an origin than was appended");
  }
  return CheckRecords(store, project, tables);
}

// Rows without a head row can only be what is left of a log.
absl::Status CheckNoLog(const Store& store, ProjectNumber project) {
  const auto records = Below(store, Column::kLog, ProjectPrefix(project));
  const auto rows = Below(store, Column::kProjects, LogRowsPrefix(project));
  records->SeekToFirst();
  rows->SeekToFirst();
  SYNCLINE_RETURN_IF_ERROR(records->status());
  SYNCLINE_RETURN_IF_ERROR(rows->status());
  if (records->Valid() || rows->Valid()) {
    return DataLoss("the head row is missing");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::optional<LogTables>> LoadLogTables(const Store& store,
                                                       ProjectNumber project) {
  const auto value = store.Get(Column::kProjects, HeadKey(project));
  if (absl::IsNotFound(value.status())) {
    SYNCLINE_RETURN_IF_ERROR(CheckNoLog(store, project));
    return std::optional<LogTables>();
  }
  SYNCLINE_RETURN_IF_ERROR(value.status());
  SYNCLINE_ASSIGN_OR_RETURN(HeadRow head, DecodeHead(*value));
  LogTables tables;
  tables.id = std::move(head.id);
  tables.head = tables.recorded = head.head;
  SYNCLINE_RETURN_IF_ERROR(LoadHorizon(store, project, tables));
  SYNCLINE_RETURN_IF_ERROR(LoadFrontier(store, project, tables));
  SYNCLINE_RETURN_IF_ERROR(LoadTail(store, project, tables));
  SYNCLINE_RETURN_IF_ERROR(LoadTruncated(store, project, tables));
  SYNCLINE_RETURN_IF_ERROR(Check(store, project, tables));
  return std::optional<LogTables>(std::move(tables));
}

}  // namespace syncline
