#include "log/cursors.h"

#include <catch2/catch.hpp>
#include <optional>
#include <string>

#include "log/log_rows.h"
#include "tests/log/log_harness.h"
#include "tests/log/wrapper_stores.h"

namespace syncline {
namespace {

using testing::DraftsOf;
using testing::GateStore;
using testing::kProject;
using testing::LogHarness;
using testing::OnMemory;
using testing::OnRocks;
using testing::OriginOf;
using Move = Cursors::Move;
using Answer = absl::StatusOr<CursorState>;

constexpr std::int64_t kNow = 1'700'000'000'000;

// A log of ten records with its cursors.
template <typename On>
class CursorRig {
 public:
  CursorRig() { Open(); }

  void Reopen() {
    cursors_.reset();
    harness_.reset();
    on_.Reopen();
    Open();
  }
  Answer Set(std::string_view name, std::uint64_t seq,
             Move move = Move::kForward, std::int64_t now_ms = kNow) {
    return SetOf(name, harness_->log().id(), seq, move, now_ms);
  }
  Answer SetOf(std::string_view name, const LogId& log, std::uint64_t seq,
               Move move = Move::kForward, std::int64_t now_ms = kNow) {
    std::optional<Answer> answer;
    cursors_->Set(name, log, {seq}, move, now_ms,
                  [&](Answer given) { answer = std::move(given); });
    harness_->Run();
    REQUIRE(answer.has_value());
    return *answer;
  }
  absl::Status Remove(std::string_view name) {
    std::optional<absl::Status> answer;
    cursors_->Remove(name, [&](absl::Status given) { answer = given; });
    harness_->Run();
    REQUIRE(answer.has_value());
    return *answer;
  }
  Cursors& cursors() { return *cursors_; }
  LogHarness& harness() { return *harness_; }
  Store& store() { return on_.store(); }

 private:
  void Open() {
    harness_.emplace(on_.store());
    if (harness_->log().head().value == 0) {
      REQUIRE(harness_->Append(DraftsOf(OriginOf(1), 1, 10)).ok());
    }
    auto cursors = Cursors::Open(on_.store(), harness_->log(), kProject);
    INFO(cursors.status().ToString());
    REQUIRE(cursors.ok());
    cursors_ = *std::move(cursors);
  }

  On on_;
  std::optional<LogHarness> harness_;
  std::unique_ptr<Cursors> cursors_;
};

TEST_CASE("cursors: names are short and plain", "[log][table]") {
  for (const char* good : {"a", "indexer", "Mail-2.queue_x", "9", "a/b:c"}) {
    INFO(good);
    CHECK(CheckCursorName(good).ok());
  }
  CHECK(CheckCursorName(std::string(128, 'x')).ok());
  for (const char* bad : {"", "-a", ".a", "/a", "a b", "a\n", "gr\xc3\xbcn"}) {
    INFO(bad);
    CHECK(absl::IsInvalidArgument(CheckCursorName(bad)));
  }
  CHECK(absl::IsInvalidArgument(CheckCursorName(std::string(129, 'x'))));
  CHECK(absl::IsInvalidArgument(CheckCursorName(std::string("a\0b", 3))));
}

TEMPLATE_TEST_CASE("cursors: a position is there after the log was opened anew",
                   "[log]", OnMemory, OnRocks) {
  CursorRig<TestType> rig;
  REQUIRE(*rig.Set("indexer", 4) == CursorState::kValid);
  REQUIRE(*rig.Set("mailer", 0) == CursorState::kValid);
  REQUIRE(*rig.Set("indexer", 7, Move::kForward, kNow + 5) ==
          CursorState::kValid);
  rig.Reopen();
  REQUIRE(rig.cursors().all().size() == 2);
  const Cursor expected{rig.harness().log().id(), {7}, kNow + 5};
  CHECK(*rig.cursors().Find("indexer") == expected);
  CHECK(rig.cursors().Find("mailer")->seq == Seq{0});
  CHECK(rig.cursors().Find("nobody") == nullptr);
  CHECK(rig.cursors().Least() == Seq{0});
}

TEMPLATE_TEST_CASE("cursors: what cannot be a position changes nothing",
                   "[log]", OnMemory, OnRocks) {
  CursorRig<TestType> rig;
  LogId other = rig.harness().log().id();
  other.bytes[0] = static_cast<char>(other.bytes[0] + 1);
  CHECK(*rig.Set("c", 11) == CursorState::kInvalid);
  CHECK(*rig.SetOf("c", other, 3) == CursorState::kInvalid);
  CHECK(absl::IsInvalidArgument(rig.Set("-c", 3).status()));
  CHECK(rig.cursors().all().empty());
  REQUIRE(*rig.Set("c", 10) == CursorState::kValid);
  CHECK(*rig.Set("c", 11) == CursorState::kInvalid);
  REQUIRE(rig.harness()->TruncateThrough({3}).ok());
  CHECK(*rig.Set("c", 2, Move::kAnywhere) == CursorState::kBehindHorizon);
  CHECK(rig.cursors().Find("c")->seq == Seq{10});
  rig.Reopen();
  CHECK(rig.cursors().Find("c")->seq == Seq{10});
}

TEMPLATE_TEST_CASE("cursors: one goes back only where that is asked for",
                   "[log]", OnMemory, OnRocks) {
  CursorRig<TestType> rig;
  REQUIRE(rig.Set("c", 8).ok());
  CHECK(absl::IsFailedPrecondition(rig.Set("c", 7).status()));
  CHECK(rig.cursors().Find("c")->seq == Seq{8});
  // Where it stands already it has not moved.
  CHECK(*rig.Set("c", 8, Move::kForward, kNow + 9) == CursorState::kValid);
  CHECK(rig.cursors().Find("c")->moved_ms == kNow);
  CHECK(*rig.Set("c", 7, Move::kAnywhere) == CursorState::kValid);
  rig.Reopen();
  CHECK(rig.cursors().Find("c")->seq == Seq{7});
}

TEMPLATE_TEST_CASE("cursors: a removed one is gone for good", "[log]", OnMemory,
                   OnRocks) {
  CursorRig<TestType> rig;
  REQUIRE(rig.Set("a", 1).ok());
  REQUIRE(rig.Set("b", 2).ok());
  CHECK(absl::IsNotFound(rig.Remove("c")));
  CHECK(rig.Remove("a").ok());
  CHECK(absl::IsNotFound(rig.Remove("a")));
  CHECK(rig.cursors().Least() == Seq{2});
  rig.Reopen();
  CHECK(rig.cursors().all().size() == 1);
}

TEMPLATE_TEST_CASE("cursors: what was truncated away holds nothing back",
                   "[log]", OnMemory, OnRocks) {
  CursorRig<TestType> rig;
  REQUIRE(rig.Set("slow", 2).ok());
  REQUIRE(rig.Set("quick", 9).ok());
  CHECK(rig.cursors().Least() == Seq{2});
  REQUIRE(rig.harness()->TruncateThrough({5}).ok());
  CHECK(rig.cursors().Least() == Seq{9});
  CHECK(rig.harness()->Check(rig.cursors().Find("slow")->log,
                             rig.cursors().Find("slow")->seq) ==
        CursorState::kBehindHorizon);
  // It comes back in front of the horizon.
  CHECK(*rig.Set("slow", 6) == CursorState::kValid);
  CHECK(rig.cursors().Least() == Seq{6});
}

TEMPLATE_TEST_CASE("cursors: one of a log that was made anew is not valid",
                   "[log]", OnMemory, OnRocks) {
  CursorRig<TestType> rig;
  WriteBatch rows;
  const LogId other{std::string(16, 'o')};
  rows.Put(Column::kProjects, CursorKey(kProject, "old"),
           EncodeCursor({other, {3}, kNow}));
  REQUIRE(rig.store().Write(rows, true).ok());
  rig.Reopen();
  REQUIRE(rig.cursors().Find("old") != nullptr);
  CHECK(rig.cursors().Least() == std::nullopt);
  // Of the log that is here it may begin anywhere.
  CHECK(*rig.Set("old", 1) == CursorState::kValid);
  CHECK(rig.cursors().Least() == Seq{1});
}

TEMPLATE_TEST_CASE("cursors: rows that cannot be read are refused", "[log]",
                   OnMemory, OnRocks) {
  CursorRig<TestType> rig;
  const std::string good = EncodeCursor({rig.harness().log().id(), {3}, kNow});
  const std::vector<std::pair<std::string, std::string>> bad = {
      {CursorKey(kProject, "a"), good.substr(0, good.size() - 1)},
      {CursorKey(kProject, "a"), good + "x"},
      {CursorKey(kProject, "a"), ""},
      {CursorKey(kProject, ""), good},
      {CursorKey(kProject, "a b"), good}};
  for (const auto& [key, value] : bad) {
    WriteBatch rows;
    rows.Put(Column::kProjects, key, value);
    REQUIRE(rig.store().Write(rows, false).ok());
    CHECK(absl::IsDataLoss(
        Cursors::Open(rig.store(), rig.harness().log(), kProject).status()));
    WriteBatch undo;
    undo.Delete(Column::kProjects, key);
    REQUIRE(rig.store().Write(undo, false).ok());
  }
  CHECK(Cursors::Open(rig.store(), rig.harness().log(), kProject).ok());
}

TEST_CASE("cursors: a move is acknowledged only once it is durable", "[log]") {
  OnMemory on;
  GateStore gate(on.store());
  LogHarness harness(gate);
  REQUIRE(harness.Append(DraftsOf(OriginOf(1), 1, 10)).ok());
  const auto cursors = Cursors::Open(gate, harness.log(), kProject);
  REQUIRE(cursors.ok());
  gate.Shut();
  int acknowledged = 0;
  const auto set = [&](std::uint64_t seq) {
    (*cursors)->Set("c", harness->id(), {seq}, Move::kForward, kNow,
                    [&](const Answer& answer) {
                      CHECK(answer.ok());
                      ++acknowledged;
                    });
  };
  set(5);
  set(5);  // Does not overtake the first one.
  harness.Poll();
  gate.AwaitHeld();
  harness.Poll();
  CHECK(acknowledged == 0);
  gate.Open();
  harness.Run();
  CHECK(acknowledged == 2);
}

}  // namespace
}  // namespace syncline
