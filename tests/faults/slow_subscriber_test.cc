// S5: a subscriber stops reading while much is appended. Nothing is kept for
// it in memory, the others get everything, and it goes on without a gap or is
// told that it is behind the horizon.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "log/record_span.h"
#include "log/subscription.h"
#include "tests/log/log_harness.h"
#include "tests/testing/setting.h"

namespace syncline {
namespace {

using testing::LogHarness;
using testing::OnRocks;
using testing::OriginOf;

constexpr std::size_t kEntryBytes = 1'000;
constexpr long kGrowthBytesMax = 32l << 20;

// SYNCLINE_ENTRIES: how many; 3000000 are ten minutes at 5,000 a second.
std::uint64_t EntriesAppended() {
  return testing::Setting("SYNCLINE_ENTRIES", 80'000);
}

long ResidentBytes() {
  std::ifstream stream("/proc/self/statm");
  long all = 0;
  long resident = 0;
  stream >> all >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

class SlowSubscriber {
 public:
  explicit SlowSubscriber(AppendLog& log)
      : subscription_(log.Subscribe({}, Visibility::kDurable,
                                    [this] { ++woken, Take(); })) {
    Take();
  }

  void Take() {
    for (;;) {
      if (stopped) return;
      const auto span = subscription_->Next(64u << 10);
      status = span.status();
      if (!span.ok() || span->empty()) return;
      in_order &= span->first.value == last + 1;
      last = span->last.value;
      last_span = *span;
    }
  }

  bool stopped = false;
  bool in_order = true;
  std::uint64_t last = 0;
  int woken = 0;
  absl::Status status;

 private:
  RecordSpan last_span;  // Held, as by one that is busy with it.
  std::unique_ptr<Subscription> subscription_;
};

class Rig {
 public:
  void Append(std::uint64_t entries) {
    constexpr std::uint64_t kBatch = 100;
    for (std::uint64_t done = 0; done < entries; done += kBatch) {
      testing::OwnedDrafts drafts;
      for (std::uint64_t i = 0; i < kBatch; ++i) {
        drafts.push_back(
            {{OriginOf(1), ++counter_}, random_.Bytes(kEntryBytes), "changes"});
      }
      harness.Start(std::move(drafts), Durability::kBuffered);
      harness.Run();
    }
  }
  std::uint64_t head() const { return counter_; }

  OnRocks on;
  LogHarness harness{on.store()};

 private:
  SeededRandom random_{5};
  std::uint64_t counter_ = 0;
};

TEST_CASE("slow_subscriber: one that stops costs no memory and loses nothing",
          "[faults]") {
  Rig rig;
  SlowSubscriber slow(rig.harness.log());
  std::vector<std::unique_ptr<SlowSubscriber>> others;
  for (int i = 0; i < 10; ++i) {
    others.push_back(std::make_unique<SlowSubscriber>(rig.harness.log()));
  }
  rig.Append(20'000);  // Until buffers and caches are as large as they get.
  CHECK(slow.last == 20'000);
  slow.stopped = true;
  const int woken = slow.woken;
  const long before = ResidentBytes();
  rig.Append(EntriesAppended());
  const long growth = ResidentBytes() - before;
  INFO("growth " << (growth >> 10) << " KiB");
  REQUIRE(EntriesAppended() * kEntryBytes > 2 * kGrowthBytesMax);
  CHECK(growth < kGrowthBytesMax);
  CHECK(slow.woken <= woken + 1);  // Once, and it did not answer.
  for (const auto& other : others) {
    CHECK(other->in_order);
    CHECK(other->last == rig.head());
  }
  slow.stopped = false;
  slow.Take();
  CHECK(slow.status.ok());
  CHECK(slow.in_order);
  CHECK(slow.last == rig.head());
  rig.Append(100);  // And live again.
  CHECK(slow.last == rig.head());
}

TEST_CASE("slow_subscriber: one that is overtaken is told", "[faults]") {
  Rig rig;
  SlowSubscriber slow(rig.harness.log());
  SlowSubscriber other(rig.harness.log());
  rig.Append(500);
  slow.stopped = true;
  rig.Append(5'000);
  REQUIRE(rig.harness->TruncateThrough({3'000}).ok());
  rig.Append(100);
  slow.stopped = false;
  slow.Take();
  CHECK(absl::IsNotFound(slow.status));
  CHECK(slow.last == 500);
  CHECK(rig.harness->Check(rig.harness->id(), {slow.last}) ==
        CursorState::kBehindHorizon);
  CHECK(rig.harness->horizon() == Seq{3'000});
  CHECK(other.last == rig.head());
  CHECK(other.in_order);
}

}  // namespace
}  // namespace syncline
