#include "node/conflict_ops.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/status.h"
#include "node/file_info.h"
#include "node/file_ops.h"
#include "replication/peer/device_identity.h"
#include "replication/state/edits.h"

namespace syncline {
namespace {

constexpr std::string_view kDocPrefix = "doc:";

// The namespace and key of "doc:<namespace>/<key>".
std::pair<std::string, std::string> DocName(std::string_view path) {
  path.remove_prefix(kDocPrefix.size());
  const std::size_t slash = path.find('/');
  if (slash == std::string_view::npos) return {std::string(path), ""};
  return {std::string(path.substr(0, slash)),
          std::string(path.substr(slash + 1))};
}

bool IsDoc(std::string_view path) { return path.starts_with(kDocPrefix); }

absl::StatusOr<Row> ConflictAt(const CausalState& state,
                               const std::string& path) {
  std::optional<Row> row;
  if (IsDoc(path)) {
    const auto [name_space, key] = DocName(path);
    SYNCLINE_ASSIGN_OR_RETURN(row, state.LookupDoc(name_space, key));
  } else {
    SYNCLINE_ASSIGN_OR_RETURN(row, state.Lookup(path));
  }
  if (!row || row->IsDirectory() || !row->conflict()) {
    return NotFound("no open conflict is at '" + path + "'");
  }
  return *std::move(row);
}

SiblingInfo Describe(const Replica& replica, const Row& row,
                     std::size_t index) {
  const Sibling& sibling = row.siblings[index];
  SiblingInfo info;
  info.version = sibling.head.order.dot();
  const std::string key = replica.DeviceOf(info.version.origin);
  if (!key.empty()) info.device = DeviceId::Of(key).ToText();
  info.time_ms =
      static_cast<std::int64_t>(sibling.head.order.hlc.milliseconds());
  info.shown = index == row.shown;
  info.automatic = sibling.head.generation > 0;
  if (row.kind) {
    info.kind = sibling.reg.item.kind;
    DescribePayload(sibling.payload(), *info.kind, info.size, info.hash);
  } else {
    info.size = sibling.payload().size();
    info.hash = Sha256(sibling.payload());
  }
  return info;
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
  SYNCLINE_ASSIGN_OR_RETURN(Row row, ConflictAt(state, path));
  SYNCLINE_ASSIGN_OR_RETURN(const Sibling* chosen, Choose(row, take));
  return ChooseEffects(state, path, chosen->payload());
}

}  // namespace

absl::StatusOr<std::vector<ConflictInfo>> ListConflicts(
    Replica& replica, const std::string& project, const std::string& path) {
  std::vector<std::string> paths = {path};
  if (path.empty()) {
    SYNCLINE_ASSIGN_OR_RETURN(paths, replica.state().Conflicts());
  }
  std::vector<ConflictInfo> conflicts;
  for (const std::string& each : paths) {
    SYNCLINE_ASSIGN_OR_RETURN(Row row, ConflictAt(replica.state(), each));
    ConflictInfo conflict{project, each, {}};
    for (std::size_t i = 0; i < row.siblings.size(); ++i) {
      conflict.siblings.push_back(Describe(replica, row, i));
    }
    std::sort(conflict.siblings.begin(), conflict.siblings.end(),
              [](const SiblingInfo& a, const SiblingInfo& b) {
                return a.version < b.version;
              });
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
