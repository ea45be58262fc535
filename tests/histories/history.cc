#include "tests/histories/history.h"

#include <algorithm>
#include <utility>

#include "base/hash.h"
#include "tests/histories/history_oracle.h"
#include "tests/histories/history_user.h"

namespace syncline::testing {
namespace {

constexpr int kRoundsMax = 4;

// Always has a base, as strategies of the rules do.
class AnyMerger final : public ContentMerger {
 public:
  std::optional<std::string> Merge(std::string_view first,
                                   std::string_view second) const override {
    if (first.size() + second.size() > 30) return std::nullopt;
    return std::string(first) + "+" + std::string(second);
  }
};

class History {
 public:
  History(std::uint64_t seed, std::vector<std::string>* trace)
      : random_(seed), users_(random_), oracle_(entries_), trace_(trace) {
    // One in 64 is looked at all the time.
    thorough_ = seed % 64 == 0;
    truncates_ = OneIn(3);
    replicas_.resize(3 + std::min(Below(6), Below(6)));
    for (HistoryReplica& replica : replicas_) {
      constexpr std::int64_t kSkews[] = {
          0, 0, 700, -90'000, 200'000, std::int64_t{315'360'000'000}};
      replica.skew_ms = kSkews[Below(6)];
      replica.strategy = static_cast<Strategy>(Below(7));
      replica.engine = std::make_unique<TestReplica>(NewOrigin(), 0);
    }
  }

  HistoryOutcome Run(int steps) {
    const int looked_at = static_cast<int>(Below(steps));
    Begin();
    for (int k = 0; k < steps && fault_.empty(); ++k) {
      HistoryReplica& replica = Step();
      Check(oracle_.AfterStep(replica.state()));
      if (k == looked_at || thorough_) Check(oracle_.CheckAll(replica.state()));
      if (thorough_) LookCloser(replica);
    }
    if (fault_.empty()) Heal();
    outcome_.fault = fault_;
    if (!fault_.empty()) return outcome_;
    outcome_.entries = entries_.size();
    outcome_.trace = TraceOf(replicas_[0].state());
    return outcome_;
  }

 private:
  void LookCloser(const HistoryReplica& replica) {
    Check(HistoryOracle::CheckTokens(replica.state()));
    Check(replica.feed.Compare(replica.state()));
  }
  void Follow(HistoryReplica& replica) {
    if (!thorough_) return;
    Check(replica.feed.Follow(replica.engine->last_changes(), replica.state()));
    replica.engine->ForgetChanges();
  }

  std::uint64_t Below(std::uint64_t bound) { return random_.Below(bound); }
  bool OneIn(std::uint64_t n) { return Below(n) == 0; }
  Origin NewOrigin() { return Origin::Random(random_); }
  std::int64_t Now(const HistoryReplica& replica) const {
    return now_ms_ + replica.skew_ms;
  }
  static std::uint64_t TraceOf(const CausalState& state) {
    std::uint64_t trace = 0;
    const Hash digest = state.Digest();
    for (const char c : digest.view().substr(0, 8)) {
      trace = trace << 8 | static_cast<unsigned char>(c);
    }
    return trace;
  }

  void Check(std::string fault) {
    if (fault_.empty()) fault_ = std::move(fault);
  }
  void Check(const absl::Status& status) {
    if (!status.ok()) Check(status.ToString());
  }
  void Note(const HistoryReplica& replica, const std::string& what) {
    if (trace_ == nullptr) return;
    trace_->push_back(std::to_string(&replica - replicas_.data()) + ": " +
                      what);
  }

  // What all have before they part.
  void Begin() {
    HistoryReplica& first = replicas_[0];
    UserAction action = users_.Begin(first.state());
    Note(first, action.what);
    Commit(first, std::move(action.effects), "user");
    for (HistoryReplica& replica : replicas_) {
      if (&replica != &first) Pull(replica, first, entries_.size());
    }
  }

  HistoryReplica& Step() {
    // Now and then several things happen at one time.
    if (!OneIn(3)) now_ms_ += static_cast<std::int64_t>(1 + Below(3'000));
    HistoryReplica& replica = replicas_[Below(replicas_.size())];
    HistoryReplica& other = replicas_[Below(replicas_.size())];
    const std::uint64_t dice = Below(100);
    if (dice < 32) {
      User(replica);
    } else if (dice < 34) {
      Illegal(replica);
    } else if (dice < 70) {
      Pull(replica, other, 1 + Below(3));
    } else if (dice < 83) {
      Stray(replica);
    } else if (dice < 85) {
      if (truncates_) Truncate(replica);
    } else if (dice < 87) {
      Join(replica, other);
    } else if (dice < 94) {
      Resolve(replica);
    } else if (dice < 97) {
      Note(replica, "flush");
      replica.engine->Flush();
    } else if (dice < 99) {
      Note(replica, "crash");
      replica.engine->Crash(Now(replica));
      Check(replica.engine->fault());
    } else {
      // As who finds that the past may be lost.
      Note(replica, "goes on under another origin");
      replica.engine = replica.engine->Copy(NewOrigin());
    }
    return replica;
  }

  void User(HistoryReplica& replica) {
    UserAction action = users_.Act(replica);
    Note(replica, action.what);
    Check(HistoryOracle::Sees(action, replica.state()));
    const bool judged = action.move &&
                        (thorough_ || OnCycle(replica, action)) &&
                        IsFresh(replica, action);
    HistoryOracle::Rows before;
    if (judged) before = ListAll(replica.state());
    Commit(replica, std::move(action.effects), "user");
    if (!judged || !fault_.empty()) return;
    const std::string fault = HistoryOracle::ChangesNoMore(
        *action.move, before, ListAll(replica.state()));
    if (!fault.empty()) Check(action.what + ": " + fault);
  }

  // Whether T4 shows elsewhere what the user moves or removes, or what it is
  // for: rare, and easy to get wrong.
  static bool OnCycle(const HistoryReplica& replica, const UserAction& action) {
    if (!action.move->token) return false;
    const auto& items = action.move->token->items;
    return std::any_of(items.begin(), items.end(), [&](const ItemId& item) {
      const auto shown = replica.state().ShownAtRootFor(item);
      return shown.ok() && shown->has_value();
    });
  }

  // Whether what the user saw is still so.
  static bool IsFresh(const HistoryReplica& replica, const UserAction& action) {
    if (!action.move->token) return true;
    for (const bool all : {false, true}) {
      const auto now = replica.state().Read(action.move->source, all);
      if (now.ok() && *now == action.move->token) return true;
    }
    return false;
  }

  bool Commit(HistoryReplica& replica, std::vector<Effect> effects,
              const std::string& cause) {
    if (effects.empty()) return false;
    return Make(replica, {replica.state().MakeEntry(std::move(effects), cause,
                                                    Now(replica)),
                          false});
  }

  // Whether it went well.
  bool Make(HistoryReplica& replica, HistoryEntry made) {
    entries_.push_back(std::move(made));
    Deliver(replica, entries_.size() - 1, false);
    return fault_.empty();
  }

  void Illegal(HistoryReplica& replica) {
    Note(replica, "an illegal entry");
    Make(replica, {users_.Illegal(replica, Now(replica)), true});
  }

  // `stray`: it may be refused.
  void Deliver(HistoryReplica& replica, std::size_t number, bool stray) {
    const HistoryEntry& arriving = entries_[number];
    const ApplyOutcome expected =
        HistoryOracle::OutcomeOf(arriving, replica.state().frontier());
    const auto applied = replica.engine->Apply(arriving.entry, Now(replica));
    if (!applied.ok()) return Check(applied.status());
    if (applied->outcome != expected) {
      return Check("another outcome of " + arriving.entry.dot.ToText() + " " +
                   applied->void_reason);
    }
    Follow(replica);
    if (expected == ApplyOutcome::kApplied || expected == ApplyOutcome::kVoid) {
      replica.log.push_back(number);
    } else if (stray) {
      ++outcome_.refused;
    } else {
      Check("a transfer with a hole");
    }
  }

  void Stray(HistoryReplica& replica) {
    if (entries_.empty()) return;
    const std::size_t number = Below(entries_.size());
    Note(replica, "is given " + entries_[number].entry.dot.ToText());
    Deliver(replica, number, true);
  }

  // Up to `limit` of what `other` has in its log, or its state.
  void Pull(HistoryReplica& replica, HistoryReplica& other, std::size_t limit) {
    if (!replica.state().frontier().Covers(other.truncated)) {
      return Join(replica, other);
    }
    Note(replica, "pulls");
    for (const std::size_t number : other.log) {
      if (limit == 0 || !fault_.empty()) return;
      if (replica.state().frontier().Covers(entries_[number].entry.dot)) {
        continue;
      }
      Deliver(replica, number, false);
      --limit;
    }
  }

  void Truncate(HistoryReplica& replica) {
    const std::size_t count = Below(replica.log.size() + 1);
    Note(replica, "truncates");
    for (std::size_t i = 0; i < count; ++i) {
      const Dot& dot = entries_[replica.log[i]].entry.dot;
      replica.truncated.Raise(dot.origin, dot.counter);
    }
    replica.log.erase(replica.log.begin(),
                      replica.log.begin() + static_cast<std::ptrdiff_t>(count));
  }

  void Join(HistoryReplica& replica, HistoryReplica& other) {
    if (&replica == &other) return;
    Note(replica, "joins " + std::to_string(&other - replicas_.data()));
    ++outcome_.joins;
    const VersionVector before = replica.state().frontier();
    if (OneIn(8)) {
      if (thorough_) FollowParts(replica);
      Check(replica.engine->JoinInPieces(*other.engine, Now(replica)));
    } else {
      const auto snapshot = other.state().TakeSnapshot();
      if (!snapshot.ok()) return Check(snapshot.status());
      Check(replica.engine->Join(*snapshot, Now(replica)).status());
    }
    Follow(replica);
    for (const auto& slot : other.state().frontier().slots()) {
      if (slot.counter <= before.CounterOf(slot.origin)) continue;
      replica.truncated.Raise(slot.origin, slot.counter);
    }
  }

  void FollowParts(HistoryReplica& replica) {
    replica.engine->on_part = [this, &replica](const auto& changes) {
      Check(replica.feed.Follow(changes, replica.state()));
    };
  }

  std::uint64_t Resolve(HistoryReplica& replica) {
    const auto conflicts = replica.state().Conflicts();
    if (!conflicts.ok()) {
      Check(conflicts.status());
      return 0;
    }
    std::uint64_t made = 0;
    const AnyMerger merger;
    for (const std::string& path : *conflicts) {
      auto effects =
          ResolveEffects(replica.state(), path, replica.strategy, &merger);
      if (!effects.ok()) {
        Check(effects.status());
        return 0;
      }
      if (effects->empty()) continue;
      Note(replica, "resolves " + path);
      const std::string name(StrategyName(replica.strategy));
      made += Commit(replica, *std::move(effects), "auto:" + name);
    }
    outcome_.conflicts += made;
    return made;
  }

  // All have the same then.
  void Exchange() {
    HistoryReplica& hub = replicas_[0];
    for (HistoryReplica& replica : replicas_) {
      if (&replica != &hub) PullSomehow(hub, replica);
    }
    for (HistoryReplica& replica : replicas_) {
      if (&replica != &hub) PullSomehow(replica, hub);
    }
  }

  void PullSomehow(HistoryReplica& replica, HistoryReplica& other) {
    if (replica.state().frontier().Covers(other.state().frontier())) return;
    if (OneIn(8)) {
      Join(replica, other);
    } else {
      Pull(replica, other, entries_.size());
    }
  }

  void Heal() {
    for (int round = 0; round <= kRoundsMax; ++round) {
      Exchange();
      std::uint64_t made = 0;
      for (HistoryReplica& replica : replicas_) made += Resolve(replica);
      if (!fault_.empty()) return;
      if (made == 0) {
        Check(oracle_.CheckEnd(replicas_));
        return Check(oracle_.CheckQuiet(replicas_.size()));
      }
    }
    Check("resolution does not end");
  }

  SeededRandom random_;
  HistoryUsers users_;
  std::vector<HistoryReplica> replicas_;
  std::vector<HistoryEntry> entries_;  // In an order that is causal.
  HistoryOracle oracle_;
  std::vector<std::string>* trace_;
  bool thorough_ = false;
  bool truncates_ = false;
  std::int64_t now_ms_ = 1'750'000'000'000;
  std::string fault_;
  HistoryOutcome outcome_;
};

}  // namespace

HistoryOutcome RunHistory(std::uint64_t seed, int steps,
                          std::vector<std::string>* trace) {
  return History(seed, trace).Run(steps);
}

}  // namespace syncline::testing
