#include "tests/sim/sim_run.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "tests/sim/sim_archive.h"
#include "tests/sim/sim_network.h"
#include "tests/sim/sim_node.h"
#include "tests/sim/sim_oracle.h"

namespace syncline::testing {
namespace {

using Kind = SimAction::Kind;

constexpr std::int64_t kMs = 1'000;
// What is broken may take so long to come together again.
constexpr std::int64_t kPatienceUs = 600'000 * kMs;
// While it does not, people look what 'status' says.
constexpr std::int64_t kLookUs = 120'000 * kMs;

class Run {
 public:
  explicit Run(const SimScript& script) : script_(script), clock_(script.seed) {
    for (int i = 0; i < script.nodes; ++i) {
      nodes_.push_back(std::make_unique<SimNode>(clock_, archive_, i));
      SimNode* const node = nodes_.back().get();
      node->OnGiveUp([this, node] {
        Later(0, [this, node] { Restart(*node, std::nullopt, 1); });
      });
      staying_.push_back(node);
      Boot(*node);
    }
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      for (std::size_t j = i + 1; j < nodes_.size(); ++j) {
        links_.push_back(
            std::make_unique<SimLink>(clock_, *nodes_[i], *nodes_[j]));
        ends_.emplace_back(static_cast<int>(i), static_cast<int>(j));
      }
    }
  }

  SimOutcome Play() {
    for (const SimAction& action : script_.actions) {
      clock_.RunUntil(action.at_ms * kMs);
      if (fault_.empty()) fault_ = Overstated();
      Do(action);
    }
    Heal();
    SimOutcome outcome;
    if (fault_.empty()) fault_ = Settle();
    if (fault_.empty()) fault_ = Encore();
    outcome.fault = fault_;
    outcome.helped = helped_;
    outcome.trace = clock_.trace();
    outcome.simulated_ms = clock_.now_us() / kMs;
    for (const auto& node : nodes_) outcome.joined += node->joined();
    if (staying_[0]->running()) {
      outcome.entries = staying_[0]->replica().log().head().value;
    }
    for (const auto& node : nodes_) {
      outcome.forks += node->forks();
      if (outcome.fault.empty()) outcome.fault = node->fault();
    }
    for (const auto& link : links_) {
      outcome.refused += link->refused();
      if (outcome.fault.empty()) outcome.fault = link->fault();
    }
    links_.clear();
    return outcome;
  }

 private:
  void Boot(SimNode& node) {
    if (node.running()) return;
    const std::string why = node.Boot();
    if (!why.empty() && fault_.empty()) fault_ = "boot: " + why;
  }

  void CutAll(const SimNode& node) {
    for (const auto& link : links_) {
      if (link->Joins(node)) link->Cut();
    }
  }

  void Stop(SimNode& node, std::optional<std::size_t> keep) {
    CutAll(node);
    node.Crash(keep);
  }

  SimLink& LinkOf(int a, int b) {
    const auto at = std::find(ends_.begin(), ends_.end(),
                              std::pair(std::min(a, b), std::max(a, b)));
    return *links_[static_cast<std::size_t>(at - ends_.begin())];
  }

  void Later(std::int64_t ms, std::function<void()> then) {
    clock_.After(ms * kMs, std::move(then));
  }

  void Restart(SimNode& node, std::optional<std::size_t> keep,
               std::int64_t ms) {
    if (!node.running()) return;
    Stop(node, keep);
    Later(ms, [this, &node] { Boot(node); });
  }

  void Do(const SimAction& action) {
    SimNode& node = *nodes_[static_cast<std::size_t>(action.a)];
    switch (action.kind) {
      case Kind::kEdit:
        if (node.running()) {
          node.Edit(static_cast<std::uint64_t>(action.value));
        }
        break;
      case Kind::kKill:
        Restart(node, std::nullopt, action.value);
        break;
      case Kind::kPower:
        Restart(node, clock_.random().Below(node.disk().unsynced() + 1),
                action.value);
        break;
      case Kind::kEio:
        node.store().Fail(FaultyStore::Call::kWrite, 1,
                          absl::UnavailableError("no disk"));
        Later(action.value, [this, &node] { Restart(node, std::nullopt, 1); });
        break;
      case Kind::kCut:
        LinkOf(action.a, action.b).Cut();
        break;
      case Kind::kHang:
        LinkOf(action.a, action.b).Hang();
        break;
      case Kind::kPart:
        LinkOf(action.a, action.b).SetUp(false);
        Later(action.value,
              [this, action] { LinkOf(action.a, action.b).SetUp(true); });
        break;
      case Kind::kStall: {
        const bool second = action.b > action.a;
        LinkOf(action.a, action.b).Stall(second, true);
        Later(action.value, [this, action, second] {
          LinkOf(action.a, action.b).Stall(second, false);
        });
        break;
      }
      case Kind::kClock:
        node.time().skew_ms = action.value * 1'000;
        break;
      case Kind::kImage:
        if (node.running()) node.KeepImage();
        imaged_ = true;
        break;
      case Kind::kSetBack:
        SetBack(node, action.value);
        break;
      case Kind::kLie:
        Lie(node, action.b > 0, action.value);
        break;
      case Kind::kSlow:
        node.sync().Slow(100);
        Later(action.value, [&node] { node.sync().Slow(1); });
        break;
      case Kind::kRemove:
        Remove(action);
        break;
      case Kind::kStrategy:
        node.SetStrategy(static_cast<Strategy>(action.value));
        break;
      case Kind::kTruncate:
        Truncate(node, static_cast<std::uint64_t>(action.value));
        break;
    }
  }

  // By force; but not once a machine may be set back, as nobody could tell then
  // that its entries are others than those that only one had, and that one
  // dropped. Then it is as people are told ('log truncate' refuses): nothing
  // goes that another device lacks.
  void Truncate(SimNode& node, std::uint64_t thousandths) {
    if (!node.running()) return;
    std::vector<VersionVector> others;
    for (const auto& other : nodes_) {
      if (!imaged_ || other.get() == &node) continue;
      if (!other->running()) return;
      others.push_back(other->replica().log().durable_frontier());
    }
    node.Truncate(thousandths, others);
  }

  // What others than `node` hold durably is not lost with it.
  std::vector<SimNode::Entries> OthersOf(const SimNode& node) const {
    std::vector<SimNode::Entries> others;
    for (const auto& other : nodes_) {
      if (other.get() == &node || !other->running()) continue;
      others.push_back(other->Holds());
    }
    return others;
  }

  void SetBack(SimNode& node, std::int64_t ms) {
    const bool running = node.running();
    if (running) Stop(node, std::nullopt);
    const bool done = node.SetBack(OthersOf(node));
    if (running || done) Later(ms, [this, &node] { Boot(node); });
  }

  // Its program is replaced, and afterwards again: all sessions begin anew.
  void Lie(SimNode& node, bool positions, std::int64_t ms) {
    CutAll(node);
    node.damage().Begin(positions);
    Later(ms, [this, &node] {
      node.damage().End();
      CutAll(node);
    });
  }

  void Remove(const SimAction& action) {
    SimNode& node = *nodes_[static_cast<std::size_t>(action.a)];
    if (action.value == 0 || action.value % 2 == 1) {
      // What only it has goes with it: not while others wait for content.
      if (IsNeeded(node)) return Later(1'000, [=, this] { Remove(action); });
    }
    std::vector<SimNode*> by;
    for (const auto& other : nodes_) {
      const bool all = action.a == action.b;
      if (other->number() != action.a && (all || other->number() == action.b)) {
        by.push_back(other.get());
      }
    }
    for (SimNode* const other : by) other->Remove(node);
    TellPeersOf(node);
    if (action.value == 0) {
      if (action.a == action.b) Leave(node);
      return;
    }
    Later(action.value, [this, &node, by, anew = action.value % 2 == 1] {
      if (anew) {
        if (node.running()) Stop(node, std::nullopt);
        node.Wipe(OthersOf(node));
        Boot(node);
      }
      for (SimNode* const other : by) other->Admit(node);
    });
  }

  bool IsNeeded(const SimNode& node) const {
    return std::any_of(nodes_.begin(), nodes_.end(), [&](const auto& other) {
      return other.get() != &node &&
             (!other->running() || other->replica().wants().size() > 0);
    });
  }

  void TellPeersOf(const SimNode& node) {
    for (const auto& link : links_) {
      if (link->Joins(node)) link->PeersChanged();
    }
  }

  // For good: it must not learn what others do from now on.
  void Leave(SimNode& node) {
    std::erase(staying_, &node);
    left_.push_back(&node);
    for (const auto& each : nodes_) {
      // Who knows what it holds.
      if (!each->running()) return;
    }
    known_.emplace();
    for (const auto& each : nodes_) {
      known_->Join(each->replica().log().frontier());
    }
  }

  std::string CheckLeft() const {
    if (!known_ || !left_[0]->running()) return {};
    const VersionVector& frontier = left_[0]->replica().log().frontier();
    for (SimNode* const other : staying_) {
      const Origin& origin = other->self().origin;
      if (frontier.CounterOf(origin) > known_->CounterOf(origin)) {
        return "removed: it was given what came later";
      }
    }
    return {};
  }

  std::string Overstated() const {
    for (const auto& link : links_) {
      if (auto fault = link->Overstated(); !fault.empty()) return fault;
    }
    return {};
  }

  void Heal() {
    // What was to end by itself has ended.
    clock_.RunUntil(clock_.now_us() + 61'000 * kMs);
    for (const auto& node : nodes_) {
      node->store().Heal();
      if (node->running() && !node->replica().health().ok()) {
        Stop(*node, std::nullopt);
      }
      Boot(*node);
    }
    for (const auto& link : links_) link->SetUp(true);
  }

  // Each node in turn, the others being quiet: what is appended while the disk
  // is busy with what came before must not be forgotten.
  std::string Encore() {
    for (SimNode* const node : staying_) {
      for (int i = 0; i < 6; ++i) {
        node->Edit(clock_.random().Next());
        clock_.RunUntil(clock_.now_us() + clock_.Between(0, 1'500));
        if (auto fault = Overstated(); !fault.empty()) return fault;
      }
      const std::string fault = Settle();
      if (!fault.empty()) return fault;
    }
    return {};
  }

  // One device is told that it cannot give up a side of a fork: people do what
  // 'status' says, and look again.
  bool PeopleHelp() {
    const auto at = std::find_if(
        staying_.begin(), staying_.end(),
        [](SimNode* node) { return node->running() && node->stuck(); });
    if (at == staying_.end()) return false;
    SimNode& node = **at;
    const SimNode::Copy copy = node.TakeCopy();
    // What is lost that way is what the documentation says: of what only this
    // device held, all that the copy does not show.
    const SimNode::Entries gone = node.Holds();
    Stop(node, std::nullopt);
    const std::vector<SimNode::Entries> others = OthersOf(node);
    for (SimNode* const each : staying_) each->Forget(gone, others);
    ++helped_;
    node.Wipe(others);
    Boot(node);
    if (node.running()) node.PutBack(copy);
    for (SimNode* const each : staying_) each->LookAgain();
    for (const auto& link : links_) link->Cut();
    return true;
  }

  // Everything comes together, and then nothing is written any more.
  std::string Settle() {
    std::int64_t end = clock_.now_us() + kPatienceUs;
    std::int64_t look_at = clock_.now_us() + kLookUs;
    int helped = 0;
    std::int64_t quiet_since = -1;
    std::uint64_t entries = 0;
    while (clock_.now_us() < end) {
      clock_.RunUntil(clock_.now_us() + 1'000 * kMs);
      if (auto fault = Overstated(); !fault.empty()) return fault;
      if (!AllEqual(staying_)) {
        quiet_since = -1;
        if (clock_.now_us() < look_at || helped == 2 * script_.nodes) continue;
        look_at += kLookUs;
        if (!PeopleHelp()) continue;
        ++helped;
        end = clock_.now_us() + kPatienceUs;
        continue;
      }
      const std::uint64_t now = staying_[0]->replica().log().head().value;
      if (now != entries) quiet_since = -1;
      entries = now;
      if (quiet_since < 0) quiet_since = clock_.now_us();
      if (clock_.now_us() - quiet_since >= 60'000 * kMs) {
        for (const auto& link : links_) {
          if (auto fault = link->Understated(); !fault.empty()) return fault;
        }
        const std::string fault = FindFault(staying_, left_);
        return fault.empty() ? CheckLeft() : fault;
      }
    }
    std::string fault = "liveness: not in step after ten minutes";
    for (const auto& link : links_) fault += link->Trouble();
    return fault;
  }

  const SimScript& script_;
  SimClock clock_;
  SimArchive archive_;
  std::vector<std::unique_ptr<SimNode>> nodes_;
  std::vector<SimNode*> staying_;
  std::vector<SimNode*> left_;          // Removed by all, for good.
  std::optional<VersionVector> known_;  // What all of them held then.
  std::vector<std::unique_ptr<SimLink>> links_;
  std::vector<std::pair<int, int>> ends_;
  std::uint64_t helped_ = 0;
  bool imaged_ = false;  // Somebody may be set back to that.
  std::string fault_;
};

std::string KindOf(const std::string& fault) {
  return fault.substr(0, fault.find(':'));
}

}  // namespace

SimOutcome RunScript(const SimScript& script) { return Run(script).Play(); }

SimScript Shrink(SimScript script) {
  const std::string kind = KindOf(RunScript(script).fault);
  for (std::size_t count = script.actions.size() / 2; count > 0; count /= 2) {
    for (std::size_t at = 0; at < script.actions.size();) {
      SimScript shorter = script;
      const auto begin =
          shorter.actions.begin() + static_cast<std::ptrdiff_t>(at);
      const std::size_t left = shorter.actions.size() - at;
      shorter.actions.erase(
          begin, begin + static_cast<std::ptrdiff_t>(std::min(count, left)));
      if (KindOf(RunScript(shorter).fault) == kind) {
        script = std::move(shorter);
      } else {
        at += count;
      }
    }
  }
  return script;
}

}  // namespace syncline::testing
