// One flipped byte in a stored record, at every place: told by reads, by
// subscriptions, by verify and by replication, with seq and project, and never
// sent on or passed over.
#include <atomic>
#include <catch2/catch.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "kv/memory_store.h"
#include "kv/rocks_store.h"
#include "log/commit_queue.h"
#include "log/frame.h"
#include "log/log_rows.h"
#include "log/record_span.h"
#include "log/subscription.h"
#include "node/verifier.h"
#include "replication/peer/segment_reader.h"
#include "tests/faults/whole_path.h"
#include "tests/peer/peer_rig.h"
#include "tests/testing/temporary_directory.h"

namespace syncline {
namespace {

using testing::TemporaryDirectory;
using testing::WholePath;

struct PathOnMemory {
  static std::unique_ptr<Store> Make(const std::filesystem::path&) {
    return std::make_unique<MemoryStore>();
  }
};
struct PathOnRocks {
  static std::unique_ptr<Store> Make(const std::filesystem::path& directory) {
    auto store = RocksStore::Open(directory / "store");
    REQUIRE(store.ok());
    return *std::move(store);
  }
};

constexpr ProjectNumber kProject{3};  // Of WholePath.

bool Names(std::string_view text, std::string_view what) {
  return text.find(what) != std::string_view::npos;
}

bool TellsOf(const absl::Status& status, Seq seq) {
  return absl::IsDataLoss(status) &&
         Names(FromAbsl(status.message()),
               "project 3, seq " + std::to_string(seq.value) + ":");
}

void Put(Store& store, ProjectNumber project, Seq seq,
         const std::string& value) {
  WriteBatch batch;
  batch.Put(Column::kLog, RecordKey(project, seq), value);
  REQUIRE(store.Write(batch, false).ok());
}

class DamagedProject {
 public:
  explicit DamagedProject(std::unique_ptr<Store> store) {
    auto path = WholePath::Open(directory_.path(), std::move(store));
    REQUIRE(path.ok());
    path_ = *std::move(path);
    SeededRandom random(1);
    int done = 0;
    for (int i = 0; i < 8; ++i) {
      REQUIRE(path_
                  ->Change(random, Durability::kDurable,
                           [&](const auto&, const absl::Status& status) {
                             done += status.ok() ? 1 : 0;
                           })
                  .ok());
    }
    path_->io().run();
    REQUIRE(done == 8);
  }

  WholePath& operator*() { return *path_; }
  AppendLog& log() { return path_->replica().log(); }
  Store& store() { return path_->store(); }

  VerifyReport Verify() {
    VerifyInput input;
    input.name = "the project";
    input.number = kProject;
    input.self = path_->replica().identity().self;
    input.frontier = path_->replica().state().frontier();
    input.digest = path_->replica().state().Digest();
    input.snapshot = *path_->replica().state().TakeSnapshot();
    input.head = log().durable();
    input.records = log().Read({});
    const std::atomic<bool> stop = false;
    auto report = Verifier(path_->chunks(), input, stop).Run();
    REQUIRE(report.ok());
    return *std::move(report);
  }

 private:
  const TemporaryDirectory directory_{testing::MemoryDirectory()};
  std::unique_ptr<WholePath> path_;
};

void CheckReads(DamagedProject& project, Seq damaged) {
  const auto reader = project.log().Read({});
  std::uint64_t good = 0;
  for (; reader->Valid(); reader->Next()) ++good;
  REQUIRE(good == damaged.value - 1);
  REQUIRE(TellsOf(reader->status(), damaged));

  // The cursor stays before it, however often one asks.
  const auto subscription =
      project.log().Subscribe({}, Visibility::kDurable, [] {});
  for (int calls = 0; subscription->cursor().value + 1 < damaged.value;
       ++calls) {
    const auto span = subscription->Next(1u << 20);
    REQUIRE(span.ok());
    REQUIRE(calls < 10);
  }
  for (int again = 0; again < 2; ++again) {
    REQUIRE(TellsOf(subscription->Next(1u << 20).status(), damaged));
    REQUIRE(subscription->cursor().value + 1 == damaged.value);
  }
}

void CheckVerify(DamagedProject& project, Seq damaged) {
  const VerifyReport report = project.Verify();
  bool told = false;
  for (const Finding& finding : report.findings) {
    told |= finding.project == "the project" &&
            finding.where == "log " + std::to_string(damaged.value);
  }
  REQUIRE(told);
}

void CheckSending(DamagedProject& project, Seq damaged) {
  SegmentReader segments((*project).replica(), 0);
  REQUIRE(segments.Start({}).ok());
  std::uint64_t sent = 0;
  for (;;) {
    REQUIRE_FALSE(segments.AtHead());
    const auto cut = segments.Next({}, 1u << 20, true);
    if (!cut.ok()) {
      REQUIRE(TellsOf(cut.status(), damaged));
      break;
    }
    std::string_view frames = cut->segment.frames;
    while (!frames.empty()) {
      const auto frame = ParseFrame(frames);
      REQUIRE(frame.ok());
      frames.remove_prefix(frame->bytes);
      ++sent;
    }
    REQUIRE(sent < damaged.value);
  }
  REQUIRE(sent == damaged.value - 1);
}

TEMPLATE_TEST_CASE("damage: every flipped byte of every record is told",
                   "[faults][fault]", PathOnMemory, PathOnRocks) {
  const TemporaryDirectory directory(testing::MemoryDirectory());
  DamagedProject project(TestType::Make(directory.path()));
  REQUIRE(project.Verify().findings.empty());
  SeededRandom random(3);
  // Not the last one: a store whose newest record is damaged is not opened.
  for (Seq seq{1}; seq < project.log().head(); seq = seq.next()) {
    const std::string good =
        *project.store().Get(Column::kLog, RecordKey(kProject, seq));
    for (std::size_t at = 0; at < good.size(); ++at) {
      INFO("seq " << seq.value << ", byte " << at << " of " << good.size());
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ (1 + random.Below(255)));
      Put(project.store(), kProject, seq, bad);
      CheckReads(project, seq);
      CheckSending(project, seq);
      if (at % 16 == 0) CheckVerify(project, seq);
    }
    Put(project.store(), kProject, seq, good);
  }
  CHECK(project.Verify().findings.empty());
}

TEMPLATE_TEST_CASE("damage: the newest record is told of at opening",
                   "[faults][fault]", PathOnMemory, PathOnRocks) {
  const TemporaryDirectory directory(testing::MemoryDirectory());
  DamagedProject project(TestType::Make(directory.path()));
  const Seq last = project.log().head();
  const std::string good =
      *project.store().Get(Column::kLog, RecordKey(kProject, last));
  SyncThread sync_thread;
  boost::asio::io_context io;
  CommitQueue commits(project.store(), sync_thread, io.get_executor());
  SeededRandom random(3);
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ (1 + random.Below(255)));
    Put(project.store(), kProject, last, bad);
    const auto log = AppendLog::Open(commits, kProject, random, {});
    INFO("byte " << at << ": " << log.status().ToString());
    REQUIRE(absl::IsDataLoss(log.status()));
    REQUIRE(Names(FromAbsl(log.status().message()), "project 3"));
    REQUIRE(Names(FromAbsl(log.status().message()),
                  "seq " + std::to_string(last.value)));
  }
}

TEST_CASE("damage: a peer is sent nothing from a damaged record on",
          "[faults][peer][fault]") {
  testing::PeerWorld world;
  testing::PeerNode a(world, "alpha");
  testing::PeerNode b(world, "beta");
  for (int i = 0; i < 6; ++i) {
    a.rig().Commit({EventEffect{"topic", "payload " + std::to_string(i)}});
  }
  constexpr ProjectNumber kNumber{1};
  constexpr Seq kDamaged{4};
  const std::string good =
      *a.store().Get(Column::kLog, RecordKey(kNumber, kDamaged));
  const std::size_t at =
      GENERATE_COPY(take(6, random(std::size_t{0}, std::size_t{300})));
  std::string bad = good;
  bad[at % good.size()] ^= 0x10;
  Put(a.store(), kNumber, kDamaged, bad);

  a.Listen();
  a.Trust(b);
  b.Trust(a);
  const auto tells = [](const absl::Status& status) {
    return Names(FromAbsl(status.message()), "project 1, seq 4:");
  };
  world.RunUntil([&] { return tells(a.LinkTo(b).error); });
  world.RunUntil([&] { return tells(b.LinkTo(a).error); });
  world.RunUntil([&] { return b.rig()->log().durable().value == 3; });
  world.RunAWhile();
  CHECK(b.rig()->log().head().value == 3);
  CHECK_FALSE(a.LinkTo(b).in_sync);
  CHECK_FALSE(b.LinkTo(a).in_sync);
  // What the other side has still comes, and this one may go on.
  b.rig().Put("from-b", "words");
  a.rig().Put("from-a", "words");
  world.RunUntil([&] { return a.rig().Show("from-b") == "words"; });
  CHECK(b.rig()->log().durable_frontier().CounterOf(a.rig()->identity().self) ==
        3);

  Put(a.store(), kNumber, kDamaged, good);  // Restored from somewhere.
  world.RunUntil([&] { return a.InSyncWith(b); });
  testing::RequireEqual(a, b);
  world.RunUntil([&] { return a.LinkTo(b).error.ok(); });
}

}  // namespace
}  // namespace syncline
