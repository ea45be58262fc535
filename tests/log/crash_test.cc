// Random work on a disk that fails and a machine that goes down, against a
// naive model: the dot of each seq that was given out.
#include <algorithm>
#include <catch2/catch.hpp>
#include <vector>

#include "base/status.h"
#include "log/append_log.h"
#include "tests/log/log_harness.h"
#include "tests/testing/crash_store.h"
#include "tests/testing/faulty_store.h"

namespace syncline {
namespace {

using testing::CrashStore;
using testing::DraftOf;
using testing::FaultyStore;
using testing::kProject;
using testing::LogHarness;
using testing::OriginOf;
using testing::OwnedDrafts;
using testing::Records;
using testing::Views;

class Machine {
 public:
  explicit Machine(std::uint64_t seed) : random_(seed) {}

  // One life: from opening the log to its end, by a crash or in peace.
  void Live() {
    REQUIRE(harness_.Open().ok());
    CheckAfterOpen();
    if (random_.Below(4) != 0) {
      faulty_.FailFrom(random_.Below(2) == 0 ? FaultyStore::Call::kWrite
                                             : FaultyStore::Call::kSync,
                       1 + random_.Below(15), Internal("disk gone"));
    }
    for (std::uint64_t left = random_.Below(40); left > 0; --left) Step();
    if (random_.Below(2) == 0) harness_.Run();
    Observe();
    harness_.Close();
    if (random_.Below(3) != 0) {
      crash_.Crash(random_.Below(crash_.unsynced() + 1));
    }
    faulty_.Heal();
  }

  std::uint64_t acknowledged() const { return durable_acks_; }
  std::uint64_t lost() const { return lost_; }

 private:
  void Step() {
    if (harness_->health().ok()) {
      Append(random_.Below(3) == 0 ? Durability::kBuffered
                                   : Durability::kDurable);
    }
    if (random_.Below(2) == 0) harness_.Poll();
    if (random_.Below(3) == 0) harness_.Run();
    if (random_.Below(8) == 0) {
      const Seq durable = harness_->durable();
      const Seq horizon = harness_->horizon();
      const Seq through = {horizon.value +
                           random_.Below(durable.value - horizon.value + 1)};
      if (harness_->TruncateThrough(through).ok()) {
        truncated_ = std::max(truncated_, through);
      }
    }
    if (random_.Below(5) == 0) Observe();
  }

  void Append(Durability durability) {
    OwnedDrafts drafts;
    const std::uint64_t origin = random_.Below(3);
    // A large list is written while the disk is busy.
    const std::uint64_t most = random_.Below(6) == 0 ? 200 : 5;
    for (std::uint64_t left = random_.Below(most); left > 0; --left) {
      const Dot dot{
          OriginOf(origin),
          harness_->frontier().CounterOf(OriginOf(origin)) + drafts.size() + 1};
      drafts.push_back(DraftOf(dot));
      history_.push_back(dot);
    }
    WriteBatch rows;
    rows.Put(Column::kHeads, "covered", std::to_string(history_.size()));
    harness_->Append(
        Views(drafts), rows, durability,
        [this, durability](const absl::StatusOr<AppendLog::Appended>& done) {
          if (!done.ok() || durability == Durability::kBuffered) return;
          durable_acks_ = std::max(durable_acks_, done->last.value);
        });
    REQUIRE(harness_->head().value == history_.size());
  }

  // What a subscriber or peer saw must never be taken back.
  void Observe() {
    const auto walk = Records(harness_.log(), {.since = harness_->horizon()});
    if (walk.status.ok() && !walk.seqs.empty()) {
      seen_ = std::max(seen_, walk.seqs.back());
    }
    REQUIRE(durable_acks_ <= harness_->durable().value);
  }

  void CheckAfterOpen() {
    const std::uint64_t head = harness_->head().value;
    if (id_.bytes.empty()) id_ = harness_->id();
    REQUIRE(harness_->id() == id_);
    REQUIRE(head >= durable_acks_);
    REQUIRE(head >= seen_);
    REQUIRE(head <= history_.size());
    REQUIRE(harness_->durable().value == head);
    REQUIRE(harness_->horizon() <= truncated_);
    lost_ += history_.size() - head;
    history_.resize(head);

    const auto walk = Records(harness_.log(), {.since = harness_->horizon()});
    REQUIRE(walk.status.ok());
    REQUIRE(std::equal(walk.dots.begin(), walk.dots.end(),
                       history_.begin() + static_cast<std::ptrdiff_t>(
                                              harness_->horizon().value),
                       history_.end()));
    testing::CheckDots(harness_.log(), history_);
    VersionVector frontier;
    for (const Dot& dot : history_) frontier.Raise(dot.origin, dot.counter);
    REQUIRE(harness_->frontier() == frontier);
    const auto covered = crash_.Get(Column::kHeads, "covered");
    if (covered.ok()) REQUIRE(*covered == std::to_string(head));
  }

  SeededRandom random_;
  CrashStore crash_;
  FaultyStore faulty_{crash_};
  LogHarness harness_{faulty_};
  LogId id_;
  std::vector<Dot> history_;
  std::uint64_t durable_acks_ = 0;
  std::uint64_t seen_ = 0;
  Seq truncated_;
  std::uint64_t lost_ = 0;
};

TEST_CASE("append_log: crashes and faults lose nothing acknowledged or seen",
          "[log][fault][law]") {
  std::uint64_t acknowledged = 0;
  std::uint64_t lost = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    INFO("SYNCLINE_SEED=" << seed);
    Machine machine(seed);
    for (int life = 0; life < 8; ++life) machine.Live();
    acknowledged += machine.acknowledged();
    lost += machine.lost();
  }
  // The run was worth something: much was promised, and much else lost.
  CHECK(acknowledged > 1'000);
  CHECK(lost > 100);
}

TEST_CASE("append_log: its id survives a crash right behind its creation",
          "[log][fault]") {
  CrashStore crash;
  LogHarness harness(crash);
  const LogId id = harness->id();
  harness.Close();
  crash.Crash();
  REQUIRE(harness.Open().ok());
  CHECK(harness->id() == id);
}

TEST_CASE("append_log: what a reopened log shows survives a crash",
          "[log][fault]") {
  CrashStore crash;
  FaultyStore faulty(crash);
  LogHarness harness(faulty);
  faulty.FailFrom(FaultyStore::Call::kSync, 1, Internal("disk gone"));
  REQUIRE(
      harness.Append({DraftOf({OriginOf(1), 1})}, Durability::kBuffered).ok());
  faulty.Heal();
  REQUIRE(harness.Open().ok());
  REQUIRE(Records(harness.log(), {}).seqs.size() == 1);
  harness.Close();
  crash.Crash();
  REQUIRE(harness.Open().ok());
  CHECK(harness->head() == Seq{1});
}

}  // namespace
}  // namespace syncline
