#include "replication/state/removals.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/status.h"

namespace syncline {
namespace {

using Field = RegisterId::Field;

bool Contains(const Dots& dots, const Dot& dot) {
  return std::binary_search(dots.begin(), dots.end(), dot);
}

bool AnyIn(const std::vector<Head>& heads, const Dots& dots) {
  return std::any_of(heads.begin(), heads.end(), [&dots](const Head& head) {
    return Contains(dots, head.order.dot());
  });
}

std::vector<std::pair<std::string, Dot>> AttrDotsOf(const Token& seen,
                                                    const ItemId& item) {
  std::vector<std::pair<std::string, Dot>> attrs;
  for (const auto& [reg, dot] : seen.heads) {
    if (reg.field == Field::kAttr && reg.item == item) {
      attrs.emplace_back(reg.key, dot);
    }
  }
  return attrs;  // Sorted as the token is.
}

}  // namespace

absl::StatusOr<std::vector<RemoveEffect>> Removals(
    const CausalState& state, const Token& seen,
    const std::optional<ItemId>& keep) {
  std::vector<RemoveEffect> effects;
  for (const ItemId& item : seen.items) {
    if (item == keep) continue;
    RemoveEffect remove;
    remove.item = item;
    remove.content = seen.DotsOf(item, Field::kContent);
    if (!item.IsDirectory() && remove.content.empty()) continue;
    SYNCLINE_ASSIGN_OR_RETURN(const std::vector<Head> contents,
                              state.Heads({Field::kContent, item, {}, {}}));
    const bool whole = std::all_of(
        contents.begin(), contents.end(), [&remove](const Head& head) {
          return Contains(remove.content, head.order.dot());
        });
    if (whole) {
      remove.place = seen.DotsOf(item, Field::kPlace);
      remove.attrs = AttrDotsOf(seen, item);
    }
    SYNCLINE_ASSIGN_OR_RETURN(const std::vector<Head> places,
                              state.Heads({Field::kPlace, item, {}, {}}));
    if (AnyIn(contents, remove.content) || AnyIn(places, remove.place)) {
      effects.push_back(std::move(remove));
    }
  }
  return effects;
}

absl::StatusOr<std::vector<Effect>> Pins(const CausalState& state,
                                         const std::vector<ItemId>& leaving) {
  std::set<ItemId> pinned;
  for (const ItemId& item : leaving) {
    SYNCLINE_ASSIGN_OR_RETURN(const std::optional<ItemId> shown,
                              state.ShownAtRootFor(item));
    if (shown) pinned.insert(*shown);
  }
  for (const ItemId& item : leaving) pinned.erase(item);
  std::vector<Effect> effects;
  for (const ItemId& item : pinned) {
    SYNCLINE_ASSIGN_OR_RETURN(std::optional<Location> at,
                              state.LocationOf(item));
    SYNCLINE_ASSIGN_OR_RETURN(const std::vector<Head> places,
                              state.Heads({Field::kPlace, item, {}, {}}));
    if (at)
      effects.push_back(PlaceEffect{item, *std::move(at), DotsOf(places)});
  }
  return effects;
}

Dots DotsOf(const std::vector<Head>& heads) {
  Dots dots;
  for (const Head& head : heads) dots.push_back(head.order.dot());
  std::sort(dots.begin(), dots.end());
  return dots;
}

const Location& LocationIn(const Token& token, const ItemId& item) {
  SYNCLINE_CHECK(
      !token.locations.empty() && token.locations.size() == token.items.size(),
      "a token has a location for each item");
  const auto at = std::find(token.items.begin(), token.items.end(), item);
  if (at == token.items.end()) return token.locations.front();
  return token.locations[static_cast<std::size_t>(at - token.items.begin())];
}

}  // namespace syncline
