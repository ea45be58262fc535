#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "log/entry.h"
#include "replication/state/causal_state.h"
#include "replication/state/strategy.h"

namespace syncline {

// Documents of this namespace are the project's settings, the same on all
// devices: only the functions below write them.
inline constexpr std::string_view kSettingsNamespace = "sys";

// How the devices of a project resolve its conflicts. A value.
//
//   sys, strategy          name of the strategy where no pattern says another
//   sys, strategy/<glob>   ... for paths that match (replication/path_glob.h)
//   sys, authority         who alone resolves (rule S1): an origin in hex or
//                          the SHA-256 of a device's public key in hex
//
// The most specific pattern that matches a path counts: that with the most
// bytes other than '*' and '?', then the first in byte order. The path of a
// document is "doc:<namespace>/<key>". Conflicts about settings themselves
// always go to the newest. A strategy that this version does not know is taken
// for `manual`: those who know it will act.
struct ProjectSettings {
  static constexpr Strategy kDefault = Strategy::kMerge;

  struct Rule {
    std::string glob;
    Strategy strategy = kDefault;
    friend bool operator==(const Rule&, const Rule&) = default;
  };

  Strategy strategy = kDefault;
  std::vector<Rule> rules;  // The most specific first.
  std::string authority;    // Empty: everybody resolves.

  //   as CausalState::ListDocs
  static absl::StatusOr<ProjectSettings> Read(const CausalState& state);
  [[nodiscard]] Strategy For(std::string_view path) const;

  friend bool operator==(const ProjectSettings&,
                         const ProjectSettings&) = default;
};

// Whether `change` of a record concerns settings.
[[nodiscard]] bool TouchesSettings(const PathChange& change);

// What a change of a setting is in effects; empty if it is so already. An
// empty `strategy` or `authority` takes the setting away, an empty `glob` means
// the default.
//   kInvalidArgument  a pattern of more than kGlobBytesMax bytes, or with a
//                     zero byte
inline constexpr std::size_t kGlobBytesMax = 512;
absl::StatusOr<std::vector<Effect>> StrategyEffects(
    const CausalState& state, std::string_view glob,
    std::optional<Strategy> strategy);
absl::StatusOr<std::vector<Effect>> AuthorityEffects(
    const CausalState& state, std::string_view authority);

}  // namespace syncline
