#include "node/strategy_ops.h"

#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "node/file_ops.h"

namespace syncline {
namespace {

void Commit(Replica& replica, absl::StatusOr<std::vector<Effect>> effects,
            Callback<Written> done) {
  if (!effects.ok()) return done(effects.status());
  std::vector<std::vector<Effect>> entries;
  entries.push_back(*std::move(effects));
  CommitAll(replica, std::move(entries), std::move(done));
}

}  // namespace

StrategyReport DescribeStrategies(const Replica& replica) {
  const ProjectSettings& settings = replica.settings();
  StrategyReport report;
  report.strategy = settings.strategy;
  report.rules = settings.rules;
  report.authority = settings.authority;
  const std::optional<std::string> bytes = FromHex(settings.authority);
  const std::optional<Hash> device =
      bytes ? Hash::FromBytes(*bytes) : std::nullopt;
  if (device) report.authority = DeviceId{*device}.ToText();
  return report;
}

void SetStrategy(Replica& replica, const std::string& glob,
                 std::optional<Strategy> strategy, Callback<Written> done) {
  absl::StatusOr<std::vector<Effect>> effects =
      StrategyEffects(replica.state(), glob, strategy);
  if (effects.ok() && effects->empty() && !strategy) {
    return done(NotFound(glob.empty()
                             ? "no strategy is set"
                             : "no strategy is set for '" + glob + "'"));
  }
  Commit(replica, std::move(effects), std::move(done));
}

void SetAuthority(Replica& replica, const std::optional<DeviceId>& device,
                  Callback<Written> done) {
  Commit(replica,
         AuthorityEffects(replica.state(),
                          device ? device->hash.ToHex() : std::string()),
         std::move(done));
}

}  // namespace syncline
