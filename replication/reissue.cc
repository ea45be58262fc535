#include "replication/reissue.h"

#include <algorithm>
#include <set>
#include <utility>
#include <variant>

namespace syncline {

// Rewrites the effects of one entry. Items that are gone are created first, so
// that the effects find them.
class Reissue::Rewriter {
 public:
  Rewriter(Reissue& all, const Dot& fresh) : all_(all), fresh_(fresh) {}

  std::vector<Effect> Rewrite(const Entry& entry) {
    // Which items must be created again decides how the others are numbered.
    for (const Effect& effect : entry.effects) {
      if (const auto* place = std::get_if<PlaceEffect>(&effect)) {
        Revive(place->location);
      } else if (const auto* content = std::get_if<ContentEffect>(&effect)) {
        Revive(content->location);
        if (!Known(content->item)) Create(content->item, content->location);
      }
      if (const auto* create = std::get_if<CreateEffect>(&effect)) {
        own_.insert(create->item);
      }
    }
    const std::size_t created = effects_.size();
    Number(entry, created);
    for (const Effect& effect : entry.effects) {
      std::visit([this](const auto& e) { Add(e); }, effect);
    }
    return std::move(effects_);
  }

 private:
  bool Known(const ItemId& item) const {
    return own_.contains(item) || all_.Map(item).has_value();
  }

  // Effects that are left out shift those behind them.
  void Number(const Entry& entry, std::size_t created) {
    std::size_t index = created;
    for (const Effect& effect : entry.effects) {
      if (const auto* create = std::get_if<CreateEffect>(&effect)) {
        all_.items_[create->item] = {fresh_.origin, fresh_.counter,
                                     static_cast<std::uint32_t>(index),
                                     create->item.kind};
      }
      index += Kept(effect) ? 1 : 0;
    }
  }

  bool Kept(const Effect& effect) const {
    if (const auto* place = std::get_if<PlaceEffect>(&effect)) {
      return Known(place->item) && !created_.contains(place->item);
    }
    if (const auto* attr = std::get_if<AttrEffect>(&effect)) {
      return Known(attr->item);
    }
    if (const auto* remove = std::get_if<RemoveEffect>(&effect)) {
      return Known(remove->item);
    }
    return true;
  }

  // The directories on the way to `location` that are gone.
  void Revive(const Location& location) {
    Location at;
    for (const auto& [directory, name] : location.chain) {
      at.name = name;
      if (!Known(directory)) Create(directory, at);
      at.parent = directory;
      at.chain.emplace_back(directory, name);
    }
  }

  void Create(const ItemId& gone, const Location& location) {
    const ItemId item{fresh_.origin, fresh_.counter,
                      static_cast<std::uint32_t>(effects_.size()), gone.kind};
    all_.items_[gone] = item;
    created_.insert(gone);
    effects_.emplace_back(CreateEffect{item});
    effects_.emplace_back(PlaceEffect{item, Moved(location), {}});
  }

  ItemId At(const ItemId& item) const { return all_.Map(item).value_or(item); }

  Location Moved(Location location) const {
    location.parent = At(location.parent);
    for (auto& [directory, name] : location.chain) directory = At(directory);
    return location;
  }

  void Add(const CreateEffect& e) {
    effects_.emplace_back(CreateEffect{At(e.item)});
  }
  void Add(const PlaceEffect& e) {
    if (!Kept(e)) return;
    effects_.emplace_back(
        PlaceEffect{At(e.item), Moved(e.location), all_.Map(e.supersedes)});
  }
  void Add(ContentEffect e) {
    e.item = At(e.item);
    e.location = Moved(std::move(e.location));
    e.supersedes = all_.Map(e.supersedes);
    e.sources = all_.Map(e.sources);
    effects_.emplace_back(std::move(e));
  }
  void Add(AttrEffect e) {
    if (!Known(e.item)) return;
    e.item = At(e.item);
    e.supersedes = all_.Map(e.supersedes);
    effects_.emplace_back(std::move(e));
  }
  void Add(RemoveEffect e) {
    if (!Known(e.item)) return;
    e.item = At(e.item);
    e.place = all_.Map(e.place);
    e.content = all_.Map(e.content);
    std::erase_if(e.attrs,
                  [this](const auto& attr) { return !all_.Map(attr.second); });
    for (auto& [key, dot] : e.attrs) dot = *all_.Map(dot);
    effects_.emplace_back(std::move(e));
  }
  void Add(DocEffect e) {
    e.supersedes = all_.Map(e.supersedes);
    e.sources = all_.Map(e.sources);
    effects_.emplace_back(std::move(e));
  }
  void Add(const EventEffect& e) { effects_.emplace_back(e); }

  Reissue& all_;
  const Dot fresh_;
  std::set<ItemId> own_;      // Created by the entry itself.
  std::set<ItemId> created_;  // Created again.
  std::vector<Effect> effects_;
};

void Reissue::TakeOut(const Origin& origin, std::uint64_t first) {
  const auto [at, fresh] = out_.try_emplace(origin, first);
  if (!fresh) at->second = std::min(at->second, first);
}

bool Reissue::TakenOut(const Dot& dot) const {
  const auto at = out_.find(dot.origin);
  return at != out_.end() && dot.counter >= at->second;
}

bool Reissue::BuiltOnIt(const Entry& entry) const {
  return std::any_of(out_.begin(), out_.end(), [&](const auto& out) {
    return entry.context.CounterOf(out.first) >= out.second;
  });
}

std::vector<Effect> Reissue::Rewrite(const Entry& entry, const Dot& fresh) {
  return Rewriter(*this, fresh).Rewrite(entry);
}

std::optional<Dot> Reissue::Map(const Dot& dot) const {
  if (!TakenOut(dot)) return dot;
  const auto at = dots_.find(dot);
  if (at == dots_.end()) return std::nullopt;
  return at->second;
}

std::optional<ItemId> Reissue::Map(const ItemId& item) const {
  if (item.counter == 0 || !TakenOut(item.dot())) return item;
  const auto at = items_.find(item);
  if (at == items_.end()) return std::nullopt;
  return at->second;
}

Dots Reissue::Map(const Dots& dots) const {
  Dots mapped;
  for (const Dot& dot : dots) {
    if (const std::optional<Dot> now = Map(dot)) mapped.push_back(*now);
  }
  std::sort(mapped.begin(), mapped.end());
  return mapped;
}

Token Reissue::Map(const Token& token) const {
  const auto at = [this](const ItemId& item) {
    return Map(item).value_or(item);
  };
  Token now = token;
  now.item = at(token.item);
  for (ItemId& item : now.items) item = at(item);
  for (Location& location : now.locations) {
    location.parent = at(location.parent);
    for (auto& [directory, name] : location.chain) directory = at(directory);
  }
  now.heads.clear();
  for (const auto& [reg, dot] : token.heads) {
    const std::optional<Dot> mapped = Map(dot);
    if (!mapped) continue;
    now.heads.emplace_back(reg, *mapped);
    now.heads.back().first.item = at(reg.item);
  }
  std::sort(now.heads.begin(), now.heads.end());
  return now;
}

}  // namespace syncline
