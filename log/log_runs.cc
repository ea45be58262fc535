#include "log/log_runs.h"

#include <algorithm>
#include <memory>
#include <string>

#include "base/status.h"
#include "log/log_reader.h"

namespace syncline {
namespace {

std::unique_ptr<StoreIterator> RunsBelow(const Store& store,
                                         const std::string& prefix) {
  IterateOptions options;
  options.lower_bound = prefix;
  options.upper_bound = PrefixEnd(prefix);
  return store.NewIterator(Column::kDots, options);
}

// Highest counter of the origin, whose runs begin at `runs`, among the records
// up to `through`; 0 if none. Leaves `runs` behind the origin's runs.
absl::StatusOr<std::uint64_t> LastUpTo(StoreIterator& runs,
                                       ProjectNumber project,
                                       const Origin& origin, Seq through,
                                       std::uint64_t counter_max) {
  std::uint64_t last = 0;
  std::optional<Run> open;
  for (; runs.Valid(); runs.Next()) {
    SYNCLINE_ASSIGN_OR_RETURN(const Run run,
                              DecodeRun(runs.key(), runs.value()));
    if (run.first.origin != origin) break;
    if (open) last = std::min(last, run.first.counter - 1);
    if (run.seq > through || run.first.counter > counter_max) break;
    last = std::min(counter_max,
                    run.first.counter + (through.value - run.seq.value));
    open = run;
  }
  SYNCLINE_RETURN_IF_ERROR(runs.status());
  const std::string end = RunKey(project, {origin, ~std::uint64_t{0}});
  runs.Seek(end);
  if (runs.Valid() && runs.key() == end) runs.Next();
  return last;
}

// Gives the first record that is kept a run of its own, so that the chain hash
// before it survives the records before it.
absl::Status CutRun(const Store& store, ProjectNumber project, Seq through,
                    WriteBatch& batch) {
  const auto kept =
      NewLogReader(store, project, {through.next(), through.next()});
  SYNCLINE_RETURN_IF_ERROR(kept->status());
  const Dot dot = kept->record().dot;
  if (dot.counter == 0) return absl::OkStatus();  // No run goes on over it.
  SYNCLINE_ASSIGN_OR_RETURN(const Run run, FindRun(store, project, dot));
  if (run.first == dot) return absl::OkStatus();
  SYNCLINE_ASSIGN_OR_RETURN(const Hash before,
                            HashForward(store, project, run, dot.counter - 1));
  batch.Put(Column::kDots, RunKey(project, dot),
            EncodeRun({dot, through.next(), before}));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Run> FindRun(const Store& store, ProjectNumber project,
                            const Dot& dot) {
  const auto runs = RunsBelow(store, OriginRunsPrefix(project, dot.origin));
  runs->SeekForPrev(RunKey(project, dot));
  if (!runs->Valid()) {
    SYNCLINE_RETURN_IF_ERROR(runs->status());
    return DataLoss("project " + std::to_string(project.value) +
                    ": no run holds " + dot.ToText());
  }
  return DecodeRun(runs->key(), runs->value());
}

absl::StatusOr<Hash> HashForward(const Store& store, ProjectNumber project,
                                 const Run& run, std::uint64_t counter) {
  Hash hash = run.before;
  Dot expected = run.first;
  const auto reader =
      NewLogReader(store, project, {run.seq, run.SeqOf(counter)});
  for (; reader->Valid(); reader->Next(), ++expected.counter) {
    if (reader->record().dot != expected) {
      return DataLoss("project " + std::to_string(project.value) + ", seq " +
                      std::to_string(reader->record().seq.value) +
                      ": not the record that its run says");
    }
    hash = Sha256(hash.view(), reader->record().entry);
  }
  SYNCLINE_RETURN_IF_ERROR(reader->status());
  return hash;
}

absl::StatusOr<Truncation> PlanTruncation(const Store& store,
                                          ProjectNumber project, Seq through,
                                          Seq durable,
                                          const VersionVector& frontier,
                                          const VersionVector& truncated) {
  Truncation plan;
  const auto runs = RunsBelow(store, ProjectPrefix(project));
  runs->SeekToFirst();
  while (runs->Valid()) {
    SYNCLINE_ASSIGN_OR_RETURN(const Run run,
                              DecodeRun(runs->key(), runs->value()));
    const Origin& origin = run.first.origin;
    SYNCLINE_ASSIGN_OR_RETURN(
        const std::uint64_t last,
        LastUpTo(*runs, project, origin, through, frontier.CounterOf(origin)));
    if (last == 0) continue;
    plan.truncated.Raise(origin, last);
    plan.batch.DeleteRange(Column::kDots, RunKey(project, {origin, 0}),
                           RunKey(project, {origin, last + 1}));
    plan.batch.Put(
        Column::kProjects, TruncatedKey(project, origin),
        EncodeTruncated(std::max(last, truncated.CounterOf(origin))));
  }
  SYNCLINE_RETURN_IF_ERROR(runs->status());
  if (through < durable) {
    SYNCLINE_RETURN_IF_ERROR(CutRun(store, project, through, plan.batch));
  }
  plan.batch.DeleteRange(Column::kLog, RecordKey(project, {0}),
                         RecordKey(project, through.next()));
  plan.batch.Put(Column::kProjects, HorizonKey(project),
                 EncodeHorizon(through));
  return plan;
}

}  // namespace syncline
