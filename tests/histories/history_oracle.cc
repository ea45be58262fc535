#include "tests/histories/history_oracle.h"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

namespace syncline::testing {
namespace {

using Field = RegisterId::Field;

class SeenCheck {
 public:
  explicit SeenCheck(const std::vector<LiveHeads::Name>& seen) : seen_(seen) {}

  bool Holds(const Effect& effect) {
    std::visit([this](const auto& e) { Do(e); }, effect);
    return holds_;
  }

 private:
  void Need(const RegisterId& reg, std::span<const Dot> dots) {
    // Rule P11 pins directories that others have moved.
    if (reg.field == Field::kPlace && reg.item.IsDirectory()) return;
    for (const Dot& dot : dots) {
      holds_ &= std::find(seen_.begin(), seen_.end(),
                          LiveHeads::Name(reg, dot)) != seen_.end();
    }
  }
  void Do(const CreateEffect&) {}
  void Do(const EventEffect&) {}
  void Do(const PlaceEffect& e) {
    Need({Field::kPlace, e.item, {}, {}}, e.supersedes);
  }
  void Do(const ContentEffect& e) {
    Need({Field::kContent, e.item, {}, {}}, e.supersedes);
  }
  void Do(const AttrEffect& e) {
    Need({Field::kAttr, e.item, {}, e.key}, e.supersedes);
  }
  void Do(const RemoveEffect& e) {
    Need({Field::kPlace, e.item, {}, {}}, e.place);
    Need({Field::kContent, e.item, {}, {}}, e.content);
    for (const auto& [key, dot] : e.attrs) {
      Need({Field::kAttr, e.item, {}, key}, {&dot, 1});
    }
  }
  void Do(const DocEffect& e) {
    Need({Field::kDoc, {}, e.name_space, e.key}, e.supersedes);
  }

  const std::vector<LiveHeads::Name>& seen_;
  bool holds_ = true;
};

}  // namespace

ApplyOutcome HistoryOracle::OutcomeOf(const HistoryEntry& arriving,
                                      const VersionVector& frontier) {
  const Entry& entry = arriving.entry;
  const std::uint64_t known = frontier.CounterOf(entry.dot.origin);
  if (entry.dot.counter <= known) return ApplyOutcome::kDuplicate;
  if (entry.dot.counter > known + 1) return ApplyOutcome::kGap;
  for (const auto& slot : entry.context.slots()) {
    if (slot.counter > frontier.CounterOf(slot.origin)) {
      return ApplyOutcome::kCausality;
    }
  }
  return arriving.is_void ? ApplyOutcome::kVoid : ApplyOutcome::kApplied;
}

std::string HistoryOracle::AfterStep(const CausalState& state) {
  const Hash digest = state.Digest();
  const auto [at, added] = digests_.emplace(state.frontier().Encode(), digest);
  return at->second == digest ? "" : "equal frontiers, different states";
}

std::string HistoryOracle::Sees(const UserAction& action) {
  if (!action.seen) return {};
  SeenCheck check(*action.seen);
  for (const Effect& effect : action.effects) {
    if (!check.Holds(effect)) {
      return action.what + " supersedes what its author has not seen";
    }
  }
  return {};
}

namespace {

bool Below(const std::string& path, const std::string& top) {
  return !top.empty() && (path == top || path.starts_with(top + "/"));
}

// The rows that can be judged by their paths.
bool Plain(const UserAction::Move& move, const HistoryOracle::Rows& before,
           const HistoryOracle::Rows& after) {
  for (const auto& [path, row] : before) {
    if (path.find('~') != std::string::npos) return false;
    if (row.conflict() && Below(path, move.source)) return false;
    // Of a directory only: its children bring it back.
    if (move.target.empty() && path != move.source &&
        Below(path, move.source)) {
      return false;
    }
  }
  return std::none_of(after.begin(), after.end(), [](const auto& row) {
    return row.first.find('~') != std::string::npos;
  });
}

}  // namespace

std::string HistoryOracle::ChangesNoMore(const UserAction::Move& move,
                                         const Rows& before,
                                         const Rows& after) {
  if (!Plain(move, before, after)) return {};
  std::map<std::string, const Row*> expected;
  if (!move.target.empty()) expected.emplace(move.target, nullptr);
  for (const auto& [path, row] : before) {
    if (!Below(path, move.source)) {
      expected.emplace(path, &row);
    } else if (!move.target.empty()) {
      expected.emplace(move.target + path.substr(move.source.size()), nullptr);
    }
  }
  for (const auto& [path, row] : expected) {
    const auto now = after.find(path);
    // Directories that are only revived vanish with their last child.
    const bool revived = row != nullptr && row->revived;
    if (now == after.end() && !revived) return "it takes away " + path;
    if (now == after.end() || row == nullptr || Below(path, move.target)) {
      continue;
    }
    if (!row->IsDirectory() && row->items != now->second.items) {
      return "it changes " + path;
    }
  }
  for (const auto& [path, row] : after) {
    if (!expected.contains(path)) return "it brings " + path;
  }
  return {};
}

CausalState::Snapshot HistoryOracle::Expected(
    const VersionVector& frontier) const {
  LiveHeads heads;
  for (const HistoryEntry& made : entries_) {
    if (!made.is_void && frontier.Covers(made.entry.dot)) heads.Add(made.entry);
  }
  return heads.Under(frontier);
}

std::string HistoryOracle::CheckAll(const CausalState& state) const {
  const CausalState::Snapshot expected = Expected(state.frontier());
  std::string fault = CompareHeads(state, expected);
  if (!fault.empty()) return fault;
  return CompareView(state, ComputeNaiveView(expected));
}

std::string HistoryOracle::CheckEnd(
    const std::vector<HistoryReplica>& replicas) const {
  const CausalState& first = replicas[0].state();
  const CausalState::Snapshot expected = Expected(first.frontier());
  std::string fault = CompareHeads(first, expected);
  if (!fault.empty()) return fault;
  const NaiveView view = ComputeNaiveView(expected);
  for (const HistoryReplica& replica : replicas) {
    const CausalState& state = replica.state();
    if (state.frontier() != first.frontier()) return "different frontiers";
    if (state.Digest() != first.Digest()) return "different digests";
    fault = CompareView(state, view);
    if (!fault.empty()) return fault;
  }
  return {};
}

std::string HistoryOracle::CheckQuiet(std::size_t replicas) const {
  std::size_t human = 0;
  std::size_t automatic = 0;
  for (const HistoryEntry& made : entries_) {
    if (made.is_void) continue;
    if (made.entry.generation() > 0) {
      ++automatic;
      continue;
    }
    for (const Effect& effect : made.entry.effects) {
      human += std::holds_alternative<ContentEffect>(effect) ||
               std::holds_alternative<DocEffect>(effect);
    }
  }
  if (automatic <= human * replicas) return {};
  return std::to_string(automatic) + " automatic entries";
}

}  // namespace syncline::testing
