// S3: loss of power below a whole project, at any call of RocksDB that changes
// the disk. What was acknowledged as durable and what a subscriber was given
// must be there and unchanged. Chunk files and directories do not go through
// RocksDB: kill_test.cc shows that they are synced before they are needed.
#include <atomic>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "log/record_span.h"
#include "log/subscription.h"
#include "tests/faults/whole_path.h"
#include "tests/kv/faulty_disk.h"
#include "tests/testing/temporary_directory.h"

namespace syncline {
namespace {

using testing::FaultyDisk;
using testing::FindFault;
using testing::Mark;
using testing::TemporaryDirectory;
using testing::WholePath;

// SYNCLINE_SEEDS: how many; by default few.
std::uint64_t SeedCount(std::uint64_t by_default) {
  const char* const wanted = std::getenv("SYNCLINE_SEEDS");
  return wanted == nullptr ? by_default : std::strtoull(wanted, nullptr, 10);
}

// What was promised, so far; `count` may be read on any thread.
struct Promises {
  std::vector<Mark> marks;
  std::atomic<std::size_t> count = 0;
  std::size_t kept = 0;  // When the life ended.

  void Add(const Mark& mark) {
    marks.push_back(mark);
    count = marks.size();
  }
  void EndLife() {
    marks.resize(kept);
    count = kept;
  }
};

class Lives {
 public:
  explicit Lives(std::uint64_t seed)
      : random_(seed), disk_(std::make_unique<FaultyDisk>(Next())) {}

  void Live() {
    const bool killed = random_.Below(4) == 0;
    const std::uint64_t end = disk_->calls() + 1 + random_.Below(150);
    const std::filesystem::path left = Next();
    SeededRandom chance(random_.Next());  // Of the thread that makes the call.
    std::unique_ptr<FaultyDisk> heir;
    bool ended = false;
    const auto end_now = [&] {
      ended = true;
      acked_.kept = acked_.count;
      seen_.kept = seen_.count;
      if (killed) {
        heir = disk_->Kill(left);
      } else {
        disk_->CutPower(left, chance);
      }
    };
    disk_->BeforeEachCall([&](std::uint64_t call) {
      if (call == end && !ended) end_now();
    });
    Work(end);
    disk_->BeforeEachCall({});
    if (!ended) end_now();
    lost_ += acked_.marks.size() - acked_.kept;
    acked_.EndLife();
    seen_.EndLife();
    if (heir == nullptr) heir = std::make_unique<FaultyDisk>(left);
    disk_ = std::move(heir);
  }

  std::size_t kept() const { return acked_.kept + seen_.kept; }

 private:
  std::filesystem::path Next() {
    return directory_ / std::to_string(lives_++) / "store";
  }

  void Work(std::uint64_t end) {
    auto store = disk_->OpenStore();
    INFO(store.status().ToString());
    REQUIRE(store.ok());
    auto path = WholePath::Open(directory_.path(), *std::move(store));
    INFO(path.status().ToString());
    REQUIRE(path.ok());
    REQUIRE(FindFault(**path, acked_.marks, seen_.marks) == "");
    subscription_ = (*path)->replica().log().Subscribe(
        Seq{seen_.marks.size()}, Visibility::kDurable, [this] { Deliver(); });
    Deliver();
    for (int left = 80; left > 0 && disk_->calls() < end; --left) {
      Change(**path);
      (*path)->Tidy(random_);
      (*path)->io().restart();
      if (random_.Below(4) == 0) {
        (*path)->io().run();
      } else {
        (*path)->io().poll();
      }
    }
    subscription_.reset();
  }

  void Change(WholePath& path) {
    const Durability durability =
        random_.Below(3) == 0 ? Durability::kDurable : Durability::kBuffered;
    const absl::Status changed = path.Change(
        random_, durability,
        [this, durability](const Mark& mark, const absl::Status& done) {
          REQUIRE(done.ok());
          if (durability == Durability::kDurable) acked_.Add(mark);
        });
    REQUIRE(changed.ok());
  }

  void Deliver() {
    for (;;) {
      const auto span = subscription_->Next(10'000);
      REQUIRE(span.ok());
      if (span->empty()) return;
      RecordWalk walk(span->first, span->bytes);
      for (; walk.Valid(); walk.Next()) {
        seen_.Add(Mark::Of(walk.record()));
      }
      REQUIRE(walk.status().ok());
    }
  }

  const TemporaryDirectory directory_{testing::MemoryDirectory()};
  SeededRandom random_;
  int lives_ = 0;
  std::unique_ptr<FaultyDisk> disk_;
  std::unique_ptr<Subscription> subscription_;
  Promises acked_;
  Promises seen_;
  std::size_t lost_ = 0;
};

TEST_CASE("power_cut: what was acknowledged or delivered is never taken back",
          "[faults][fault][law]") {
  std::size_t kept = 0;
  for (std::uint64_t seed = 1; seed <= SeedCount(25); ++seed) {
    INFO("SYNCLINE_SEED=" << seed);
    Lives lives(seed);
    for (int life = 0; life < 6; ++life) {
      INFO("life " << life);
      lives.Live();
    }
    kept += lives.kept();
  }
  CHECK(kept > 500);
}

}  // namespace
}  // namespace syncline
