#include <algorithm>
#include <set>
#include <utility>

#include "base/status.h"
#include "replication/state/limits.h"
#include "replication/state/staged_state.h"
#include "replication/state/state_change.h"

namespace syncline {
namespace {

using Field = RegisterId::Field;
using HeadName = std::pair<RegisterId, Dot>;

// By key, each once; dots are their own key.
const std::string& KeyOf(const std::pair<std::string, std::string>& attr) {
  return attr.first;
}
const Dot& KeyOf(const Dot& dot) { return dot; }

template <typename List>
bool AscendingByKey(const List& list) {
  return std::adjacent_find(list.begin(), list.end(),
                            [](const auto& a, const auto& b) {
                              return !(KeyOf(a) < KeyOf(b));
                            }) == list.end();
}

std::optional<std::string> ValueFault(const RegisterId& reg, const Head& head) {
  const bool is_place = reg.field == Field::kPlace;
  if (is_place != std::holds_alternative<Location>(head.value)) {
    return "a value of another register";
  }
  if (is_place) return LocationFault(std::get<Location>(head.value));
  if (reg.field != Field::kContent) return std::nullopt;
  if (reg.item.IsDirectory() || !head.hint) return "content without a place";
  return LocationFault(*head.hint);
}

// A peer's snapshot is as untrusted as its entries: what no entry could have
// made must not come in by this way.
absl::Status CheckHead(const RegisterId& reg, const Head& head,
                       const VersionVector& frontier) {
  const auto fault = [](std::string_view what) {
    return InvalidArgument("snapshot: " + std::string(what));
  };
  const Dot dot = head.order.dot();
  if (dot.counter == 0 || !frontier.Covers(dot)) {
    return fault("a head outside its frontier");
  }
  if (reg.field != Field::kDoc && reg.item == kRoot) {
    return fault("a register of the root");
  }
  if (head.generation != 0 && head.generation != 1) return fault("generation");
  if (!AscendingByKey(head.attrs) || !AscendingByKey(head.sources)) {
    return fault("a list out of order");
  }
  if (const auto found = ValueFault(reg, head)) return fault(*found);
  return absl::OkStatus();
}

// Names of the heads of mine that they have seen die.
std::vector<HeadName> DeadHeads(StateCore& core, RowReader& rows,
                                const CausalState::Snapshot& theirs,
                                const std::set<HeadName>& live) {
  std::vector<HeadName> dead;
  ForEachRegister(
      core, rows, [&](const RegisterId& reg, const StoredHeads& heads) {
        for (const StoredHead& head : heads) {
          const Dot dot = head.order.dot();
          if (theirs.frontier.Covers(dot) && !live.contains({reg, dot})) {
            dead.emplace_back(reg, dot);
          }
        }
      });
  return dead;
}

StoredHead ToStored(StateChange& change, const RegisterId& reg,
                    const Head& head, std::uint64_t arrival) {
  StoredHead stored;
  stored.order = head.order;
  stored.generation = head.generation;
  stored.attrs = head.attrs;
  stored.sources = head.sources;
  stored.arrival = arrival;
  if (reg.field == Field::kPlace) {
    stored.at = change.Store(std::get<Location>(head.value));
  } else {
    stored.value = std::get<std::string>(head.value);
  }
  if (reg.field == Field::kContent) stored.at = change.Store(*head.hint);
  const bool has_sources =
      reg.field == Field::kContent || reg.field == Field::kDoc;
  if (has_sources && stored.sources.empty()) {
    stored.sources = {head.order.dot()};
  }
  return stored;
}

}  // namespace

absl::StatusOr<PathDiff> JoinHeads(
    StateCore& core, const VersionVector& frontier,
    const CausalState::Snapshot& theirs, std::uint64_t arrival,
    const std::function<void(const HeadOrder&)>& taken) {
  std::set<HeadName> live;
  for (const auto& [reg, head] : theirs.heads) {
    SYNCLINE_RETURN_IF_ERROR(CheckHead(reg, head, theirs.frontier));
    if (!live.emplace(reg, head.order.dot()).second) {
      return InvalidArgument("snapshot: one head twice");
    }
  }
  ReadScope mine(core);
  const std::vector<HeadName> dead = DeadHeads(core, mine.rows, theirs, live);
  SYNCLINE_RETURN_IF_ERROR(mine.status());

  StateChange change(core);
  for (const auto& [reg, dot] : dead) change.Supersede(reg, {dot});
  for (const auto& [reg, head] : theirs.heads) {
    if (frontier.Covers(head.order.dot())) continue;
    change.Add(reg, ToStored(change, reg, head, arrival));
    taken(head.order);
  }
  return change.Finish(StateChange::PlaceOrder::kParentsFirst);
}

namespace {

bool Has(const StoredHeads& heads, const Dot& dot) {
  return std::any_of(
      heads.begin(), heads.end(),
      [&dot](const StoredHead& head) { return head.order.dot() == dot; });
}

// Rule X4, register by register.
class Joiner {
 public:
  Joiner(StateChange& change, const VersionVector& frontier,
         const VersionVector& theirs, std::uint64_t arrival,
         const std::function<void(const HeadOrder&)>& taken)
      : change_(change),
        frontier_(frontier),
        theirs_(theirs),
        arrival_(arrival),
        taken_(taken) {}

  void Join(const RegisterId& reg, const StoredHeads& mine,
            const StoredHeads& theirs) {
    Dots dead;
    for (const StoredHead& head : mine) {
      const Dot dot = head.order.dot();
      if (theirs_.Covers(dot) && !Has(theirs, dot)) dead.push_back(dot);
    }
    if (!dead.empty()) change_.Supersede(reg, dead);
    for (const StoredHead& head : theirs) {
      const Dot dot = head.order.dot();
      if (frontier_.Covers(dot) || Has(mine, dot)) continue;
      StoredHead copy = head;
      copy.arrival = arrival_;
      change_.Add(reg, std::move(copy));
      taken_(head.order);
    }
  }

  void Join(const ItemId& item, const ItemHeads& mine,
            const ItemHeads& theirs) {
    Join({Field::kPlace, item, {}, {}}, mine.places, theirs.places);
    Join({Field::kContent, item, {}, {}}, mine.contents, theirs.contents);
    std::set<std::string> keys;
    for (const auto& [key, heads] : mine.attrs) keys.insert(key);
    for (const auto& [key, heads] : theirs.attrs) keys.insert(key);
    for (const std::string& key : keys) {
      Join({Field::kAttr, item, {}, key}, Attr(mine, key), Attr(theirs, key));
    }
  }

 private:
  static StoredHeads Attr(const ItemHeads& heads, const std::string& key) {
    const auto at = heads.attrs.find(key);
    return at == heads.attrs.end() ? StoredHeads() : at->second;
  }

  StateChange& change_;
  const VersionVector& frontier_;
  const VersionVector& theirs_;
  const std::uint64_t arrival_;
  const std::function<void(const HeadOrder&)>& taken_;
};

}  // namespace

absl::StatusOr<PathDiff> JoinStaged(
    StateCore& core, const VersionVector& frontier, const StatePart& part,
    const VersionVector& theirs, std::uint64_t arrival,
    const std::function<void(const HeadOrder&)>& taken) {
  ReadScope mine(core);
  StateChange change(core);
  Joiner joiner(change, frontier, theirs, arrival, taken);
  for (const auto& [item, heads, is_new] : part.items) {
    if (is_new) change.IsNew(item);
    joiner.Join(item,
                is_new ? ItemHeads() : LoadItem(mine.rows, core.keys, item),
                heads);
  }
  for (const auto& [doc, heads] : part.docs) {
    joiner.Join({Field::kDoc, {}, doc.name_space, doc.key},
                LoadDoc(mine.rows, core.keys, doc.name_space, doc.key), heads);
  }
  SYNCLINE_RETURN_IF_ERROR(mine.status());
  return change.Finish(StateChange::PlaceOrder::kParentsFirst);
}

}  // namespace syncline
