#include <algorithm>
#include <utility>

#include "base/status.h"
#include "replication/state/short_way.h"
#include "replication/state/state_change.h"

namespace syncline {
namespace {

using Field = RegisterId::Field;

// Turns effects into staged changes of registers.
class EffectApplier {
 public:
  EffectApplier(StateChange& change, const Entry& entry, std::uint64_t arrival)
      : change_(change), entry_(entry), arrival_(arrival) {}

  void Run() {
    for (const Effect& effect : entry_.effects) {
      std::visit([this](const auto& e) { Do(e); }, effect);
      ++index_;
    }
  }

 private:
  void Do(const CreateEffect& e) { change_.IsNew(e.item); }

  void Do(const PlaceEffect& e) {
    const RegisterId reg{Field::kPlace, e.item, {}, {}};
    change_.Supersede(reg, e.supersedes);
    StoredHead head = NewHead({});
    head.at = change_.Store(e.location);
    change_.Add(reg, std::move(head));
  }

  void Do(const ContentEffect& e) {
    const RegisterId reg{Field::kContent, e.item, {}, {}};
    change_.Supersede(reg, e.supersedes);
    StoredHead head = NewHead(e.payload);
    head.at = change_.Store(e.location);
    head.attrs = e.attrs;
    head.sources = SourcesOf(e.sources);
    change_.Add(reg, std::move(head));
  }

  void Do(const AttrEffect& e) {
    const RegisterId reg{Field::kAttr, e.item, {}, e.key};
    change_.Supersede(reg, e.supersedes);
    change_.Add(reg, NewHead(e.value));
  }

  void Do(const RemoveEffect& e) {
    if (!e.place.empty()) {
      change_.Supersede({Field::kPlace, e.item, {}, {}}, e.place);
    }
    if (!e.content.empty()) {
      change_.Supersede({Field::kContent, e.item, {}, {}}, e.content);
    }
    for (const auto& [key, dot] : e.attrs) {
      change_.Supersede({Field::kAttr, e.item, {}, key}, {dot});
    }
  }

  void Do(const DocEffect& e) {
    const RegisterId reg{Field::kDoc, {}, e.name_space, e.key};
    change_.Supersede(reg, e.supersedes);
    if (!e.payload) return;
    StoredHead head = NewHead(*e.payload);
    head.sources = SourcesOf(e.sources);
    change_.Add(reg, std::move(head));
  }

  void Do(const EventEffect&) {}

  [[nodiscard]] StoredHead NewHead(std::string value) const {
    StoredHead head;
    head.order = {entry_.hlc, entry_.dot.origin, entry_.dot.counter, index_};
    head.generation = entry_.generation();
    head.value = std::move(value);
    head.arrival = arrival_;
    return head;
  }

  [[nodiscard]] Dots SourcesOf(const Dots& sources) const {
    return sources.empty() ? Dots{entry_.dot} : sources;
  }

  StateChange& change_;
  const Entry& entry_;
  std::uint64_t arrival_;
  std::uint32_t index_ = 0;
};

}  // namespace

absl::StatusOr<PathDiff> ApplyEffects(StateCore& core, const Entry& entry,
                                      std::uint64_t arrival) {
  // Most applications that write very often write events.
  if (std::all_of(entry.effects.begin(), entry.effects.end(),
                  [](const Effect& effect) {
                    return std::holds_alternative<EventEffect>(effect);
                  })) {
    return PathDiff();
  }
  ShortWay way(core, entry, arrival);
  SYNCLINE_ASSIGN_OR_RETURN(const bool usual, way.Plan());
  if (!usual || core.check_short_way) {
    StateChange change(core);
    EffectApplier(change, entry, arrival).Run();
    constexpr auto kOrder = StateChange::PlaceOrder::kAsTouched;
    if (!usual) return change.Finish(kOrder);
    SYNCLINE_ASSIGN_OR_RETURN(const PathDiff diff, change.Stage(kOrder));
    if (!way.Agrees(change, diff)) {
      return Internal("causal state: the short way gives another state");
    }
  }
  return way.Commit();
}

}  // namespace syncline
