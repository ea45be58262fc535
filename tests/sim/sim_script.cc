#include "tests/sim/sim_script.h"

#include <algorithm>
#include <array>
#include <sstream>

#include "base/random.h"
#include "base/status.h"

namespace syncline::testing {
namespace {

using Kind = SimAction::Kind;

constexpr std::array<std::string_view, 13> kNames = {
    "edit",  "kill",  "power",    "eio",      "cut",   "hang",   "part",
    "stall", "clock", "strategy", "truncate", "image", "setback"};

// In some runs one machine is set back to an earlier image of its disk.
void AddSetBack(SimScript& script) {
  SeededRandom random(script.seed ^ 0x5e7bac4);
  if (random.Below(6) > 0 || script.actions.size() < 4) return;
  // A log that was truncated cannot be made anew.
  for (const SimAction& action : script.actions) {
    if (action.kind == Kind::kTruncate) return;
  }
  const std::size_t image = random.Below(script.actions.size() / 2);
  const std::size_t back =
      image + 1 + random.Below(script.actions.size() - image - 1);
  SimAction action;
  action.kind = Kind::kSetBack;
  action.a =
      static_cast<int>(random.Below(static_cast<std::uint64_t>(script.nodes)));
  action.value = static_cast<std::int64_t>(random.Below(2'000));
  for (const std::size_t at : {back, image}) {
    action.at_ms = script.actions[at].at_ms;
    script.actions.insert(
        script.actions.begin() + static_cast<std::ptrdiff_t>(at), action);
    action.kind = Kind::kImage;
  }
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
