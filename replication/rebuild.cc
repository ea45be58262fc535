#include "replication/rebuild.h"

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "base/bytes.h"
#include "base/status.h"
#include "log/commit_queue.h"
#include "log/log_rows.h"
#include "log/log_tables.h"
#include "proto/entry_codec.h"
#include "replication/project_rows.h"

namespace syncline {
namespace {

// The new log and state are made under this number, then moved.
constexpr std::uint32_t kAsideBit = 1u << 31;
constexpr std::size_t kSegmentBytesMax = 1u << 20;
constexpr std::size_t kMoveBytesMax = 4u << 20;
constexpr std::string_view kReissueCause = "reissue";

// What a project's replica owns; a mirror's rows stay.
constexpr std::array kColumns = {Column::kProjects, Column::kLog, Column::kDots,
                                 Column::kHeads, Column::kTree};

ProjectNumber Aside(ProjectNumber project) {
  return {project.value | kAsideBit};
}

// Under the number aside: it is whole.
std::string ReadyKey(ProjectNumber project) {
  return ProjectRowKey(Aside(project), ProjectRow::kReady, "");
}

void EraseAll(ProjectNumber project, WriteBatch& batch) {
  const std::string prefix = ProjectPrefix(project);
  for (const Column column : kColumns) {
    batch.DeleteRange(column, prefix, PrefixEnd(prefix));
  }
}

// Whoever makes a project anew waits for every write.
class NoQueue final : public SyncQueue {
 public:
  void Submit(std::function<absl::Status()> write,
              std::function<absl::Status()> /*sync*/,
              std::function<void(absl::Status)> done, Urgency) override {
    done(write());  // All of it is synced at the end.
  }
};

std::string GivenUpKey(ProjectNumber project, const Dot& dot) {
  std::string key =
      ProjectRowKey(project, ProjectRow::kGivenUp, dot.origin.view());
  AppendU64(key, dot.counter);
  return key;
}

// Who has settled it knows.
void EraseDoubt(ProjectNumber project, const Origin& origin, WriteBatch& rows) {
  rows.Delete(Column::kProjects,
              ProjectRowKey(project, ProjectRow::kDoubt, origin.view()));
}

std::unique_ptr<StoreIterator> RowsOf(const Store& store, Column column,
                                      const std::string& prefix) {
  IterateOptions range;
  range.lower_bound = prefix;
  range.upper_bound = PrefixEnd(prefix);
  range.fill_cache = false;
  return store.NewIterator(column, range);
}

absl::Status MoveRows(Store& store, Column column, ProjectNumber project) {
  const std::string from = ProjectPrefix(Aside(project));
  const std::string to = ProjectPrefix(project);
  const auto rows = RowsOf(store, column, from);
  WriteBatch batch;
  batch.DeleteRange(column, to, PrefixEnd(to));
  for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
    if (column == Column::kProjects && rows->key() == ReadyKey(project)) {
      continue;
    }
    batch.Put(column, to + std::string(rows->key().substr(from.size())),
              rows->value());
    if (batch.bytes() < kMoveBytesMax) continue;
    SYNCLINE_RETURN_IF_ERROR(store.Write(batch, false));
    batch.Clear();
  }
  SYNCLINE_RETURN_IF_ERROR(rows->status());
  return store.Write(batch, false);
}

// One rebuild, up to the row that says that it is whole.
class Rebuilding {
 public:
  Rebuilding(const Replica::Environment& environment,
             const Replica::Identity& identity, const Fork& fork)
      : env_(environment), identity_(identity), fork_(fork) {
    reissue_.TakeOut(fork.origin, fork.counter + 1);
  }

  absl::Status Run() {
    WriteBatch clear;
    EraseAll(Aside(identity_.number), clear);
    SYNCLINE_RETURN_IF_ERROR(env_.store.Write(clear, false));
    SYNCLINE_RETURN_IF_ERROR(OpenBoth());
    SYNCLINE_RETURN_IF_ERROR(FindOut());
    SYNCLINE_RETURN_IF_ERROR(KeepRest());
    SYNCLINE_RETURN_IF_ERROR(IssueAnew());
    absl::Status flushed = absl::UnknownError("not flushed");
    new_->Flush([&](const absl::Status& status) { flushed = status; });
    SYNCLINE_RETURN_IF_ERROR(Turn());
    new_.reset();
    old_.reset();
    return flushed;
  }

  absl::Status Declare(
      const std::function<absl::Status(const Reissue&, WriteBatch&)>& more) {
    WriteBatch batch = std::move(given_up_rows_);
    SYNCLINE_RETURN_IF_ERROR(
        Keep(ProjectRowPrefix(identity_.number, ProjectRow::kGivenUp), batch));
    SYNCLINE_RETURN_IF_ERROR(
        Keep(ProjectRowPrefix(identity_.number, ProjectRow::kSettled), batch));
    SYNCLINE_RETURN_IF_ERROR(
        Keep(ProjectRowPrefix(identity_.number, ProjectRow::kDoubt), batch));
    SYNCLINE_RETURN_IF_ERROR(Keep(CursorRowsPrefix(identity_.number), batch));
    // Whose the origin is, also where nothing of it is left.
    SYNCLINE_RETURN_IF_ERROR(
        Keep(ProjectRowKey(identity_.number, ProjectRow::kDevice,
                           fork_.origin.view()),
             batch));
    Settle(Aside(identity_.number), {fork_, given_up_}, batch);
    EraseDoubt(Aside(identity_.number), fork_.origin, batch);
    if (more) SYNCLINE_RETURN_IF_ERROR(more(reissue_, batch));
    batch.Put(Column::kProjects, ReadyKey(identity_.number), "");
    return env_.store.Write(batch, true);
  }

  Reissue& reissue() { return reissue_; }

 private:
  absl::Status OpenBoth() {
    SYNCLINE_ASSIGN_OR_RETURN(
        old_, AppendLog::Open(commits_, identity_.number, env_.random, {}));
    // Nor after a state was taken in: its entries are not in the log.
    if (!old_->truncated().empty()) {
      return FailedPrecondition(
          "the log was truncated, so the project cannot be made anew without "
          "the entries that others contradict (remove it here and join again)");
    }
    SYNCLINE_ASSIGN_OR_RETURN(given_up_,
                              old_->ChainAt({fork_.origin, fork_.counter + 1}));
    SYNCLINE_ASSIGN_OR_RETURN(chain_,
                              old_->ChainAt({fork_.origin, fork_.counter}));
    SYNCLINE_RETURN_IF_ERROR(LoadOwn());
    Replica::Identity aside = identity_;
    aside.number = Aside(identity_.number);
    Replica::Options options;
    options.strategy = Strategy::kManual;
    options.check_signatures = false;  // They were, when they came.
    SYNCLINE_ASSIGN_OR_RETURN(
        new_, Replica::Open(
                  {env_.store, commits_, env_.chunks, env_.random, env_.time},
                  aside, options));
    return absl::OkStatus();
  }

  // Origins of this device.
  absl::Status LoadOwn() {
    const std::string prefix =
        ProjectRowPrefix(identity_.number, ProjectRow::kDevice);
    const auto rows = RowsOf(env_.store, Column::kProjects, prefix);
    for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
      const auto origin = Origin::FromBytes(rows->key().substr(prefix.size()));
      if (origin && rows->value() == identity_.device_key) {
        own_.push_back(*origin);
      }
    }
    return rows->status();
  }

  // Rows that stay as they are: origins settled before, and cursors, so that
  // whoever uses one is told that it is of another log.
  absl::Status Keep(const std::string& prefix, WriteBatch& batch) {
    const std::string aside = ProjectPrefix(Aside(identity_.number));
    const auto rows = RowsOf(env_.store, Column::kProjects, prefix);
    for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
      batch.Put(Column::kProjects,
                aside + std::string(rows->key().substr(aside.size())),
                rows->value());
    }
    return rows->status();
  }

  // Everything that goes: what was built on the fork, and of other devices'
  // origins also what could not be proven to others any more, because its
  // signature stands behind it.
  absl::Status FindOut() {
    for (std::map<Origin, std::uint64_t> before;
         before != reissue_.taken_out();) {
      before = reissue_.taken_out();
      SYNCLINE_RETURN_IF_ERROR(LowerToProven());
      const auto reader = old_->Read({});
      for (; reader->Valid(); reader->Next()) {
        const Dot& dot = reader->record().dot;
        if (reader->record().joined() || reissue_.TakenOut(dot)) continue;
        SYNCLINE_ASSIGN_OR_RETURN(const DecodedEntry decoded,
                                  DecodeEntry(reader->record().entry));
        if (reissue_.BuiltOnIt(decoded.entry)) {
          reissue_.TakeOut(dot.origin, dot.counter);
        }
      }
      SYNCLINE_RETURN_IF_ERROR(reader->status());
    }
    return absl::OkStatus();
  }

  absl::Status LowerToProven() {
    std::map<Origin, std::uint64_t> proven;
    CutReader cuts(env_.store, identity_.number, {});
    for (; cuts.Valid(); cuts.Next()) {
      for (const ChainHead& head : cuts.heads()) {
        if (!reissue_.TakenOut(head.dot)) {
          proven[head.dot.origin] = head.dot.counter;
        }
      }
    }
    SYNCLINE_RETURN_IF_ERROR(cuts.status());
    const std::map<Origin, std::uint64_t> out = reissue_.taken_out();
    for (const auto& [origin, first] : out) {
      if (!IsOwn(origin)) reissue_.TakeOut(origin, proven[origin] + 1);
    }
    return absl::OkStatus();
  }

  bool IsOwn(const Origin& origin) const {
    return std::find(own_.begin(), own_.end(), origin) != own_.end();
  }

  absl::Status KeepRest() {
    CutReader cuts(env_.store, identity_.number, {});
    const auto reader = old_->Read({});
    for (; reader->Valid(); reader->Next()) {
      const RecordView& record = reader->record();
      // Of a state whose installation was cut short. What it brought is gone
      // with what was staged of it, and asked for again.
      if (record.joined()) continue;
      if (!reissue_.TakenOut(record.dot)) {
        SYNCLINE_RETURN_IF_ERROR(KeepRecord(record));
      } else {
        NoteGivenUp(record);
        SYNCLINE_ASSIGN_OR_RETURN(DecodedEntry decoded,
                                  DecodeEntry(record.entry));
        gone_.push_back(std::move(decoded.entry));
      }
      for (; cuts.Valid() && cuts.seq() <= record.seq; cuts.Next()) {
        TakeSignatures(cuts.heads());
      }
      if (segment_.size() >= kSegmentBytesMax ||
          in_segment_ == kSegmentEntriesMax) {
        SYNCLINE_RETURN_IF_ERROR(Take());
      }
    }
    SYNCLINE_RETURN_IF_ERROR(reader->status());
    SYNCLINE_RETURN_IF_ERROR(cuts.status());
    return Take();
  }

  // In case that somebody still has it, see IsGivenUp().
  void NoteGivenUp(const RecordView& record) {
    if (record.dot.origin != fork_.origin ||
        record.dot.counter <= fork_.counter) {
      return;
    }
    chain_ = Sha256(chain_.view(), record.entry);
    given_up_rows_.Put(Column::kProjects,
                       GivenUpKey(Aside(identity_.number), record.dot),
                       chain_.view());
  }

  // What came together is kept together, so that its signatures are at its end.
  absl::Status KeepRecord(const RecordView& record) {
    const Origin& origin = record.dot.origin;
    if (!IsOwn(origin)) {
      if (unproven_.empty()) SYNCLINE_RETURN_IF_ERROR(Take());
      unproven_.insert(origin);
    }
    segment_ += record.frame;
    ++in_segment_;
    touched_.insert(origin);
    heads_[origin] = {
        record.dot, Sha256(heads_[origin].hash.view(), record.entry), {}};
    return absl::OkStatus();
  }

  void TakeSignatures(const std::vector<ChainHead>& heads) {
    for (const ChainHead& head : heads) {
      const auto at = heads_.find(head.dot.origin);
      if (at == heads_.end() || at->second.dot != head.dot) continue;
      at->second.signature = head.signature;
      unproven_.erase(head.dot.origin);
    }
  }

  absl::Status Take() {
    if (segment_.empty()) return absl::OkStatus();
    std::vector<ChainHead> heads;
    for (const Origin& origin : std::exchange(touched_, {})) {
      heads.push_back(heads_.at(origin));
    }
    SYNCLINE_ASSIGN_OR_RETURN(SegmentEntries entries, ReadSegment(segment_));
    absl::Status taken = absl::UnknownError("not taken in");
    new_->Ingest(entries, heads,
                 [&](const absl::StatusOr<Replica::Ingested>& ingested) {
                   taken = ingested.status();
                 });
    SYNCLINE_RETURN_IF_ERROR(Turn());
    segment_.clear();
    in_segment_ = 0;
    return taken;
  }

  // Others' entries too: whoever wrote them may never come again.
  absl::Status IssueAnew() {
    for (const Entry& entry : gone_) {
      if (CausalState::Violation(entry)) continue;
      const CausalState& state = new_->state();
      const Dot fresh{identity_.self,
                      state.frontier().CounterOf(identity_.self) + 1};
      std::vector<Effect> effects = reissue_.Rewrite(entry, fresh);
      if (effects.empty()) {
        reissue_.LeftOut(entry.dot);
        continue;
      }
      const std::string cause =
          entry.generation() > 0 ? entry.cause : std::string(kReissueCause);
      SYNCLINE_RETURN_IF_ERROR(
          new_->Commit(std::move(effects), cause, Durability::kBuffered, {}, {})
              .status());
      reissue_.Renamed(entry.dot, fresh);
      SYNCLINE_RETURN_IF_ERROR(Turn());
    }
    return absl::OkStatus();
  }

  absl::Status Turn() {
    io_.restart();
    io_.run();
    return new_->health();
  }

  const Replica::Environment& env_;
  const Replica::Identity& identity_;
  const Fork fork_;
  Hash given_up_;  // Chain hash behind the first entry of it.
  Hash chain_;     // ... behind what was read of it.
  WriteBatch given_up_rows_;
  Reissue reissue_;
  boost::asio::io_context io_;
  NoQueue queue_;
  CommitQueue commits_{env_.store, queue_, io_.get_executor()};
  std::unique_ptr<AppendLog> old_;
  std::unique_ptr<Replica> new_;
  std::vector<Origin> own_;
  std::vector<Entry> gone_;  // What is taken out, whosever it was.
  std::string segment_;
  std::size_t in_segment_ = 0;
  std::set<Origin> touched_;   // With entries in `segment_`.
  std::set<Origin> unproven_;  // ... the signature of which is still to come.
  std::map<Origin, ChainHead> heads_;
};

// How many entries of `origin` the log of `project` has.
absl::StatusOr<std::uint64_t> CounterOf(const Store& store,
                                        ProjectNumber project,
                                        const Origin& origin) {
  SYNCLINE_ASSIGN_OR_RETURN(const std::optional<LogTables> tables,
                            LoadLogTables(store, project));
  return tables ? tables->frontier.CounterOf(origin) : 0;
}

}  // namespace

absl::StatusOr<Reissue> Rebuild(
    const Replica::Environment& environment, const Replica::Identity& identity,
    const Fork& fork,
    const std::function<absl::Status(const Reissue&, WriteBatch&)>& more) {
  Store& store = environment.store;
  SYNCLINE_RETURN_IF_ERROR(FinishRebuild(store, identity.number));
  SYNCLINE_ASSIGN_OR_RETURN(const std::uint64_t counter,
                            CounterOf(store, identity.number, fork.origin));
  if (counter <= fork.counter) {
    WriteBatch settled;
    Settle(identity.number, {fork, std::nullopt}, settled);
    EraseDoubt(identity.number, fork.origin, settled);
    SYNCLINE_RETURN_IF_ERROR(store.Write(settled, false));
    SYNCLINE_RETURN_IF_ERROR(
        TakeNewLogId(store, identity.number, environment.random));
    return Reissue();
  }
  Rebuilding rebuilding(environment, identity, fork);
  SYNCLINE_RETURN_IF_ERROR(rebuilding.Run());
  SYNCLINE_RETURN_IF_ERROR(rebuilding.Declare(more));
  SYNCLINE_RETURN_IF_ERROR(FinishRebuild(environment.store, identity.number));
  return std::move(rebuilding.reissue());
}

bool CanRebuild(const AppendLog& log, const Fork& fork) {
  return fork.counter != Fork::kUnknown &&
         (log.truncated().empty() ||
          log.frontier().CounterOf(fork.origin) <= fork.counter);
}

absl::Status TakeNewLogId(Store& store, ProjectNumber project,
                          RandomSource& random) {
  const auto value = store.Get(Column::kProjects, HeadKey(project));
  if (absl::IsNotFound(value.status())) return absl::OkStatus();
  SYNCLINE_RETURN_IF_ERROR(value.status());
  SYNCLINE_ASSIGN_OR_RETURN(HeadRow head, DecodeHead(*value));
  head.id = {random.Bytes(kLogIdBytes)};
  WriteBatch batch;
  batch.Put(Column::kProjects, HeadKey(project), EncodeHead(head));
  return store.Write(batch, true);
}

absl::Status FinishRebuild(Store& store, ProjectNumber project) {
  const auto ready = store.Get(Column::kProjects, ReadyKey(project));
  if (absl::IsNotFound(ready.status())) return absl::OkStatus();
  SYNCLINE_RETURN_IF_ERROR(ready.status());
  for (const Column column : kColumns) {
    SYNCLINE_RETURN_IF_ERROR(MoveRows(store, column, project));
  }
  // Only when what was moved is safe.
  SYNCLINE_RETURN_IF_ERROR(store.Sync());
  WriteBatch clear;
  EraseAll(Aside(project), clear);
  return store.Write(clear, true);
}

absl::StatusOr<std::vector<SettledFork>> SettledForks(const Store& store,
                                                      ProjectNumber project) {
  std::vector<SettledFork> forks;
  const std::string prefix = ProjectRowPrefix(project, ProjectRow::kSettled);
  const auto rows = RowsOf(store, Column::kProjects, prefix);
  for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
    const auto origin = Origin::FromBytes(rows->key().substr(prefix.size()));
    ByteReader value(rows->value());
    SettledFork fork;
    fork.fork.counter = value.Varint();
    if (!value.AtEnd()) {
      fork.given_up = Hash::FromBytes(value.Bytes(Hash::kBytes));
    }
    if (!origin || !value.AtEnd()) {
      return DataLoss("project rows: a malformed fork");
    }
    fork.fork.origin = *origin;
    forks.push_back(fork);
  }
  SYNCLINE_RETURN_IF_ERROR(rows->status());
  return forks;
}

void Settle(ProjectNumber project, const SettledFork& fork, WriteBatch& rows) {
  std::string value;
  AppendVarint(value, fork.fork.counter);
  if (fork.given_up) value += fork.given_up->view();
  rows.Put(
      Column::kProjects,
      ProjectRowKey(project, ProjectRow::kSettled, fork.fork.origin.view()),
      value);
}

absl::StatusOr<bool> IsGivenUp(const Store& store, ProjectNumber project,
                               const ChainHead& head) {
  const auto hash = store.Get(Column::kProjects, GivenUpKey(project, head.dot));
  if (absl::IsNotFound(hash.status())) return false;
  SYNCLINE_RETURN_IF_ERROR(hash.status());
  return *hash == head.hash.view();
}

}  // namespace syncline
