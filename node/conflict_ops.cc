#include "node/conflict_ops.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "base/status.h"
#include "node/file_ops.h"
#include "replication/ancestry.h"
#include "replication/device_identity.h"
#include "replication/state/edits.h"
#include "replication/state/strategy.h"

namespace syncline {
namespace {

std::string DeviceOf(const Replica& replica, const Origin& origin) {
  const std::string key = replica.DeviceOf(origin);
  return key.empty() ? std::string() : DeviceId::Of(key).ToText();
}

// The ancestor of two values, not looked for very far.
absl::StatusOr<std::optional<SiblingInfo>> AncestorOf(
    const Replica& replica, const RegisterId& reg,
    const std::vector<ConflictSide>& sides) {
  constexpr std::size_t kRecordsMax = 256;
  std::map<std::tuple<std::optional<ItemKind>, std::uint64_t, Hash>, Dots>
      values;
  for (const ConflictSide& side : sides) {
    values[{side.kind, side.size, side.hash}].push_back(side.version);
  }
  std::optional<SiblingInfo> ancestor;
  if (values.size() != 2) return ancestor;
  AncestorSearch search(replica.log(), reg);
  SYNCLINE_RETURN_IF_ERROR(
      search.Begin(values.begin()->second, values.rbegin()->second));
  SYNCLINE_RETURN_IF_ERROR(
      search.Step(kRecordsMax, [](std::string_view) { return true; }).status());
  if (!search.found()) return ancestor;
  ancestor = DescribeSide(replica, DescribeSide(ValueOf(reg, *search.found())));
  return ancestor;
}

absl::StatusOr<ConflictInfo> OpenConflict(const Replica& replica,
                                          const std::string& project,
                                          const std::string& path) {
  SYNCLINE_ASSIGN_OR_RETURN(const Row row, ConflictAt(replica.state(), path));
  ConflictInfo conflict{project, path};
  std::vector<ConflictSide> sides;
  for (std::size_t i = 0; i < row.siblings.size(); ++i) {
    sides.push_back(DescribeSide(row.siblings[i]));
    conflict.siblings.push_back(DescribeSide(replica, sides.back()));
    conflict.siblings.back().shown = i == row.shown;
  }
  SYNCLINE_ASSIGN_OR_RETURN(
      conflict.ancestor, AncestorOf(replica, row.shown_sibling().reg, sides));
  std::sort(conflict.siblings.begin(), conflict.siblings.end(),
            [](const SiblingInfo& a, const SiblingInfo& b) {
              return a.version < b.version;
            });
  const ConflictRecord* record = replica.conflicts().OpenAt(path);
  if (record != nullptr) conflict.seq = record->seq;
  return conflict;
}

absl::StatusOr<const Sibling*> Choose(const Row& row, std::string_view take) {
  const auto by_arrival = [](const Sibling& a, const Sibling& b) {
    return std::tie(a.head.arrival, a.head.order) <
           std::tie(b.head.arrival, b.head.order);
  };
  const auto [first, last] =
      std::minmax_element(row.siblings.begin(), row.siblings.end(), by_arrival);
  if (take == "local") return &*first;
  if (take == "remote") return &*last;
  const std::optional<Dot> version = Dot::FromText(take);
  if (!version) {
    return InvalidArgument("'" + std::string(take) +
                           "' is neither local, remote nor a version");
  }
  for (const Sibling& sibling : row.siblings) {
    if (sibling.head.order.dot() == *version) return &sibling;
  }
  return NotFound("no sibling has the version " + std::string(take));
}

absl::StatusOr<std::vector<Effect>> EffectsOfChoice(const CausalState& state,
                                                    const std::string& path,
                                                    std::string_view take) {
  SYNCLINE_ASSIGN_OR_RETURN(const Row row, ConflictAt(state, path));
  SYNCLINE_ASSIGN_OR_RETURN(const Sibling* chosen, Choose(row, take));
  return ChooseEffects(state, path, chosen->payload());
}

}  // namespace

absl::StatusOr<Row> ConflictAt(const CausalState& state,
                               const std::string& path) {
  SYNCLINE_ASSIGN_OR_RETURN(std::optional<Row> row, ConflictRow(state, path));
  if (!row) return NotFound("no open conflict is at '" + path + "'");
  return *std::move(row);
}

SiblingInfo DescribeSide(const Replica& replica, const ConflictSide& side) {
  SiblingInfo info;
  info.version = side.version;
  info.device = DeviceOf(replica, side.version.origin);
  info.time_ms = side.time_ms;
  info.kind = side.kind;
  info.size = side.size;
  info.hash = side.hash;
  info.automatic = side.automatic;
  return info;
}

absl::StatusOr<ConflictInfo> DescribeConflict(const Replica& replica,
                                              const std::string& project,
                                              const ConflictRecord& record) {
  ConflictInfo conflict{project, record.path};
  conflict.seq = record.seq;
  SYNCLINE_ASSIGN_OR_RETURN(conflict.ancestor,
                            AncestorOf(replica, record.reg, record.sides));
  for (const ConflictSide& side : record.sides) {
    conflict.siblings.push_back(DescribeSide(replica, side));
  }
  if (record.resolution) {
    ConflictInfo::Resolution& end = conflict.resolution.emplace();
    end.seq = record.resolution->seq;
    end.device = DeviceOf(replica, record.resolution->by.origin);
    end.by = record.resolution->by;
    end.cause = record.resolution->cause;
    end.version = record.resolution->version;
  }
  return conflict;
}

absl::StatusOr<std::vector<ConflictInfo>> ListConflicts(
    const Replica& replica, const std::string& project,
    const ConflictQuery& query) {
  constexpr std::size_t kResolvedAtOnce = 1000;
  std::vector<ConflictInfo> conflicts;
  if (query.resolved) {
    SYNCLINE_ASSIGN_OR_RETURN(
        const std::vector<ConflictRecord> records,
        replica.conflicts().Resolved(replica.log().horizon(), query.after,
                                     kResolvedAtOnce));
    for (const ConflictRecord& record : records) {
      if (!query.path.empty() && record.path != query.path) continue;
      SYNCLINE_ASSIGN_OR_RETURN(ConflictInfo conflict,
                                DescribeConflict(replica, project, record));
      conflicts.push_back(std::move(conflict));
    }
    return conflicts;
  }
  std::vector<std::string> paths = {query.path};
  if (query.path.empty()) {
    SYNCLINE_ASSIGN_OR_RETURN(paths, replica.state().Conflicts());
  }
  for (const std::string& path : paths) {
    SYNCLINE_ASSIGN_OR_RETURN(ConflictInfo conflict,
                              OpenConflict(replica, project, path));
    conflicts.push_back(std::move(conflict));
  }
  return conflicts;
}

void ResolveConflict(Replica& replica, const std::string& path,
                     std::string_view take, Callback<Written> done) {
  absl::StatusOr<std::vector<Effect>> effects =
      EffectsOfChoice(replica.state(), path, take);
  if (!effects.ok()) return done(effects.status());
  std::vector<std::vector<Effect>> entries;
  entries.push_back(*std::move(effects));
  CommitAll(replica, std::move(entries), std::move(done));
}

}  // namespace syncline
