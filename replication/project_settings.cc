#include "replication/project_settings.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/status.h"
#include "replication/path_glob.h"

namespace syncline {
namespace {

constexpr std::string_view kStrategyKey = "strategy";
constexpr std::string_view kStrategyPrefix = "strategy/";
constexpr std::string_view kAuthorityKey = "authority";
constexpr std::string_view kSettingsPath = "sys/";          // Of a change.
constexpr std::string_view kSettingsConflict = "doc:sys/";  // Of a row.

Strategy StrategyOf(const Row& row) {
  return StrategyFromName(row.shown_sibling().payload())
      .value_or(Strategy::kManual);
}

std::size_t LiteralBytes(std::string_view glob) {
  return glob.size() - static_cast<std::size_t>(std::count_if(
                           glob.begin(), glob.end(),
                           [](char c) { return c == '*' || c == '?'; }));
}

bool MoreSpecific(const ProjectSettings::Rule& a,
                  const ProjectSettings::Rule& b) {
  const std::size_t in_a = LiteralBytes(a.glob);
  const std::size_t in_b = LiteralBytes(b.glob);
  return in_a != in_b ? in_a > in_b : a.glob < b.glob;
}

// With all siblings superseded: a setting is never left in conflict.
absl::StatusOr<std::vector<Effect>> SettingEffects(
    const CausalState& state, std::string key,
    std::optional<std::string> value) {
  std::vector<Effect> effects;
  SYNCLINE_ASSIGN_OR_RETURN(const std::optional<Row> row,
                            state.LookupDoc(kSettingsNamespace, key));
  if (!row && !value) return effects;
  if (row && !row->conflict() && value == row->shown_sibling().payload()) {
    return effects;
  }
  DocEffect effect;
  effect.name_space = kSettingsNamespace;
  effect.key = std::move(key);
  effect.payload = std::move(value);
  if (row) {
    for (const Sibling& sibling : row->siblings) {
      effect.supersedes.push_back(sibling.head.order.dot());
    }
  }
  std::sort(effect.supersedes.begin(), effect.supersedes.end());
  effects.push_back(std::move(effect));
  return effects;
}

}  // namespace

absl::StatusOr<ProjectSettings> ProjectSettings::Read(
    const CausalState& state) {
  ProjectSettings settings;
  SYNCLINE_ASSIGN_OR_RETURN(const auto rows,
                            state.ListDocs(kSettingsNamespace, kStrategyKey));
  for (const auto& [key, row] : rows) {
    if (key == kStrategyKey) {
      settings.strategy = StrategyOf(row);
    } else if (key.starts_with(kStrategyPrefix)) {
      settings.rules.push_back(
          {key.substr(kStrategyPrefix.size()), StrategyOf(row)});
    }
  }
  std::sort(settings.rules.begin(), settings.rules.end(), MoreSpecific);
  SYNCLINE_ASSIGN_OR_RETURN(const std::optional<Row> authority,
                            state.LookupDoc(kSettingsNamespace, kAuthorityKey));
  if (authority) settings.authority = authority->shown_sibling().payload();
  return settings;
}

Strategy ProjectSettings::For(std::string_view path) const {
  if (path.starts_with(kSettingsConflict)) return Strategy::kNewestWins;
  for (const Rule& rule : rules) {
    if (GlobMatches(rule.glob, path)) return rule.strategy;
  }
  return strategy;
}

bool TouchesSettings(const PathChange& change) {
  return change.type == PathChange::Type::kDoc &&
         change.path.starts_with(kSettingsPath);
}

absl::StatusOr<std::vector<Effect>> StrategyEffects(
    const CausalState& state, std::string_view glob,
    std::optional<Strategy> strategy) {
  if (glob.size() > kGlobBytesMax ||
      glob.find('\0') != std::string_view::npos) {
    return InvalidArgument("a pattern has at most 512 bytes, none of them 0");
  }
  std::string key(kStrategyKey);
  if (!glob.empty()) {
    key = kStrategyPrefix;
    key += glob;
  }
  std::optional<std::string> value;
  if (strategy) value = StrategyName(*strategy);
  return SettingEffects(state, std::move(key), std::move(value));
}

absl::StatusOr<std::vector<Effect>> AuthorityEffects(
    const CausalState& state, std::string_view authority) {
  std::optional<std::string> value;
  if (!authority.empty()) value = authority;
  return SettingEffects(state, std::string(kAuthorityKey), std::move(value));
}

}  // namespace syncline
