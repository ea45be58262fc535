#include "tests/log/log_harness.h"

#include <catch2/catch.hpp>
#include <numeric>
#include <thread>

#include "log/frame.h"

namespace syncline::testing {

Origin OriginOf(std::uint64_t number) {
  Origin origin;
  SeededRandom(number).Fill(origin.bytes);
  return origin;
}

Draft DraftOf(const Dot& dot) {
  SeededRandom random(std::hash<Dot>()(dot));
  const std::size_t entry_bytes = 1 + random.Below(120);
  const std::size_t changes_bytes = random.Below(40);
  return {dot, random.Bytes(entry_bytes), random.Bytes(changes_bytes)};
}

std::vector<Draft> DraftsOf(const Origin& origin, std::uint64_t first,
                            std::uint64_t count) {
  std::vector<Draft> drafts;
  for (std::uint64_t i = 0; i < count; ++i) {
    drafts.push_back(DraftOf({origin, first + i}));
  }
  return drafts;
}

Hash ExpectedChain(const Origin& origin, std::uint64_t counter) {
  Hash hash;
  for (std::uint64_t i = 1; i <= counter; ++i) {
    hash = Sha256(std::string(hash.view()) + DraftOf({origin, i}).entry);
  }
  return hash;
}

void OnRocks::Reopen() {
  store_.reset();
  auto store = RocksStore::Open(directory_.path());
  INFO(store.status().ToString());
  REQUIRE(store.ok());
  store_ = *std::move(store);
}

LogHarness::LogHarness(Store& store, ProjectNumber project,
                       AppendLog::Options options)
    : store_(store), project_(project), options_(options), random_(1) {
  const absl::Status status = Open();
  INFO(status.ToString());
  REQUIRE(status.ok());
}

absl::Status LogHarness::Open() {
  log_.reset();
  auto log = AppendLog::Open(store_, sync_thread_, io_.get_executor(), project_,
                             random_, options_);
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

absl::StatusOr<AppendLog::Appended> LogHarness::Append(
    std::vector<Draft> drafts, Durability durability, WriteBatch rows) {
  std::optional<absl::StatusOr<AppendLog::Appended>> outcome;
  log_->Append(std::move(drafts), std::move(rows), durability,
               [&](absl::StatusOr<AppendLog::Appended> appended) {
                 REQUIRE_FALSE(outcome.has_value());
                 outcome = std::move(appended);
               });
  REQUIRE_FALSE(outcome.has_value());  // Never from within the call.
  Run();
  REQUIRE(outcome.has_value());
  return *std::move(outcome);
}

void LogHarness::Start(std::vector<Draft> drafts, Durability durability) {
  log_->Append(std::move(drafts), {}, durability,
               [](const absl::StatusOr<AppendLog::Appended>& appended) {
                 REQUIRE(appended.ok());
               });
}

Walk WalkAll(AppendLog::Reader& reader) {
  Walk walk;
  for (; reader.Valid(); reader.Next()) {
    const RecordView& record = reader.record();
    const Draft expected = DraftOf(record.dot);
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

bool Eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 20'000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return condition();
}

}  // namespace syncline::testing
