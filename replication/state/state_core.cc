#include "replication/state/state_core.h"

#include <algorithm>
#include <set>

#include "base/bytes.h"
#include "base/status.h"

namespace syncline {
namespace {

constexpr std::uint8_t kMarkFormat = 1;

}  // namespace

Head LoadHead(RowReader& rows, ChainRows& chains, RegisterId::Field field,
              const StoredHead& stored) {
  Head head;
  head.order = stored.order;
  head.generation = stored.generation;
  head.attrs = stored.attrs;
  head.sources = stored.sources;
  head.arrival = stored.arrival;
  head.value = stored.value;
  if (!stored.at) return head;
  Location at{stored.at->parent, stored.at->name,
              chains.Load(rows, stored.at->chain)};
  if (field == RegisterId::Field::kPlace) {
    head.value = std::move(at);
  } else {
    head.hint = std::move(at);
  }
  return head;
}

void ForEachRegister(
    StateCore& core, RowReader& rows,
    absl::FunctionRef<void(const RegisterId&, const StoredHeads&)> visit) {
  using Field = RegisterId::Field;
  rows.ForEach(Column::kHeads, core.keys.AllItems(),
               [&](std::string_view rest, std::string_view value) {
                 const auto item = ParseItemKey(rest);
                 const auto heads = DecodeItemHeads(value);
                 if (!item || !heads) {
                   rows.FailRow("heads of an item");
                   return false;
                 }
                 visit({Field::kPlace, *item, {}, {}}, heads->places);
                 visit({Field::kContent, *item, {}, {}}, heads->contents);
                 for (const auto& [key, values] : heads->attrs) {
                   visit({Field::kAttr, *item, {}, key}, values);
                 }
                 return true;
               });
  rows.ForEach(Column::kHeads, core.keys.AllDocs(),
               [&](std::string_view rest, std::string_view value) {
                 const auto doc = ParseDocKey(rest);
                 const auto heads = DecodeDocHeads(value);
                 if (!doc || !heads) {
                   rows.FailRow("heads of a document");
                   return false;
                 }
                 visit({Field::kDoc, {}, doc->name_space, doc->key}, *heads);
                 return true;
               });
}

std::vector<std::pair<RegisterId, Head>> LoadAllHeads(StateCore& core,
                                                      RowReader& rows) {
  std::vector<std::pair<RegisterId, Head>> all;
  ForEachRegister(
      core, rows, [&](const RegisterId& reg, const StoredHeads& heads) {
        for (const StoredHead& head : heads) {
          all.emplace_back(reg, LoadHead(rows, core.chains, reg.field, head));
        }
      });
  return all;
}

const DirectoryFacts& FactsOf(StateCore& core, RowReader& rows,
                              const ItemId& directory) {
  constexpr std::size_t kDirectoriesMax = 16384;
  const auto known = core.directories.find(directory);
  if (known != core.directories.end()) return known->second;
  if (core.directories.size() >= kDirectoriesMax) core.directories.clear();
  DirectoryFacts facts;
  TreeView tree(rows, core.keys, core.classes, core.counts.made_up);
  facts.shown = tree.ClassOf(directory);
  facts.settled = directory == kRoot;
  if (facts.shown && !facts.settled) {
    const std::optional<UpRow> up = LoadUpRow(rows, core.keys, directory);
    facts.settled = up && !up->Revived(directory);
  }
  static const DirectoryFacts kNothing;
  if (!rows.status().ok()) return kNothing;
  return core.directories[directory] = std::move(facts);
}

Chain WayTo(StateCore& core, RowReader& rows, const ItemId& directory) {
  const auto known = core.directories.find(directory);
  if (known != core.directories.end() && known->second.way) {
    return *known->second.way;
  }
  Chain chain;
  std::set<ItemId> seen;
  for (ItemId at = directory; at != kRoot;) {
    const std::optional<UpRow> up = LoadUpRow(rows, core.keys, at);
    if (!up || !seen.insert(at).second) {
      rows.FailRow("way up from directory " + at.ToText());
      return {};
    }
    chain.emplace_back(at, up->placed.name);
    at = up->parent();
  }
  std::reverse(chain.begin(), chain.end());
  FactsOf(core, rows, directory);
  if (!rows.status().ok()) return {};
  core.directories[directory].way = chain;
  return chain;
}

void LoadRanks(StateCore& core, RowReader& rows) {
  const std::string ranks = core.keys.DocsOf(kSystemNamespace, kRankPrefix);
  const std::size_t skip = core.keys.AllDocs().size();
  rows.ForEach(Column::kHeads, ranks,
               [&](std::string_view rest, std::string_view value) {
                 const std::string key = ranks + std::string(rest);
                 const auto doc =
                     ParseDocKey(std::string_view(key).substr(skip));
                 const auto heads = DecodeDocHeads(value);
                 if (!doc || !heads) {
                   rows.FailRow("heads of a document");
                   return false;
                 }
                 if (const auto rank = ParseRank(NewestOf(*heads).value)) {
                   core.ranks[doc->key.substr(kRankPrefix.size())] = *rank;
                 }
                 return true;
               });
}

std::string EncodeFlushMark(const FlushMark& mark) {
  std::string out(1, static_cast<char>(kMarkFormat));
  AppendU64(out, mark.covered);
  AppendU64(out, mark.hlc.packed);
  out += mark.digest.ToHash().view();
  AppendVarint(out, mark.counts.items);
  AppendVarint(out, mark.counts.made_up);
  AppendVarint(out, mark.counts.conflicts);
  return out;
}

absl::StatusOr<FlushMark> DecodeFlushMark(std::string_view bytes) {
  ByteReader reader(bytes);
  FlushMark mark;
  const bool known = reader.U8() == kMarkFormat;
  mark.covered = reader.U64();
  mark.hlc.packed = reader.U64();
  const auto digest = Hash::FromBytes(reader.Bytes(Hash::kBytes));
  mark.counts.items = reader.Varint();
  mark.counts.made_up = reader.Varint();
  mark.counts.conflicts = reader.Varint();
  if (!known || !digest || !reader.AtEnd()) {
    return DataLoss("causal state: malformed flush mark");
  }
  mark.digest = HeadDigest::FromHash(*digest);
  return mark;
}

}  // namespace syncline
