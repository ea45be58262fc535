#include "base/bytes.h"
#include "base/status.h"
#include "kv/memory_store.h"
#include "replication/state/state_core.h"

namespace syncline {
namespace {

absl::Status CompareRows(Column column, const std::string& prefix,
                         RowReader& kept, RowReader& made) {
  std::map<std::string, std::string> rows;
  const auto collect = [&rows](std::string_view rest, std::string_view value) {
    rows.emplace(rest, value);
    return true;
  };
  made.ForEach(column, prefix, collect);
  std::string difference;
  kept.ForEach(column, prefix,
               [&](std::string_view rest, std::string_view value) {
                 const auto at = rows.find(std::string(rest));
                 if (at == rows.end() || at->second != value) {
                   difference = ToHex(rest);
                   return false;
                 }
                 rows.erase(at);
                 return true;
               });
  if (!kept.status().ok()) return kept.status();
  if (!made.status().ok()) return made.status();
  if (difference.empty() && !rows.empty()) {
    difference = ToHex(rows.begin()->first);
  }
  if (difference.empty()) return absl::OkStatus();
  return Internal("causal state: row " + difference +
                  " differs from a rebuild");
}

}  // namespace

absl::Status CheckRebuild(StateCore& core, ProjectNumber project) {
  ReadScope kept(core);
  CausalState::Snapshot all;
  all.heads = LoadAllHeads(core, kept.rows);
  SYNCLINE_RETURN_IF_ERROR(kept.status());
  for (const auto& [reg, head] : all.heads) {
    all.frontier.Raise(head.order.origin, head.order.counter);
  }
  MemoryStore store;
  StateCore made(store, project);
  const auto joined = JoinHeads(made, {}, all, 0, [](const HeadOrder&) {});
  if (!joined.ok()) return joined.status();
  ReadScope anew(made);
  // Not the heads: their arrivals differ. Digest and view tell of them.
  for (const std::string& prefix :
       {core.keys.ChildrenPrefix(), core.keys.UpPrefix(),
        core.keys.MadeUpPrefix(), core.keys.AllSeveral(),
        core.keys.AllSeveralDocs()}) {
    SYNCLINE_RETURN_IF_ERROR(
        CompareRows(Column::kTree, prefix, kept.rows, anew.rows));
  }
  if (core.digest != made.digest || core.ranks != made.ranks) {
    return Internal("causal state: digest or ranks differ from a rebuild");
  }
  if (core.counts != made.counts) {
    const auto text = [](const RowCounts& counts) {
      return std::to_string(counts.items) + " items, " +
             std::to_string(counts.made_up) + " made-up names, " +
             std::to_string(counts.conflicts) + " conflicts";
    };
    return Internal("causal state: " + text(core.counts) + "; a rebuild has " +
                    text(made.counts));
  }
  return absl::OkStatus();
}

}  // namespace syncline
