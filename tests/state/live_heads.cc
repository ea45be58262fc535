#include "tests/state/live_heads.h"

#include <algorithm>
#include <string>

namespace syncline::testing {
namespace {

using Field = RegisterId::Field;

Dots SourcesOf(const Entry& entry, const Dots& sources) {
  return sources.empty() ? Dots{entry.dot} : sources;
}

std::string HeadText(const RegisterId& reg, const Dot& dot) {
  return std::to_string(static_cast<int>(reg.field)) + " " + reg.item.ToText() +
         " " + reg.name_space + " " + reg.key + " " + dot.ToText();
}

}  // namespace

void LiveHeads::Add(const Entry& entry) {
  std::uint32_t index = 0;
  for (const Effect& effect : entry.effects) {
    Head head;
    head.order = {entry.hlc, entry.dot.origin, entry.dot.counter, index++};
    head.generation = entry.generation();
    std::visit([&](const auto& e) { Do(entry, std::move(head), e); }, effect);
  }
}

CausalState::Snapshot LiveHeads::Under(VersionVector frontier) const {
  std::map<Name, Head> live = added_;
  for (const Name& name : dead_) live.erase(name);
  CausalState::Snapshot snapshot{std::move(frontier), {}};
  for (auto& [name, head] : live) {
    snapshot.heads.emplace_back(name.first, std::move(head));
  }
  return snapshot;
}

void LiveHeads::Put(const Entry& entry, RegisterId reg, Head head,
                    const Dots& supersedes) {
  Kill(reg, supersedes);
  added_.emplace(Name{std::move(reg), entry.dot}, std::move(head));
}

void LiveHeads::Kill(const RegisterId& reg, const Dots& dots) {
  for (const Dot& dot : dots) dead_.emplace_back(reg, dot);
}

void LiveHeads::Do(const Entry&, Head, const CreateEffect&) {}
void LiveHeads::Do(const Entry&, Head, const EventEffect&) {}

void LiveHeads::Do(const Entry& entry, Head head, const PlaceEffect& e) {
  head.value = e.location;
  Put(entry, {Field::kPlace, e.item, {}, {}}, std::move(head), e.supersedes);
}

void LiveHeads::Do(const Entry& entry, Head head, const ContentEffect& e) {
  head.value = e.payload;
  head.hint = e.location;
  head.attrs = e.attrs;
  head.sources = SourcesOf(entry, e.sources);
  Put(entry, {Field::kContent, e.item, {}, {}}, std::move(head), e.supersedes);
}

void LiveHeads::Do(const Entry& entry, Head head, const AttrEffect& e) {
  head.value = e.value;
  Put(entry, {Field::kAttr, e.item, {}, e.key}, std::move(head), e.supersedes);
}

void LiveHeads::Do(const Entry&, Head, const RemoveEffect& e) {
  Kill({Field::kPlace, e.item, {}, {}}, e.place);
  Kill({Field::kContent, e.item, {}, {}}, e.content);
  for (const auto& [key, dot] : e.attrs) {
    Kill({Field::kAttr, e.item, {}, key}, {dot});
  }
}

void LiveHeads::Do(const Entry& entry, Head head, const DocEffect& e) {
  const RegisterId reg{Field::kDoc, {}, e.name_space, e.key};
  if (!e.payload) return Kill(reg, e.supersedes);
  head.value = *e.payload;
  head.sources = SourcesOf(entry, e.sources);
  Put(entry, reg, std::move(head), e.supersedes);
}

std::string CompareHeads(const CausalState& state,
                         const CausalState::Snapshot& expected) {
  auto actual = state.TakeSnapshot();
  if (!actual.ok()) return actual.status().ToString();
  if (actual->frontier != expected.frontier) return "another frontier";
  std::sort(actual->heads.begin(), actual->heads.end(),
            [](const auto& a, const auto& b) {
              return std::pair(a.first, a.second.order.dot()) <
                     std::pair(b.first, b.second.order.dot());
            });
  const std::size_t count =
      std::min(actual->heads.size(), expected.heads.size());
  for (std::size_t i = 0; i < count; ++i) {
    auto& [reg, head] = actual->heads[i];
    const auto& [wanted, wanted_head] = expected.heads[i];
    head.arrival = wanted_head.arrival;
    if (reg != wanted || head != wanted_head) {
      return "has " + HeadText(reg, head.order.dot()) + " for " +
             HeadText(wanted, wanted_head.order.dot());
    }
  }
  if (actual->heads.size() == expected.heads.size()) return {};
  return "has " + std::to_string(actual->heads.size()) + " heads for " +
         std::to_string(expected.heads.size());
}

}  // namespace syncline::testing
