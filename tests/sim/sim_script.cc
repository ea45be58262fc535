#include "tests/sim/sim_script.h"

#include <algorithm>
#include <array>
#include <sstream>

#include "base/random.h"
#include "base/status.h"

namespace syncline::testing {
namespace {

using Kind = SimAction::Kind;

constexpr std::array<std::string_view, 16> kNames = {
    "edit",    "kill",  "power", "eio",      "cut",      "hang",
    "part",    "stall", "clock", "strategy", "truncate", "image",
    "setback", "lie",   "slow",  "remove"};

bool Has(const SimScript& script, Kind kind) {
  return std::any_of(
      script.actions.begin(), script.actions.end(),
      [kind](const SimAction& action) { return action.kind == kind; });
}

// Before what is at `at` now, at the same time.
void Insert(SimScript& script, std::size_t at, SimAction action) {
  action.at_ms = script.actions[at].at_ms;
  script.actions.insert(
      script.actions.begin() + static_cast<std::ptrdiff_t>(at), action);
}

void AddEdits(SimScript& script, std::int64_t at_ms, std::int64_t ms,
              const std::vector<int>& nodes, RandomSource& random) {
  for (int i = 0; i < 8; ++i) {
    script.actions.push_back(
        {at_ms + i * ms / 8, Kind::kEdit, nodes[random.Below(nodes.size())], 0,
         static_cast<std::int64_t>(random.Below(1u << 30))});
  }
}

// Nobody reaches `node`.
void AddParts(SimScript& script, std::int64_t at_ms, std::int64_t ms,
              int node) {
  for (int other = 0; other < script.nodes; ++other) {
    if (other == node) continue;
    script.actions.push_back({at_ms, Kind::kPart, node, other, ms});
  }
}

// Last, `a` is set back while one other has seen what it loses, and has built
// on it; what `a` writes in its place is seen by the rest only, at first.
void AddLastSetBack(SimScript& script, int a, RandomSource& random) {
  if (script.nodes < 3) return;
  const auto nodes = static_cast<std::uint64_t>(script.nodes);
  const std::int64_t at_ms = script.actions.back().at_ms + 61'000;
  const int witness = static_cast<int>(
      (static_cast<std::uint64_t>(a) + 1 + random.Below(nodes - 1)) % nodes);
  std::vector<int> rest;
  for (int i = 0; i < script.nodes; ++i) {
    if (i != a && i != witness) rest.push_back(i);
  }
  AddEdits(script, at_ms, 1'000, {a}, random);
  script.actions.push_back({at_ms + 3'000, Kind::kImage, a, 0, 0});
  for (const int other : rest) {
    script.actions.push_back({at_ms + 3'001, Kind::kPart, a, other, 15'000});
    script.actions.push_back(
        {at_ms + 3'001, Kind::kPart, witness, other,
         20'000 + static_cast<std::int64_t>(random.Below(40'000))});
  }
  AddEdits(script, at_ms + 4'000, 4'000, {a, witness}, random);
  script.actions.push_back({at_ms + 17'000, Kind::kPart, a, witness,
                            static_cast<std::int64_t>(random.Below(30'000))});
  script.actions.push_back({at_ms + 17'001, Kind::kSetBack, a, 0, 10});
  AddEdits(script, at_ms + 18'000, 10'000, {a}, random);
  rest.push_back(witness);
  AddEdits(script, at_ms + 18'001, 30'000, rest, random);
}

// In some runs one machine is set back to an earlier image of its disk.
void AddSetBack(SimScript& script) {
  SeededRandom random(script.seed ^ 0x5e7bac4);
  if (random.Below(5) > 0 || script.actions.size() < 4) return;
  SimAction action;
  action.kind = Kind::kSetBack;
  action.a =
      static_cast<int>(random.Below(static_cast<std::uint64_t>(script.nodes)));
  action.value = static_cast<std::int64_t>(random.Below(2'000));
  if (random.Below(2) == 0) return AddLastSetBack(script, action.a, random);
  const std::size_t image = random.Below(script.actions.size() / 2);
  const std::size_t back =
      image + 1 + random.Below(script.actions.size() - image - 1);
  Insert(script, back, action);
  action.kind = Kind::kImage;
  Insert(script, image, action);
}

// Last, there is something that only `liar` can give to the others while it
// lies: entries, its own and those of nodes that reach each other by way of it
// only; or a state.
void AddLastLie(SimScript& script, int liar, RandomSource& random) {
  const std::int64_t at_ms = script.actions.back().at_ms + 5'000;
  const bool state = random.Below(2) == 0;
  std::vector<int> all;
  for (int i = 0; i < script.nodes; ++i) {
    all.push_back(i);
    for (int j = i + 1; j < script.nodes; ++j) {
      const bool apart = (i == liar || j == liar) == state;
      const std::int64_t ms = state ? 10'000 : 60'000;
      if (apart) script.actions.push_back({at_ms, Kind::kPart, i, j, ms});
    }
  }
  const SimAction lie{at_ms + 8'000, Kind::kLie, liar, 0, 40'000};
  if (state) {
    AddEdits(script, at_ms, 5'000, {liar}, random);
    script.actions.push_back({at_ms + 7'000, Kind::kTruncate, liar, 0, 1'000});
    script.actions.push_back(lie);
  } else {
    script.actions.push_back(lie);
    AddEdits(script, lie.at_ms, 30'000, all, random);
  }
}

// In some runs one device says what is not so, for a while; in some of them
// also about where it stands. Not where logs are truncated: there its answers
// about the past can put an origin in doubt, which only its owner or people end.
void AddLies(SimScript& script) {
  SeededRandom random(script.seed ^ 0x11e5);
  if (random.Below(4) > 0 || script.actions.empty()) return;
  SimAction action;
  action.kind = Kind::kLie;
  action.a =
      static_cast<int>(random.Below(static_cast<std::uint64_t>(script.nodes)));
  const std::uint64_t count = random.Below(3);
  for (std::uint64_t i = 0; i < count; ++i) {
    action.value = static_cast<std::int64_t>(random.Below(60'000));
    Insert(script, random.Below(script.actions.size()), action);
  }
  // Its log may be truncated: not where a machine is set back.
  if (!Has(script, Kind::kSetBack)) AddLastLie(script, action.a, random);
  if (Has(script, Kind::kTruncate)) return;
  for (SimAction& lie : script.actions) {
    if (lie.kind == Kind::kLie && random.Below(3) == 0) lie.b = 1;
  }
}

// In some runs a device is removed: by one of the others, or by all.
void AddRemoval(SimScript& script) {
  SeededRandom random(script.seed ^ 0x4e0e);
  if (random.Below(6) > 0 || script.actions.empty()) return;
  SimAction action;
  action.kind = Kind::kRemove;
  const auto nodes = static_cast<std::uint64_t>(script.nodes);
  action.a = static_cast<int>(random.Below(nodes));
  action.b = action.a;
  // Not of two, so that there is another way.
  if (nodes > 2 && random.Below(3) == 0) {
    action.b = static_cast<int>(
        (static_cast<std::uint64_t>(action.a) + 1 + random.Below(nodes - 1)) %
        nodes);
  }
  if (random.Below(3) > 0) {
    action.value = 1 + static_cast<std::int64_t>(random.Below(59'000));
  }
  // Who was set back counts on what others hold: all come back as they were.
  if (Has(script, Kind::kSetBack)) action.value += 2 - action.value % 2;
  Insert(script, random.Below(script.actions.size()), action);
}

SimAction AnyAction(SeededRandom& random, int nodes) {
  const auto below = [&random](std::uint64_t bound) {
    return static_cast<std::int64_t>(random.Below(bound));
  };
  SimAction action;
  action.a = static_cast<int>(below(static_cast<std::uint64_t>(nodes)));
  action.b = (action.a + 1 +
              static_cast<int>(below(static_cast<std::uint64_t>(nodes) - 1))) %
             nodes;
  const std::int64_t dice = below(100);
  if (dice < 70) {
    action.value = below(1u << 30);
    return action;
  }
  constexpr std::array<Kind, 11> kFaults = {
      Kind::kKill,  Kind::kPower, Kind::kPower,   Kind::kEio,
      Kind::kHang,  Kind::kCut,   Kind::kPart,    Kind::kPart,
      Kind::kStall, Kind::kClock, Kind::kStrategy};
  action.kind = kFaults[static_cast<std::size_t>(below(kFaults.size()))];
  switch (action.kind) {
    case Kind::kClock: {
      constexpr std::array<std::int64_t, 6> kSeconds = {
          0, 200, -200, 400, 315'000'000, -315'000'000};
      action.value = kSeconds[static_cast<std::size_t>(below(6))];
      break;
    }
    case Kind::kStrategy:
      action.value = below(7);
      break;
    default:
      action.value = below(60'000);
  }
  return action;
}

// Last, nodes need each other's states, at once and with slow disks: while they
// install one they are asked for another.
void AddLastStates(SimScript& script, RandomSource& random) {
  const std::int64_t at_ms = script.actions.back().at_ms + 61'000;
  const auto nodes = static_cast<std::uint64_t>(script.nodes);
  for (int node = 0; node < script.nodes; ++node) {
    AddParts(script, at_ms, 10'000, node);
    AddEdits(script, at_ms + 1, 6'000, {node}, random);
    if (node == 0 || random.Below(3) > 0) {
      script.actions.push_back(
          {at_ms + 8'000, Kind::kTruncate, node, 0, 1'000});
    }
    script.actions.push_back({at_ms + 9'000, Kind::kSlow, node, 0, 10'000});
  }
  for (std::int64_t ms = 10'200; ms < 16'000; ms += 200) {
    const auto a = static_cast<int>(random.Below(nodes));
    const auto b = static_cast<int>(random.Below(nodes));
    if (a != b) script.actions.push_back({at_ms + ms, Kind::kCut, a, b, 0});
  }
}

// In some runs logs are truncated, so that states go over. Decided apart from
// the rest, which is what it would be without.
void AddTruncations(SimScript& script) {
  SeededRandom random(~script.seed);
  if (random.Below(3) != 0 || script.actions.empty()) return;
  const std::uint64_t count = 1 + random.Below(12);
  for (std::uint64_t i = 0; i < count; ++i) {
    SimAction action;
    action.kind = Kind::kTruncate;
    action.a = static_cast<int>(
        random.Below(static_cast<std::uint64_t>(script.nodes)));
    action.value = 1'000;
    if (random.Below(2) == 0) {
      action.value = static_cast<std::int64_t>(random.Below(1'001));
    }
    const std::size_t at = random.Below(script.actions.size() + 1);
    action.at_ms = at < script.actions.size() ? script.actions[at].at_ms
                                              : script.actions.back().at_ms;
    script.actions.insert(
        script.actions.begin() + static_cast<std::ptrdiff_t>(at), action);
  }
  if (random.Below(2) == 0) AddLastStates(script, random);
}

}  // namespace

SimScript SimScript::Of(std::uint64_t seed) {
  SeededRandom random(seed);
  SimScript script;
  script.seed = seed;
  script.nodes = 2 + static_cast<int>(random.Below(4));
  const std::uint64_t count = 20 + random.Below(80);
  // Some runs are hectic, some slow.
  const std::uint64_t pause_ms = std::uint64_t{1} << random.Below(14);
  std::int64_t at_ms = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    at_ms += static_cast<std::int64_t>(random.Below(pause_ms + 1));
    SimAction action = AnyAction(random, script.nodes);
    action.at_ms = at_ms;
    script.actions.push_back(action);
  }
  AddTruncations(script);
  AddSetBack(script);
  AddLies(script);
  AddRemoval(script);
  std::stable_sort(script.actions.begin(), script.actions.end(),
                   [](const SimAction& left, const SimAction& right) {
                     return left.at_ms < right.at_ms;
                   });
  return script;
}

std::string SimScript::ToText() const {
  std::ostringstream out;
  out << "seed " << seed << " nodes " << nodes << "\n";
  for (const SimAction& action : actions) {
    out << action.at_ms << " "
        << kNames.at(static_cast<std::size_t>(action.kind)) << " " << action.a
        << " " << action.b << " " << action.value << "\n";
  }
  return out.str();
}

absl::StatusOr<SimScript> SimScript::FromText(std::string_view text) {
  std::istringstream in{std::string(text)};
  SimScript script;
  std::string word;
  std::string other;
  if (!(in >> word >> script.seed >> other >> script.nodes) || word != "seed" ||
      other != "nodes" || script.nodes < 2) {
    return InvalidArgument("script: its first line is 'seed N nodes N'");
  }
  std::string line;
  std::getline(in, line);
  while (std::getline(in, line)) {
    std::istringstream words(line);
    SimAction action;
    words >> action.at_ms >> word >> action.a >> action.b >> action.value;
    const auto* const at = std::find(kNames.begin(), kNames.end(), word);
    if (!words || at == kNames.end() || std::min(action.a, action.b) < 0 ||
        std::max(action.a, action.b) >= script.nodes) {
      return InvalidArgument("script: malformed line: " + line);
    }
    action.kind = static_cast<Kind>(at - kNames.begin());
    script.actions.push_back(action);
  }
  return script;
}

}  // namespace syncline::testing
