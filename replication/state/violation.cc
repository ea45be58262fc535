#include <algorithm>
#include <set>
#include <span>

#include "absl/container/inlined_vector.h"
#include "replication/state/limits.h"

namespace syncline {
namespace {

// Rule A5 for one entry. Everything is decided from the entry alone, so that
// all replicas agree.
class Checker {
 public:
  explicit Checker(const Entry& entry) : entry_(entry) {}

  std::optional<std::string> Run() {
    if (entry_.dot.counter == 0 ||
        entry_.context.CounterOf(entry_.dot.origin) != entry_.dot.counter - 1) {
      return "the context does not name the previous entry of its origin";
    }
    if (entry_.effects.empty() || entry_.effects.size() > kEffectsMax) {
      return "number of effects";
    }
    for (; index_ < entry_.effects.size(); ++index_) {
      std::optional<std::string> fault = std::visit(
          [this](const auto& e) { return Check(e); }, entry_.effects[index_]);
      if (fault) return fault;
    }
    return std::nullopt;
  }

 private:
  using Fault = std::optional<std::string>;
  static constexpr std::size_t kFewEffects = 8;

  Fault Check(const CreateEffect& e) {
    if (e.item.dot() != entry_.dot || e.item.index != index_) {
      return "the id of a created item";
    }
    if (e.item.index >= kFewEffects) created_.insert(e.item);
    return std::nullopt;
  }
  Fault Check(const PlaceEffect& e) {
    if (Fault fault = CheckItem(e.item)) return fault;
    if (Fault fault = CheckLocation(e.location)) return fault;
    if (Fault fault = CheckDots(e.supersedes)) return fault;
    return FillItem(RegisterId::Field::kPlace, e.item);
  }
  Fault Check(const ContentEffect& e) {
    if (Fault fault = CheckItem(e.item)) return fault;
    if (e.item.IsDirectory()) return "content of a directory";
    if (Fault fault = CheckLocation(e.location)) return fault;
    if (Fault fault = CheckDots(e.supersedes)) return fault;
    return FillItem(RegisterId::Field::kContent, e.item);
  }
  Fault Check(const AttrEffect& e) {
    if (Fault fault = CheckItem(e.item)) return fault;
    if (Fault fault = CheckDots(e.supersedes)) return fault;
    return Fill({RegisterId::Field::kAttr, e.item, {}, e.key});
  }
  Fault Check(const RemoveEffect& e) {
    if (Fault fault = CheckItem(e.item)) return fault;
    if (Fault fault = CheckDots(e.place)) return fault;
    if (Fault fault = CheckDots(e.content)) return fault;
    for (const auto& [key, dot] : e.attrs) {
      if (Fault fault = CheckDots({&dot, 1})) return fault;
    }
    return std::nullopt;
  }
  Fault Check(const DocEffect& e) {
    if (Fault fault = CheckDots(e.supersedes)) return fault;
    if (!e.payload) return std::nullopt;
    return Fill({RegisterId::Field::kDoc, {}, e.name_space, e.key});
  }
  Fault Check(const EventEffect&) { return std::nullopt; }

  [[nodiscard]] bool Known(const ItemId& item) const {
    return item.counter == 0 || entry_.context.Covers(item.dot()) ||
           Created(item);
  }

  // By an effect before this one.
  [[nodiscard]] bool Created(const ItemId& item) const {
    if (item.index >= kFewEffects) return created_.contains(item);
    if (item.index >= index_) return false;
    const auto* effect = std::get_if<CreateEffect>(&entry_.effects[item.index]);
    return effect != nullptr && effect->item == item;
  }

  Fault CheckItem(const ItemId& item) const {
    if (item == kRoot || !Known(item)) return "an unknown item";
    return std::nullopt;
  }

  Fault CheckLocation(const Location& at) const {
    if (Fault fault = LocationFault(at)) return fault;
    if (!std::all_of(at.chain.begin(), at.chain.end(),
                     [this](const auto& step) { return Known(step.first); })) {
      return "an unknown ancestor";
    }
    return std::nullopt;
  }

  Fault CheckDots(std::span<const Dot> dots) {
    superseded_ += dots.size();
    if (superseded_ > kSupersededMax) return "too many superseded heads";
    for (const Dot& dot : dots) {
      if (dot.counter == 0 || !entry_.context.Covers(dot)) {
        return "supersedes an entry outside its context";
      }
    }
    return std::nullopt;
  }

  Fault Fill(RegisterId reg) {
    if (entry_.effects.size() == 1) return std::nullopt;
    if (filled_.insert(std::move(reg)).second) return std::nullopt;
    return "two values for one register";
  }

  // As Fill(), where no key is part of the register.
  Fault FillItem(RegisterId::Field field, const ItemId& item) {
    if (entry_.effects.size() == 1) return std::nullopt;
    if (entry_.effects.size() > kFewEffects) {
      return Fill({field, item, {}, {}});
    }
    for (const auto& [known, of] : few_filled_) {
      if (known == field && *of == item) return "two values for one register";
    }
    few_filled_.emplace_back(field, &item);
    return std::nullopt;
  }

  const Entry& entry_;
  std::size_t index_ = 0;
  std::size_t superseded_ = 0;
  std::set<ItemId> created_;
  std::set<RegisterId> filled_;
  // Of entries of few effects: a set costs more than they do.
  absl::InlinedVector<std::pair<RegisterId::Field, const ItemId*>, kFewEffects>
      few_filled_;
};

}  // namespace

namespace {

bool HasRootOrTwins(const Chain& chain) {
  absl::InlinedVector<const ItemId*, 16> items = {&kRoot};
  for (const auto& [item, name] : chain) items.push_back(&item);
  std::sort(items.begin(), items.end(),
            [](const ItemId* a, const ItemId* b) { return *a < *b; });
  return std::adjacent_find(items.begin(), items.end(),
                            [](const ItemId* a, const ItemId* b) {
                              return *a == *b;
                            }) != items.end();
}

}  // namespace

std::optional<std::string> LocationFault(const Location& at) {
  if (at.chain.size() > kChainMax) return "too deep";
  if ((at.chain.empty() ? kRoot : at.chain.back().first) != at.parent) {
    return "a chain that does not lead to the parent";
  }
  if (!LegalName(at.name)) return "an illegal name";
  if (HasRootOrTwins(at.chain)) return "a chain that is no way down";
  for (const auto& [item, name] : at.chain) {
    if (!item.IsDirectory()) return "an ancestor that is no directory";
    if (!LegalName(name)) return "an illegal name";
  }
  return std::nullopt;
}

std::optional<std::string> CausalState::Violation(const Entry& entry) {
  return Checker(entry).Run();
}

}  // namespace syncline
