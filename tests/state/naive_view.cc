#include "tests/state/naive_view.h"

#include <algorithm>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <vector>

#include "base/check.h"
#include "replication/state/names.h"

namespace syncline::testing {
namespace {

using Field = RegisterId::Field;
using Heads = std::map<Dot, Head>;
using Ranks = std::map<std::string, int>;

const Head& Newest(const Heads& heads) {
  return std::max_element(heads.begin(), heads.end(),
                          [](const auto& a, const auto& b) {
                            return a.second.order < b.second.order;
                          })
      ->second;
}

class Computation {
 public:
  explicit Computation(const CausalState::Snapshot& snapshot) {
    for (const auto& [reg, head] : snapshot.heads) {
      const Dot dot = head.order.dot();
      switch (reg.field) {
        case Field::kPlace:
          places_[reg.item][dot] = head;
          break;
        case Field::kContent:
          contents_[reg.item][dot] = head;
          break;
        case Field::kAttr:
          attrs_[reg.item][reg.key][dot] = head;
          break;
        case Field::kDoc:
          docs_[{reg.name_space, reg.key}][dot] = head;
          break;
      }
    }
  }

  NaiveView Run() {
    FindRanks();
    FindOwnPlaces();
    Revive();
    BreakCycles();
    for (const auto& [item, parent] : parent_) {
      children_[parent].push_back(item);
    }
    Fill({kRoot}, "");
    for (const auto& [name, heads] : docs_) {
      Row row;
      for (const auto& [dot, head] : heads) {
        row.siblings.push_back(
            {{Field::kDoc, {}, name.first, name.second}, head});
      }
      Show(row, name.first == "sys" ? Ranks() : ranks_);
      view_.docs.emplace(name, std::move(row));
    }
    return std::move(view_);
  }

 private:
  struct Place {
    HeadOrder order;
    Location at;
  };

  void FindRanks() {
    static const std::regex kNumber("-?[0-9]{1,9}");
    for (const auto& [name, heads] : docs_) {
      if (name.first != "sys" || name.second.rfind("rank/", 0) != 0) continue;
      const std::string& value = std::get<std::string>(Newest(heads).value);
      if (std::regex_match(value, kNumber)) {
        ranks_[name.second.substr(5)] = std::stoi(value);
      }
    }
  }

  void FindOwnPlaces() {
    for (const auto& [item, heads] : contents_) {
      const Head& head = Newest(heads);
      placed_[item] = {head.order, *head.hint};
    }
    for (const auto& [item, heads] : places_) {
      if (!item.IsDirectory() && !contents_.contains(item)) continue;
      const Head& head = Newest(heads);
      placed_[item] = {head.order, std::get<Location>(head.value)};
    }
  }

  void Revive() {
    std::vector<Place> alive;
    for (const auto& [item, place] : placed_) alive.push_back(place);
    std::sort(alive.begin(), alive.end(),
              [](const Place& a, const Place& b) { return b.order < a.order; });
    for (const auto& [order, own] : alive) {
      Location at = own;
      while (at.parent != kRoot && !placed_.contains(at.parent)) {
        Chain above(at.chain.begin(), at.chain.end() - 1);
        Location revived{above.empty() ? kRoot : above.back().first,
                         at.chain.back().second, above};
        placed_[at.parent] = {order, revived};
        at = revived;
      }
    }
  }

  void BreakCycles() {
    for (const auto& [item, place] : placed_) {
      parent_[item] = place.at.parent;
      name_[item] = place.at.name;
    }
    std::set<ItemId> settled = {kRoot};
    for (const auto& [start, place] : placed_) {
      std::vector<ItemId> walk;
      ItemId item = start;
      const auto in_walk = [&] {
        return std::find(walk.begin(), walk.end(), item);
      };
      while (!settled.contains(item) && in_walk() == walk.end()) {
        walk.push_back(item);
        item = parent_.at(item);
      }
      if (!settled.contains(item)) {
        const ItemId largest = *std::max_element(
            in_walk(), walk.end(), [this](const ItemId& a, const ItemId& b) {
              return std::pair(placed_.at(a).order, a) <
                     std::pair(placed_.at(b).order, b);
            });
        parent_[largest] = kRoot;
      }
      settled.insert(walk.begin(), walk.end());
    }
  }

  void Show(Row& row, const Ranks& ranks) {
    std::sort(row.siblings.begin(), row.siblings.end(),
              [](const Sibling& a, const Sibling& b) {
                return a.head.order < b.head.order;
              });
    const auto key = [&ranks](const Sibling& sibling) {
      auto at = ranks.find(sibling.head.order.origin.ToHex());
      return std::pair(at == ranks.end() ? 0 : at->second, sibling.head.order);
    };
    for (std::size_t i = 0; i < row.siblings.size(); ++i) {
      if (key(row.siblings[i]) > key(row.siblings[row.shown])) row.shown = i;
    }
  }

  Attrs Attributes(const std::vector<ItemId>& items, const Attrs& hint) {
    std::map<std::string, Head> best;
    for (const ItemId& item : items) {
      for (const auto& [key, heads] : attrs_[item]) {
        const Head& head = Newest(heads);
        auto [at, added] = best.emplace(key, head);
        if (!added && at->second.order < head.order) at->second = head;
      }
    }
    std::map<std::string, std::string> all(hint.begin(), hint.end());
    for (const auto& [key, head] : best) {
      all[key] = std::get<std::string>(head.value);
    }
    return {all.begin(), all.end()};
  }

  void FillSlot(const std::string& path, std::vector<ItemId> items) {
    std::sort(items.begin(), items.end());
    Row row;
    row.items = items;
    for (const ItemId& item : items) {
      for (const auto& [dot, head] : contents_.at(item)) {
        row.siblings.push_back({{Field::kContent, item, {}, {}}, head});
      }
    }
    Show(row, ranks_);
    const Sibling& top = row.siblings[row.shown];
    row.kind = top.reg.item.kind;
    row.attrs = Attributes({top.reg.item}, top.head.attrs);
    row.revived = !places_.contains(top.reg.item);
    view_.rows.emplace(path, std::move(row));
  }

  void Fill(const std::vector<ItemId>& directories, const std::string& prefix) {
    std::map<std::string, std::vector<ItemId>> named;
    std::map<std::string, std::vector<ItemId>> inner;
    for (const ItemId& directory : directories) {
      for (const ItemId& child : children_[directory]) {
        (child.IsDirectory() ? inner : named)[name_.at(child)].push_back(child);
      }
    }
    std::map<std::string, std::vector<ItemId>> slots;
    for (const auto& [name, items] : named) {
      std::string shown = name;
      for (int attempt = 0; inner.contains(shown); ++attempt) {
        shown = BesideDirectoryName(
            name, *std::min_element(items.begin(), items.end()), attempt);
      }
      std::vector<ItemId>& slot = slots[shown];
      slot.insert(slot.end(), items.begin(), items.end());
    }
    for (const auto& [name, items] : slots) FillSlot(prefix + name, items);
    for (auto& [name, items] : inner) {
      std::sort(items.begin(), items.end());
      Row row;
      row.kind = ItemKind::kDirectory;
      row.items = items;
      row.attrs = Attributes(items, {});
      row.revived = std::none_of(
          items.begin(), items.end(),
          [this](const ItemId& item) { return places_.contains(item); });
      view_.rows.emplace(prefix + name, std::move(row));
      Fill(items, prefix + name + "/");
    }
  }

  std::map<ItemId, Heads> places_;
  std::map<ItemId, Heads> contents_;
  std::map<ItemId, std::map<std::string, Heads>> attrs_;
  std::map<std::pair<std::string, std::string>, Heads> docs_;
  Ranks ranks_;
  std::map<ItemId, Place> placed_;
  std::map<ItemId, ItemId> parent_;
  std::map<ItemId, std::string> name_;
  std::map<ItemId, std::vector<ItemId>> children_;
  NaiveView view_;
};

}  // namespace

NaiveView ComputeNaiveView(const CausalState::Snapshot& snapshot) {
  return Computation(snapshot).Run();
}

std::map<std::string, Row> ListAll(const CausalState& state) {
  std::map<std::string, Row> rows;
  std::vector<std::string> pending = {""};
  while (!pending.empty()) {
    const std::string directory = pending.back();
    pending.pop_back();
    const auto page = state.List(directory, "", 1u << 20);
    SYNCLINE_CHECK(page.ok(), "the rows can be read");
    for (const auto& [name, row] : *page) {
      std::string path = directory.empty() ? name : directory + "/" + name;
      if (row.IsDirectory()) pending.push_back(path);
      rows.emplace(std::move(path), row);
    }
  }
  return rows;
}

std::string Describe(const Row& row) {
  std::string text(1, row.kind ? static_cast<char>(*row.kind) : '-');
  for (const ItemId& item : row.items) text += " " + item.ToText();
  for (const Sibling& sibling : row.siblings) {
    text += " [" + sibling.reg.item.ToText() + " " +
            sibling.head.order.dot().ToText() + " " + sibling.payload() + " " +
            std::to_string(sibling.head.generation) + "]";
  }
  if (!row.siblings.empty()) text += " shows " + std::to_string(row.shown);
  for (const auto& [key, value] : row.attrs) text += " " + key + "=" + value;
  return text + (row.revived ? " revived" : "") +
         (row.conflict() ? " conflict" : "");
}

namespace {

// As Describe(), but fast.
bool SameRow(const Row& a, const Row& b) {
  return a.kind == b.kind && a.items == b.items && a.attrs == b.attrs &&
         a.revived == b.revived && a.shown == b.shown &&
         std::equal(a.siblings.begin(), a.siblings.end(), b.siblings.begin(),
                    b.siblings.end(), [](const Sibling& x, const Sibling& y) {
                      return x.reg == y.reg && x.head.order == y.head.order &&
                             x.head.value == y.head.value &&
                             x.head.generation == y.head.generation;
                    });
}

std::string Difference(const std::string& path, const Row& expected,
                       const Row& actual) {
  return path + "\n  expected " + Describe(expected) + "\n  actual   " +
         Describe(actual);
}

}  // namespace

std::string CompareView(const CausalState& state, const NaiveView& expected) {
  const std::map<std::string, Row> actual = ListAll(state);
  std::vector<std::string> conflicts;
  std::uint64_t items = 0;
  for (const auto& [path, row] : expected.rows) {
    auto found = actual.find(path);
    if (found == actual.end()) return "missing row " + path;
    if (!SameRow(found->second, row)) {
      return Difference(path, row, found->second);
    }
    items += row.items.size();
    if (row.conflict()) conflicts.push_back(path);
  }
  for (const auto& [path, row] : actual) {
    if (!expected.rows.contains(path)) return "additional row " + path;
  }
  for (const auto& [name, row] : expected.docs) {
    const auto doc = state.LookupDoc(name.first, name.second);
    if (!doc.ok() || !*doc || !SameRow(**doc, row)) {
      return "document " + name.first + "/" + name.second;
    }
    if (row.conflict()) {
      conflicts.push_back("doc:" + name.first + "/" + name.second);
    }
  }
  if (items != state.item_count()) return "item_count";
  std::sort(conflicts.begin(), conflicts.end());
  const auto listed = state.Conflicts();
  if (!listed.ok() || *listed != conflicts) return "conflicts";
  if (state.conflict_count() != conflicts.size()) return "conflict_count";
  return {};
}

std::string CompareWithNaive(const CausalState& state) {
  const auto snapshot = state.TakeSnapshot();
  if (!snapshot.ok()) return snapshot.status().ToString();
  return CompareView(state, ComputeNaiveView(*snapshot));
}

}  // namespace syncline::testing
