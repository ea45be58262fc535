#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "clock/dot.h"
#include "log/entry.h"
#include "replication/state/row.h"

namespace syncline {

// What became of the entries that were taken out of a log, and of the items
// that they had created: they were issued anew under other dots, but for those
// that had no effect, or the effects of which are about such items only.
//
// A value. Thread-compatible.
class Reissue {
 public:
  // The entries of `origin` from `first` on are taken out.
  void TakeOut(const Origin& origin, std::uint64_t first);
  [[nodiscard]] bool TakenOut(const Dot& dot) const;
  // The entry was made by one who had seen what is taken out.
  [[nodiscard]] bool BuiltOnIt(const Entry& entry) const;

  // The effects of a taken out entry as they read now, for an entry that will
  // be `fresh`; empty if nothing is left of them. Without the heads of entries
  // that are gone; an item that is gone is created again where the effect has
  // it, or the effect is left out if it does not say where.
  std::vector<Effect> Rewrite(const Entry& entry, const Dot& fresh);
  // `from` is called `to` now.
  void Renamed(const Dot& from, const Dot& to) { dots_[from] = to; }

  // Nothing was left of the effects of `from`.
  void LeftOut(const Dot& from) { left_out_.insert(from); }
  [[nodiscard]] const std::set<Dot>& left_out() const { return left_out_; }

  // Nothing: it is gone.
  [[nodiscard]] std::optional<Dot> Map(const Dot& dot) const;
  [[nodiscard]] std::optional<ItemId> Map(const ItemId& item) const;
  // What a reader had seen, as it is called now.
  [[nodiscard]] Token Map(const Token& token) const;

  // By origin: from which counter on.
  [[nodiscard]] const std::map<Origin, std::uint64_t>& taken_out() const {
    return out_;
  }
  [[nodiscard]] const std::map<Dot, Dot>& renamed() const { return dots_; }

 private:
  class Rewriter;
  [[nodiscard]] Dots Map(const Dots& dots) const;

  std::map<Origin, std::uint64_t> out_;  // From that counter on.
  std::map<Dot, Dot> dots_;
  std::set<Dot> left_out_;
  std::map<ItemId, ItemId> items_;
};

}  // namespace syncline
