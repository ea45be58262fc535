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

namespace {

// Rule P5.
bool TakesTooMuch(const Effect& effect, const CausalState& state) {
  const auto* removal = std::get_if<RemoveEffect>(&effect);
  if (removal == nullptr || removal->place.empty()) return false;
  const auto heads = state.Heads({Field::kContent, removal->item, {}, {}});
  return heads.ok() &&
         std::any_of(heads->begin(), heads->end(), [&](const Head& head) {
           return std::find(removal->content.begin(), removal->content.end(),
                            head.order.dot()) == removal->content.end();
         });
}

}  // namespace

std::string HistoryOracle::Sees(const UserAction& action,
                                const CausalState& state) {
  for (const Effect& effect : action.effects) {
    if (TakesTooMuch(effect, state)) {
      return action.what + " takes the place of what has other content";
    }
    if (action.seen && !SeenCheck(*action.seen).Holds(effect)) {
      return action.what + " supersedes what its author has not seen";
    }
  }
  return {};
}

namespace {

// What rule G4 puts into the token of a row.
std::vector<LiveHeads::Name> TokenOf(const Row& row,
                                     const CausalState::Snapshot& snapshot,
                                     bool all) {
  std::vector<LiveHeads::Name> heads;
  for (const Sibling& sibling : row.siblings) {
    const Sibling& shown = row.siblings[row.shown];
    const bool same = sibling.reg.item.kind == shown.reg.item.kind &&
                      sibling.payload() == shown.payload();
    if (all || same || !row.conflict()) {
      heads.emplace_back(sibling.reg, sibling.head.order.dot());
    }
  }
  for (const auto& [reg, head] : snapshot.heads) {
    const bool of_row = std::find(row.items.begin(), row.items.end(),
                                  reg.item) != row.items.end();
    if (of_row && (reg.field == Field::kPlace || reg.field == Field::kAttr)) {
      heads.emplace_back(reg, head.order.dot());
    }
  }
  std::sort(heads.begin(), heads.end());
  return heads;
}

}  // namespace

std::string HistoryOracle::CheckTokens(const CausalState& state) {
  const auto snapshot = state.TakeSnapshot();
  if (!snapshot.ok()) return snapshot.status().ToString();
  for (const auto& [path, row] : ComputeNaiveView(*snapshot).rows) {
    for (const bool all : {false, true}) {
      const auto token = state.Read(path, all);
      if (!token.ok() || !*token ||
          (*token)->heads != TokenOf(row, *snapshot, all)) {
        return "another token of " + path;
      }
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
