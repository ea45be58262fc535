#include "tests/log/log_harness.h"

#include <catch2/catch.hpp>
#include <map>
#include <numeric>

#include "kv/keys.h"
#include "log/frame.h"

namespace syncline::testing {

void OnRocks::Reopen() {
  store_.reset();
  auto store = RocksStore::Open(directory_.path());
  INFO(store.status().ToString());
  REQUIRE(store.ok());
  store_ = *std::move(store);
}

LogHarness::LogHarness(Store& store, ProjectNumber project,
                       AppendLog::Options options,
                       CommitQueue::Options queue_options)
    : store_(store),
      project_(project),
      options_(options),
      random_(1),
      commits_(store, sync_thread_, io_.get_executor(), queue_options) {
  const absl::Status status = Open();
  INFO(status.ToString());
  REQUIRE(status.ok());
}

absl::Status LogHarness::Open() {
  log_.reset();
  auto log = AppendLog::Open(commits_, project_, random_, options_);
  if (!log.ok()) return log.status();
  log_ = *std::move(log);
  return absl::OkStatus();
}

void LogHarness::Run() {
  io_.restart();
  io_.run();
}

void LogHarness::Poll() {
  io_.restart();
  io_.poll();
}

absl::StatusOr<AppendLog::Appended> LogHarness::Append(OwnedDrafts drafts,
                                                       Durability durability,
                                                       WriteBatch rows) {
  std::optional<absl::StatusOr<AppendLog::Appended>> outcome;
  log_->Append(Views(drafts), rows, durability,
               [&](absl::StatusOr<AppendLog::Appended> appended) {
                 REQUIRE_FALSE(outcome.has_value());
                 outcome = std::move(appended);
               });
  REQUIRE_FALSE(outcome.has_value());  // Never from within the call.
  Run();
  REQUIRE(outcome.has_value());
  return *std::move(outcome);
}

void LogHarness::Start(OwnedDrafts drafts, Durability durability) {
  log_->Append(Views(drafts), {}, durability,
               [](const absl::StatusOr<AppendLog::Appended>& appended) {
                 REQUIRE(appended.ok());
               });
}

Walk WalkAll(AppendLog::Reader& reader) {
  Walk walk;
  for (; reader.Valid(); reader.Next()) {
    const RecordView& record = reader.record();
    const OwnedDraft expected = DraftOf(record.dot);
    std::string frame;
    AppendFrame(frame, expected.entry);
    const bool same = record.entry == expected.entry &&
                      record.changes == expected.changes &&
                      record.frame == frame;
    if (!same) FAIL("seq " << record.seq.value << " is not what was appended");
    walk.seqs.push_back(record.seq.value);
    walk.dots.push_back(record.dot);
  }
  walk.status = reader.status();
  return walk;
}

Walk Records(const AppendLog& log, const AppendLog::ReadOptions& options) {
  const auto reader = log.Read(options);
  return WalkAll(*reader);
}

std::vector<std::uint64_t> Numbers(std::uint64_t first, std::uint64_t last) {
  std::vector<std::uint64_t> numbers(last + 1 - first);
  std::iota(numbers.begin(), numbers.end(), first);
  return numbers;
}

std::size_t RowsIn(const Store& store, Column column, ProjectNumber project) {
  std::size_t rows = 0;
  const std::string prefix = ProjectPrefix(project);
  const auto iterator = store.NewIterator(
      column, {.lower_bound = prefix, .upper_bound = PrefixEnd(prefix)});
  for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) ++rows;
  return rows;
}

void CheckDots(const AppendLog& log, const std::vector<Dot>& history) {
  std::map<Origin, std::uint64_t> truncated;
  for (std::uint64_t seq = 1; seq <= history.size(); ++seq) {
    const Dot& dot = history[seq - 1];
    INFO("seq " << seq << " of " << history.size() << ", horizon "
                << log.horizon().value << ", dot " << dot.ToText());
    const auto found = log.Find(dot);
    REQUIRE(found.ok());
    if (seq <= log.horizon().value) {
      truncated[dot.origin] = dot.counter;
      REQUIRE(*found == std::nullopt);
    } else {
      REQUIRE(*found == Seq{seq});
      REQUIRE(*log.ChainAt(dot) == ExpectedChain(dot.origin, dot.counter));
    }
  }
  REQUIRE(log.truncated().size() == truncated.size());
  for (const auto& [origin, counter] : truncated) {
    REQUIRE(log.truncated().CounterOf(origin) == counter);
    REQUIRE(*log.ChainAt({origin, counter}) == ExpectedChain(origin, counter));
    if (counter > 1) {
      REQUIRE(absl::IsNotFound(log.ChainAt({origin, counter - 1}).status()));
    }
  }
}

}  // namespace syncline::testing
