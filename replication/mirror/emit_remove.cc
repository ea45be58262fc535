#include <algorithm>
#include <set>
#include <utility>

#include "base/status.h"
#include "replication/mirror/base_token.h"
#include "replication/mirror/emitter.h"
#include "replication/state/edits.h"

namespace syncline {
namespace {

// Limits of one entry (rule A5).
constexpr std::size_t kEffectsMax = 1024;
constexpr std::size_t kDotsMax = 8192;

std::size_t DotCount(const std::vector<Effect>& effects) {
  std::size_t dots = 0;
  for (const Effect& effect : effects) {
    if (const auto* remove = std::get_if<RemoveEffect>(&effect)) {
      dots +=
          remove->place.size() + remove->content.size() + remove->attrs.size();
    } else if (const auto* place = std::get_if<PlaceEffect>(&effect)) {
      dots += place->supersedes.size();
    }
  }
  return dots;
}

}  // namespace

std::vector<Effect> JoinEffects(std::vector<Effect> effects) {
  std::set<ItemId> gone;
  for (const Effect& effect : effects) {
    if (const auto* remove = std::get_if<RemoveEffect>(&effect)) {
      gone.insert(remove->item);
    }
  }
  std::set<ItemId> placed;
  std::erase_if(effects, [&](const Effect& effect) {
    const auto* place = std::get_if<PlaceEffect>(&effect);
    return place != nullptr &&
           (gone.contains(place->item) || !placed.insert(place->item).second);
  });
  return effects;
}

// A run of removals, children first: what is below one removed directory is
// one user's action.
absl::Status Emitter::RemoveAll(const std::vector<LocalOp>& ops,
                                std::size_t begin, std::size_t end) {
  std::vector<std::vector<std::string>> groups;
  for (std::size_t i = end; i-- > begin;) {  // Parents first.
    const std::string& path = ops[i].step.path;
    if (groups.empty() || !IsAtOrBelow(path, groups.back().front())) {
      groups.emplace_back();
    }
    groups.back().push_back(path);
  }
  for (auto group = groups.rbegin(); group != groups.rend(); ++group) {
    std::reverse(group->begin(), group->end());
    SYNCLINE_RETURN_IF_ERROR(RemoveGroup(*group));
  }
  return absl::OkStatus();
}

absl::Status Emitter::RemoveGroup(const std::vector<std::string>& paths) {
  std::vector<Effect> effects;
  std::vector<std::string> covered;
  std::size_t dots = 0;
  const auto flush = [&]() -> absl::Status {
    const auto forget = [&](const Replica::Committed&, WriteBatch& rows) {
      for (const std::string& path : covered) {
        base_.Remove(path, rows);
        hooks_.differs(path);
      }
    };
    if (covered.empty()) return absl::OkStatus();
    SYNCLINE_RETURN_IF_ERROR(
        Commit(covered.back(), JoinEffects(std::move(effects)), "", forget));
    effects.clear();
    covered.clear();
    dots = 0;
    return absl::OkStatus();
  };
  for (const std::string& path : paths) {
    SYNCLINE_ASSIGN_OR_RETURN(const std::optional<BaseEntry> base,
                              base_.Get(path));
    if (!base || TakeIntendedRemoval(path)) continue;
    SYNCLINE_ASSIGN_OR_RETURN(const Token seen, ReadToken(base->token));
    SYNCLINE_ASSIGN_OR_RETURN(std::vector<Effect> more,
                              RemoveEffects(replica_.state(), seen));
    const std::size_t more_dots = DotCount(more);
    if (effects.size() + more.size() > kEffectsMax ||
        dots + more_dots > kDotsMax) {
      SYNCLINE_RETURN_IF_ERROR(flush());
    }
    dots += more_dots;
    effects.insert(effects.end(), std::make_move_iterator(more.begin()),
                   std::make_move_iterator(more.end()));
    covered.push_back(path);
  }
  return flush();
}

}  // namespace syncline
