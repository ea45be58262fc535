#include "tests/state/random_history.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "replication/state/edits.h"
#include "tests/state/naive_view.h"

namespace syncline::testing {
namespace {

// Some names collide with made-up ones, sort around separators, or are cut
// when a suffix is added.
const std::vector<std::string>& Names() {
  static const std::vector<std::string> kNames = {
      "a",
      "b",
      "c",
      "x.txt",
      "a",
      "b",
      "a.",
      std::string("\x01"),
      std::string(250, 'n') + ".txt"};
  return kNames;
}

Origin NumberedOrigin(std::uint64_t seed, std::size_t number) {
  SeededRandom random(seed * 31 + number);
  return Origin::Random(random);
}

template <typename Kind>
std::vector<Effect> Unwrap(absl::StatusOr<std::vector<Kind>> effects) {
  if (!effects.ok()) return {};  // Refused: the user is told, nothing happens.
  return *std::move(effects);
}

class JoinMerger final : public ContentMerger {
 public:
  std::optional<std::string> Merge(std::string_view first,
                                   std::string_view second) const override {
    if (first.size() + second.size() > 16) return std::nullopt;
    return std::string(first) + "+" + std::string(second);
  }
};

}  // namespace

RandomHistory::RandomHistory(std::uint64_t seed, const Options& options)
    : random_(seed), options_(options) {
  CausalState::Options state_options;
  state_options.check_rebuild = options.check_rebuild;
  state_options.check_short_way = true;
  if (seed % 2 == 1) state_options.head_bytes_max = 2000;  // Forgets soon.
  for (std::size_t i = 0; i < options.replicas; ++i) {
    replicas_.push_back(std::make_unique<TestReplica>(
        NumberedOrigin(seed, i), options.disturb ? seed * 16 + i + 1 : 0,
        state_options));
    constexpr std::int64_t kSkews[] = {0, 0, -90'000, 200'000, 700};
    skew_ms_.push_back(kSkews[Below(5)]);
  }
  seen_.resize(replicas_.size());
}

std::int64_t RandomHistory::Now(std::size_t i) const {
  return now_ms_ + skew_ms_[i];
}

std::string RandomHistory::fault() const {
  if (!fault_.empty()) return fault_;
  for (const auto& replica : replicas_) {
    if (!replica->fault().empty()) return replica->fault();
  }
  return {};
}

std::size_t RandomHistory::Step() {
  now_ms_ += static_cast<std::int64_t>(1 + Below(3000));
  const std::size_t i = Below(replicas_.size());
  replicas_[i]->ForgetChanges();
  const std::uint64_t dice = Below(100);
  if (dice < 50) {
    User(i);
  } else if (dice < 60 && options_.wild) {
    Wild(i);
  } else if (dice < 90) {
    Deliver(i);
  } else if (dice < 96) {
    Resolve(i);
  } else {
    Join(i);
  }
  return i;
}

void RandomHistory::Note(std::size_t i, const std::optional<Entry>& entry) {
  if (!entry) return;
  entries_.push_back(*entry);
  for (const Effect& effect : entry->effects) {
    if (const auto* create = std::get_if<CreateEffect>(&effect)) {
      items_.push_back(create->item);
    }
  }
  if (!replicas_[i]->state().frontier().Covers(entry->dot)) {
    fault_ = "an entry was made but not applied";
  }
}

std::string RandomHistory::RandomName() {
  const auto& names = Names();
  return OneIn(6) ? names[Below(names.size())] : names[Below(4)];
}

std::string RandomHistory::RandomDirectory(const CausalState& state) {
  std::vector<std::string> paths = {""};
  for (const auto& [path, row] : ListAll(state)) {
    if (row.IsDirectory()) paths.push_back(path);
  }
  return paths[Below(paths.size())];
}

std::string RandomHistory::RandomPath(const CausalState& state) {
  std::vector<std::string> paths;
  for (const auto& [path, row] : ListAll(state)) {
    if (options_.folders && !row.IsDirectory() && !OneIn(4)) continue;
    paths.push_back(path);
  }
  return paths.empty() ? std::string() : paths[Below(paths.size())];
}

std::string RandomHistory::NewPath(const CausalState& state) {
  const std::string directory = RandomDirectory(state);
  const std::string name = RandomName();
  return directory.empty() ? name : directory + "/" + name;
}

std::optional<RandomHistory::Seen> RandomHistory::Look(std::size_t i) {
  if (!seen_[i].empty() && OneIn(4)) return seen_[i][Below(seen_[i].size())];
  const CausalState& state = replicas_[i]->state();
  const std::string path = RandomPath(state);
  if (path.empty()) return std::nullopt;
  auto token = state.Read(path, OneIn(5));
  if (!token.ok() || !*token) {
    fault_ = "a listed path cannot be read: " + path;
    return std::nullopt;
  }
  if (seen_[i].size() >= 6) seen_[i].erase(seen_[i].begin());
  seen_[i].push_back({path, **token});
  return seen_[i].back();
}

void RandomHistory::User(std::size_t i) {
  Note(i, replicas_[i]->Commit(UserEffects(i), Now(i)));
}

std::vector<Effect> RandomHistory::UserEffects(std::size_t i) {
  const CausalState& state = replicas_[i]->state();
  const std::string value = "v" + std::to_string(Below(60));
  const std::uint64_t dice = Below(100);
  if (dice < 25) {
    const auto kind = OneIn(4) ? ItemKind::kSymlink : ItemKind::kFile;
    return Unwrap(CreateEffects(state, NewPath(state), kind, value,
                                {{"mode", std::to_string(Below(3))}}, 0));
  }
  if (dice < 42) {
    return Unwrap(CreateEffects(state, NewPath(state), ItemKind::kDirectory, "",
                                OneIn(3) ? Attrs{{"mode", "7"}} : Attrs{}, 0));
  }
  if (dice < 46) {
    const std::string key = OneIn(3) ? "rank/" + state.self().ToHex() : "k";
    return Unwrap(DocEffects(
        state, key == "k" ? "app" : "sys", key,
        OneIn(5)
            ? std::nullopt
            : std::optional(key == "k" ? value : std::to_string(Below(3)))));
  }
  if (dice < 50) {
    // Of the first entry only; the rest of the tree stays.
    auto entries = RemoveTreeEffects(state, RandomPath(state), 1 + Below(4));
    if (!entries.ok() || entries->empty()) return {};
    return std::move(entries->front());
  }
  const std::optional<Seen> seen = Look(i);
  return seen ? EditSeen(i, *seen) : std::vector<Effect>();
}

std::vector<Effect> RandomHistory::EditSeen(std::size_t i, const Seen& seen) {
  const CausalState& state = replicas_[i]->state();
  const std::string value = "v" + std::to_string(Below(60));
  const bool directory = seen.token.item.IsDirectory();
  const std::uint64_t dice = Below(options_.folders ? 60 : 100);
  if (dice < 45) {
    const std::string target = NewPath(state);
    std::optional<Token> replaced;
    if (OneIn(3)) {
      auto token = state.Read(target, false);
      if (token.ok()) replaced = *std::move(token);
    }
    return Unwrap(RenameEffects(state, seen.token, target, replaced));
  }
  if (dice < 58) return Unwrap(RemoveEffects(state, seen.token));
  if (dice < 66) {
    return Unwrap(AttrEffects(state, seen.token, OneIn(2) ? "mode" : "mtime",
                              std::to_string(Below(4))));
  }
  if (directory) return {};
  if (dice < 72) {
    const auto kind = OneIn(2) ? ItemKind::kDirectory : ItemKind::kSymlink;
    return Unwrap(RetypeEffects(state, seen.token, seen.path, kind, value, {}));
  }
  if (dice < 76) return Unwrap(ChooseEffects(state, seen.path, value));
  return Unwrap(EditEffects(
      state, seen.token, value,
      OneIn(4) ? Attrs{{"mode", std::to_string(Below(4))}} : Attrs{}));
}

ItemId RandomHistory::WildItem(bool directory) {
  for (int tries = 0; tries < 8 && !items_.empty(); ++tries) {
    const ItemId item = items_[Below(items_.size())];
    if (!directory || item.IsDirectory()) return item;
  }
  // An id that no Create minted, as conflict copies have.
  ItemId item;
  item.origin = NumberedOrigin(99, Below(4));
  item.kind = directory || OneIn(2) ? ItemKind::kDirectory : ItemKind::kFile;
  return item;
}

Location RandomHistory::WildLocation() {
  Location at{kRoot, RandomName(), {}};
  const std::size_t depth = Below(4);
  for (std::size_t k = 0; k < depth; ++k) {
    const ItemId step = WildItem(true);
    const bool repeated =
        std::any_of(at.chain.begin(), at.chain.end(),
                    [&step](const auto& known) { return known.first == step; });
    if (!step.IsDirectory() || repeated) continue;
    at.chain.emplace_back(step, RandomName());
    at.parent = step;
  }
  return at;
}

Effect RandomHistory::WildEffect(const CausalState& state, std::size_t index) {
  const ItemId item = WildItem(OneIn(2));
  Dots some;
  const auto field =
      OneIn(2) ? RegisterId::Field::kPlace : RegisterId::Field::kContent;
  const auto heads = state.Heads({field, item, {}, {}});
  SYNCLINE_CHECK(heads.ok(), "rows in memory can be read");
  for (const Head& head : *heads) {
    if (!OneIn(3)) some.push_back(head.order.dot());
  }
  const std::uint64_t dice = Below(10);
  if (dice < 2) {
    ItemId made;
    made.origin = state.self();
    made.counter = state.frontier().CounterOf(state.self()) + 1;
    made.index = static_cast<std::uint32_t>(index);
    made.kind = OneIn(2) ? ItemKind::kDirectory : ItemKind::kFile;
    return CreateEffect{made};
  }
  if (dice < 7) {
    return PlaceEffect{item, WildLocation(),
                       field == RegisterId::Field::kPlace ? some : Dots{}};
  }
  if (dice < 8 && !item.IsDirectory()) {
    return ContentEffect{
        item, "w" + std::to_string(Below(9)), WildLocation(), {}, {}, {}};
  }
  RemoveEffect remove;
  remove.item = item;
  (field == RegisterId::Field::kPlace ? remove.place : remove.content) = some;
  return remove;
}

// Valid or void: both must be the same everywhere.
void RandomHistory::Wild(std::size_t i) {
  const CausalState& state = replicas_[i]->state();
  std::vector<Effect> effects;
  const std::size_t count = 1 + Below(5);
  for (std::size_t k = 0; k < count; ++k) {
    effects.push_back(WildEffect(state, k));
  }
  const Entry entry = state.MakeEntry(std::move(effects), "user", Now(i));
  const auto applied = replicas_[i]->Apply(entry, Now(i));
  if (!applied.ok()) {
    fault_ = applied.status().ToString();
    return;
  }
  Note(i, entry);
}

// One of the entries that this replica lacks and can take.
void RandomHistory::Deliver(std::size_t i) {
  for (const Entry& entry : entries_) {
    const VersionVector& frontier = replicas_[i]->state().frontier();
    if (frontier.Covers(entry.dot) || !frontier.Covers(entry.context) ||
        OneIn(4)) {
      continue;
    }
    const auto applied = replicas_[i]->Apply(entry, Now(i));
    if (!applied.ok()) fault_ = applied.status().ToString();
    return;
  }
}

void RandomHistory::Resolve(std::size_t i) {
  const CausalState& state = replicas_[i]->state();
  const auto conflicts = state.Conflicts();
  if (!conflicts.ok() || conflicts->empty()) return;
  constexpr Strategy kStrategies[] = {
      Strategy::kLocalWins, Strategy::kRemoteWins, Strategy::kNewestWins,
      Strategy::kKeepBoth, Strategy::kMerge};
  const Strategy strategy = kStrategies[Below(5)];
  const JoinMerger merger;
  auto effects =
      Unwrap(ResolveEffects(state, (*conflicts)[Below(conflicts->size())],
                            strategy, OneIn(2) ? &merger : nullptr));
  Note(i, replicas_[i]->Commit(std::move(effects), Now(i),
                               "auto:" + std::string(StrategyName(strategy))));
}

void RandomHistory::Join(std::size_t i) {
  const std::size_t j = Below(replicas_.size());
  if (i == j) return;
  if (OneIn(2)) {
    const absl::Status joined =
        replicas_[i]->JoinInPieces(*replicas_[j], Now(i));
    if (!joined.ok()) fault_ = joined.ToString();
    return;
  }
  const auto snapshot = replicas_[j]->state().TakeSnapshot();
  if (!snapshot.ok()) {
    fault_ = snapshot.status().ToString();
    return;
  }
  const auto joined = replicas_[i]->Join(*snapshot, Now(i));
  if (!joined.ok()) fault_ = joined.status().ToString();
}

void RandomHistory::Exchange() {
  for (std::size_t i = 0; i < replicas_.size(); ++i) {
    for (const Entry& entry : entries_) {
      const auto applied = replicas_[i]->Apply(entry, Now(i));
      if (!applied.ok())
        fault_ = applied.status().ToString();
      else if (applied->outcome == ApplyOutcome::kGap ||
               applied->outcome == ApplyOutcome::kCausality) {
        fault_ = "an exchange made a gap";
      }
    }
  }
}

}  // namespace syncline::testing
