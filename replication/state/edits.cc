#include "replication/state/edits.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/status.h"
#include "replication/state/limits.h"
#include "replication/state/removals.h"
#include "replication/state/tree_view.h"

namespace syncline {
namespace {

using Field = RegisterId::Field;

Dots AttrDots(const Token& seen, std::string_view key) {
  Dots dots;
  for (const auto& [reg, dot] : seen.heads) {
    if (reg.field == Field::kAttr && reg.item == seen.item && reg.key == key) {
      dots.push_back(dot);
    }
  }
  return dots;
}

std::vector<Effect> Creation(const CausalState& state, Location at,
                             ItemKind kind, std::string payload, Attrs attrs,
                             std::size_t next_index) {
  ItemId item;
  item.origin = state.self();
  item.counter = state.frontier().CounterOf(state.self()) + 1;
  item.index = static_cast<std::uint32_t>(next_index);
  item.kind = kind;
  std::vector<Effect> effects;
  effects.push_back(CreateEffect{item});
  effects.push_back(PlaceEffect{item, at, {}});
  if (kind != ItemKind::kDirectory) {
    effects.push_back(ContentEffect{
        item, std::move(payload), std::move(at), std::move(attrs), {}, {}});
    return effects;
  }
  for (auto& [key, value] : attrs) {
    effects.push_back(AttrEffect{item, std::move(key), std::move(value), {}});
  }
  return effects;
}

// How many heads an effect supersedes.
std::size_t SupersededBy(const Effect& effect) {
  struct Counter {
    std::size_t operator()(const RemoveEffect& e) const {
      return e.place.size() + e.content.size() + e.attrs.size();
    }
    std::size_t operator()(const PlaceEffect& e) const {
      return e.supersedes.size();
    }
    std::size_t operator()(const ContentEffect& e) const {
      return e.supersedes.size();
    }
    std::size_t operator()(const AttrEffect& e) const {
      return e.supersedes.size();
    }
    std::size_t operator()(const DocEffect& e) const {
      return e.supersedes.size();
    }
    std::size_t operator()(const CreateEffect&) const { return 0; }
    std::size_t operator()(const EventEffect&) const { return 0; }
  };
  return std::visit(Counter(), effect);
}

// Collects the row at `path` and all below it, by depth.
using RowsByDepth =
    std::map<std::size_t, std::map<std::string, std::vector<ItemId>>,
             std::greater<>>;
absl::Status CollectTree(const CausalState& state, const std::string& top,
                         RowsByDepth& rows) {
  constexpr std::size_t kPage = 1024;
  std::vector<std::string> pending = {top};
  while (!pending.empty()) {
    const std::string directory = std::move(pending.back());
    pending.pop_back();
    const auto depth = static_cast<std::size_t>(
        std::count(directory.begin(), directory.end(), '/'));
    std::string after;
    for (bool more = true; more;) {
      SYNCLINE_ASSIGN_OR_RETURN(const auto page,
                                state.List(directory, after, kPage));
      more = page.size() == kPage;
      for (const auto& [name, row] : page) {
        std::string path = JoinPath(directory, name);
        after = name;
        if (row.IsDirectory()) pending.push_back(path);
        rows[depth + 1].emplace(std::move(path), row.items);
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<Effect>> CreateEffects(
    const CausalState& state, std::string_view path, ItemKind kind,
    std::string payload, Attrs attrs, std::size_t next_index) {
  SYNCLINE_ASSIGN_OR_RETURN(Location at, state.Locate(path));
  if (kind == ItemKind::kDirectory) {
    SYNCLINE_ASSIGN_OR_RETURN(const auto row, state.Lookup(path));
    if (row && row->IsDirectory()) return std::vector<Effect>();
  }
  return Creation(state, std::move(at), kind, std::move(payload),
                  std::move(attrs), next_index);
}

absl::StatusOr<std::vector<Effect>> EditEffects(const CausalState& state,
                                                const Token& seen,
                                                std::string payload,
                                                const Attrs& attrs) {
  std::map<std::string, std::string> merged(seen.attrs.begin(),
                                            seen.attrs.end());
  RemoveEffect replaced;
  replaced.item = seen.item;
  for (const auto& [key, value] : attrs) {
    auto [at, added] = merged.try_emplace(key, value);
    if (!added && at->second == value) continue;
    at->second = value;
    for (const Dot& dot : AttrDots(seen, key)) {
      replaced.attrs.emplace_back(key, dot);
    }
  }
  ContentEffect content{seen.item,
                        std::move(payload),
                        LocationIn(seen, seen.item),
                        {merged.begin(), merged.end()},
                        seen.DotsOf(seen.item, Field::kContent),
                        {}};
  std::vector<Effect> effects;
  effects.push_back(std::move(content));
  std::sort(replaced.attrs.begin(), replaced.attrs.end());
  if (!replaced.attrs.empty()) effects.push_back(std::move(replaced));
  SYNCLINE_ASSIGN_OR_RETURN(auto others, Removals(state, seen, seen.item));
  AppendEffects(effects, std::move(others));
  return effects;
}

absl::StatusOr<std::vector<Effect>> AttrEffects(const CausalState&,
                                                const Token& seen,
                                                std::string_view key,
                                                std::string_view value) {
  std::vector<Effect> effects;
  effects.push_back(AttrEffect{seen.item, std::string(key), std::string(value),
                               AttrDots(seen, key)});
  return effects;
}

absl::StatusOr<std::vector<Effect>> RemoveEffects(const CausalState& state,
                                                  const Token& seen) {
  std::vector<Effect> effects;
  SYNCLINE_ASSIGN_OR_RETURN(auto gone, Removals(state, seen, std::nullopt));
  if (gone.empty()) return effects;
  AppendEffects(effects, std::move(gone));
  SYNCLINE_ASSIGN_OR_RETURN(auto pins, Pins(state, seen.items));
  AppendEffects(effects, std::move(pins));
  return effects;
}

absl::StatusOr<std::vector<std::vector<Effect>>> RemoveTreeEffects(
    const CausalState& state, std::string_view path, std::size_t limit) {
  std::vector<std::vector<Effect>> entries;
  SYNCLINE_ASSIGN_OR_RETURN(const auto top, state.Lookup(path));
  if (!top || path.empty()) return entries;
  RowsByDepth rows;
  const auto depth =
      static_cast<std::size_t>(std::count(path.begin(), path.end(), '/'));
  rows[depth].emplace(path, top->items);
  if (top->IsDirectory()) {
    SYNCLINE_RETURN_IF_ERROR(CollectTree(state, std::string(path), rows));
  }
  std::vector<ItemId> leaving;
  std::vector<Effect> effects;
  for (const auto& [level, paths] : rows) {
    for (const auto& [row_path, items] : paths) {
      leaving.insert(leaving.end(), items.begin(), items.end());
      SYNCLINE_ASSIGN_OR_RETURN(const auto seen, state.Read(row_path, false));
      if (!seen) continue;
      SYNCLINE_ASSIGN_OR_RETURN(auto gone,
                                Removals(state, *seen, std::nullopt));
      AppendEffects(effects, std::move(gone));
    }
  }
  SYNCLINE_ASSIGN_OR_RETURN(std::vector<Effect> all, Pins(state, leaving));
  AppendEffects(all, std::move(effects));

  limit = std::clamp<std::size_t>(limit, 1, kEffectsMax);
  std::size_t superseded = 0;
  for (Effect& effect : all) {
    const std::size_t more = SupersededBy(effect);
    if (entries.empty() || entries.back().size() == limit ||
        superseded + more > kSupersededMax) {
      entries.emplace_back();
      superseded = 0;
    }
    entries.back().push_back(std::move(effect));
    superseded += more;
  }
  return entries;
}

absl::StatusOr<std::vector<Effect>> RenameEffects(
    const CausalState& state, const Token& seen, std::string_view target,
    const std::optional<Token>& replaced) {
  SYNCLINE_ASSIGN_OR_RETURN(const Location at, state.Locate(target));
  const std::set<ItemId> moved(seen.items.begin(), seen.items.end());
  for (const auto& [directory, name] : at.chain) {
    if (moved.contains(directory)) {
      return InvalidArgument("a directory cannot move below itself: " +
                             std::string(target));
    }
  }
  std::vector<Effect> effects;
  for (const ItemId& item : seen.items) {
    effects.push_back(PlaceEffect{item, at, seen.DotsOf(item, Field::kPlace)});
  }
  std::vector<RemoveEffect> over;
  if (replaced) {
    SYNCLINE_ASSIGN_OR_RETURN(over, Removals(state, *replaced, std::nullopt));
    std::erase_if(over, [&moved](const RemoveEffect& remove) {
      return moved.contains(remove.item);
    });
  }
  std::vector<ItemId> leaving = seen.items;
  for (const RemoveEffect& remove : over) leaving.push_back(remove.item);
  SYNCLINE_ASSIGN_OR_RETURN(auto pins, Pins(state, leaving));
  AppendEffects(effects, std::move(pins));
  AppendEffects(effects, std::move(over));
  return effects;
}

absl::StatusOr<std::vector<Effect>> RetypeEffects(
    const CausalState& state, const Token& seen, std::string_view path,
    ItemKind kind, std::string payload, Attrs attrs) {
  std::vector<Effect> effects;
  SYNCLINE_ASSIGN_OR_RETURN(auto gone, Removals(state, seen, std::nullopt));
  AppendEffects(effects, std::move(gone));
  SYNCLINE_ASSIGN_OR_RETURN(auto pins, Pins(state, seen.items));
  AppendEffects(effects, std::move(pins));
  SYNCLINE_ASSIGN_OR_RETURN(Location at, state.Locate(path));
  AppendEffects(effects,
                Creation(state, std::move(at), kind, std::move(payload),
                         std::move(attrs), effects.size()));
  return effects;
}

absl::StatusOr<std::vector<Effect>> DocEffects(
    const CausalState& state, std::string_view name_space, std::string_view key,
    std::optional<std::string> payload) {
  std::vector<Effect> effects;
  SYNCLINE_ASSIGN_OR_RETURN(const auto row, state.LookupDoc(name_space, key));
  Dots dots;
  if (row) {
    for (const Sibling& sibling : row->siblings) {
      if (!row->conflict() ||
          sibling.payload() == row->shown_sibling().payload()) {
        dots.push_back(sibling.head.order.dot());
      }
    }
  }
  if (!payload && dots.empty()) return effects;
  std::sort(dots.begin(), dots.end());
  effects.push_back(DocEffect{std::string(name_space),
                              std::string(key),
                              std::move(payload),
                              std::move(dots),
                              {}});
  return effects;
}

namespace {

absl::StatusOr<std::vector<Effect>> ChooseDocEffects(const CausalState& state,
                                                     std::string_view name,
                                                     std::string payload) {
  const std::size_t split = name.find('/');
  if (split == std::string_view::npos) {
    return NotFound("no document " + std::string(name));
  }
  const std::string_view name_space = name.substr(0, split);
  const std::string_view key = name.substr(split + 1);
  SYNCLINE_ASSIGN_OR_RETURN(const auto row, state.LookupDoc(name_space, key));
  if (!row) return NotFound("no document " + std::string(name));
  DocEffect effect;
  effect.name_space = name_space;
  effect.key = key;
  effect.payload = std::move(payload);
  for (const Sibling& sibling : row->siblings) {
    effect.supersedes.push_back(sibling.head.order.dot());
  }
  std::sort(effect.supersedes.begin(), effect.supersedes.end());
  std::vector<Effect> effects;
  effects.push_back(std::move(effect));
  return effects;
}

}  // namespace

absl::StatusOr<std::vector<Effect>> ChooseEffects(const CausalState& state,
                                                  std::string_view path,
                                                  std::string payload) {
  constexpr std::string_view kDoc = "doc:";
  SYNCLINE_ASSIGN_OR_RETURN(const auto row, state.Lookup(path));
  if (path.starts_with(kDoc) && (!row || !row->conflict())) {
    return ChooseDocEffects(state, path.substr(kDoc.size()),
                            std::move(payload));
  }
  if (!row) return NotFound("nothing at " + std::string(path));
  if (row->IsDirectory()) {
    return InvalidArgument("a directory has no content: " + std::string(path));
  }
  SYNCLINE_ASSIGN_OR_RETURN(auto seen, state.Read(path, true));
  if (!seen) return NotFound("nothing at " + std::string(path));
  // The item whose value was chosen stays, the newest if several have it.
  if (row->shown_sibling().payload() != payload) {
    for (const Sibling& sibling : row->siblings) {
      if (sibling.payload() == payload) seen->item = sibling.reg.item;
    }
  }
  return EditEffects(state, *seen, std::move(payload), {});
}

}  // namespace syncline
