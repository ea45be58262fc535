#include "tests/histories/history_user.h"

#include <array>
#include <utility>

#include "replication/state/edits.h"

namespace syncline::testing {
namespace {

constexpr std::size_t kSeenMax = 5;
constexpr std::size_t kFolders = 1;  // A profile.
constexpr std::array<std::string_view, 4> kNames = {"a", "b", "c.txt", "d"};

// How often each verb comes, in the order of the verbs.
constexpr std::uint64_t kProfiles[4][13] = {
    {14, 10, 14, 6, 8, 14, 4, 4, 3, 5, 2, 4, 2},   // A bit of all.
    {10, 25, 3, 2, 10, 36, 2, 2, 0, 1, 1, 7, 1},   // Folders move.
    {16, 3, 30, 8, 10, 6, 5, 6, 8, 3, 2, 1, 2},    // Files are edited.
    {10, 6, 14, 8, 6, 8, 2, 2, 4, 24, 12, 2, 2}};  // Documents.

template <typename Kind>
std::vector<Effect> Unwrap(absl::StatusOr<std::vector<Kind>> effects) {
  if (!effects.ok()) return {};  // Refused: the user is told.
  return *std::move(effects);
}

}  // namespace

HistoryUsers::HistoryUsers(RandomSource& random)
    : random_(random), profile_(random.Below(4)) {}

HistoryUsers::Verb HistoryUsers::AnyVerb() {
  std::uint64_t total = 0;
  for (const std::uint64_t weight : kProfiles[profile_]) total += weight;
  std::uint64_t dice = Below(total);
  std::size_t verb = 0;
  while (dice >= kProfiles[profile_][verb]) dice -= kProfiles[profile_][verb++];
  return static_cast<Verb>(verb);
}

std::string HistoryUsers::Value() {
  return OneIn(8) ? "same" : "v" + std::to_string(++made_);
}

std::string HistoryUsers::NewPath(const CausalState& state) {
  std::string path;
  if (!directories_.empty() && !OneIn(3)) {
    path = directories_[Below(directories_.size())];
    const auto row = state.Lookup(path);
    path = row.ok() && *row && (*row)->IsDirectory() ? path + "/" : "";
  }
  // Made-up names may be taken.
  if (OneIn(8)) {
    const auto page = state.List(path.substr(0, path.rfind('/')), "", 64);
    for (std::size_t i = 0; page.ok() && i < page->size(); ++i) {
      const std::string& name = (*page)[i].first;
      if (name.find('~') != std::string::npos) return path + name;
    }
  }
  return path += kNames[Below(kNames.size())];
}

// A path that is there, if it finds one.
std::string HistoryUsers::Pick(const CausalState& state) {
  if (paths_.empty()) return {};
  if (profile_ == kFolders && !OneIn(3)) {
    return directories_[Below(directories_.size())];
  }
  if (!OneIn(3)) return paths_[Below(paths_.size())];
  std::string directory;
  for (int depth = 0; depth < 4; ++depth) {
    const auto page = state.List(directory, "", 64);
    if (!page.ok() || page->empty()) break;
    const auto& [name, row] = (*page)[Below(page->size())];
    std::string path = directory.empty() ? name : directory + "/" + name;
    if (!row.IsDirectory() || OneIn(2)) return path;
    directory = std::move(path);
  }
  return directory;
}

bool HistoryUsers::Look(HistoryReplica& replica, HistoryReplica::Seen& seen) {
  if (!replica.seen.empty() && OneIn(3)) {
    seen = replica.seen[Below(replica.seen.size())];
    return true;
  }
  for (int tries = 0; tries < 3; ++tries) {
    const std::string path = Pick(replica.state());
    if (path.empty()) continue;
    auto token = replica.state().Read(path, OneIn(6));
    if (!token.ok() || !*token) continue;
    seen = {path, **std::move(token)};
    if (replica.seen.size() == kSeenMax)
      replica.seen.erase(replica.seen.begin());
    replica.seen.push_back(seen);
    return true;
  }
  return false;
}

// One entry for all: it costs less to pass on.
UserAction HistoryUsers::Begin(const CausalState& empty) {
  UserAction action;
  action.what = "begins";
  std::vector<Effect>& effects = action.effects;
  const bool folders = profile_ == kFolders;
  for (const std::string_view name : kNames) {
    const bool directory = folders || name == "b";
    if (!directory && OneIn(2)) continue;
    for (Effect& effect : Unwrap(CreateEffects(
             empty, name, directory ? ItemKind::kDirectory : ItemKind::kFile,
             directory ? "" : Value(), {}, effects.size()))) {
      effects.push_back(std::move(effect));
    }
    paths_.emplace_back(name);
    if (directory) directories_.emplace_back(name);
  }
  return action;
}

UserAction HistoryUsers::Act(HistoryReplica& replica) {
  const CausalState& state = replica.state();
  const Verb verb = AnyVerb();
  UserAction action;
  switch (verb) {
    case Verb::kCreate:
    case Verb::kMkdir:
      Create(state, verb, action);
      return action;
    case Verb::kDocument:
    case Verb::kSettings:
      Document(state, verb, action);
      return action;
    case Verb::kEvent:
      action.what = "event";
      action.seen.emplace();
      action.effects.emplace_back(EventEffect{"topic", Value()});
      return action;
    case Verb::kRemoveTree: {
      const std::string path = Pick(state);
      action.what = "rm -r " + path;
      auto entries = RemoveTreeEffects(state, path, 1 + Below(6));
      // Of the first entry only: the rest of the tree stays.
      if (entries.ok() && !entries->empty()) {
        action.effects = std::move(entries->front());
      }
      return action;
    }
    default:
      break;
  }
  HistoryReplica::Seen seen;
  if (!Look(replica, seen)) {
    Create(state, Verb::kCreate, action);
    return action;
  }
  EditSeen(state, verb, seen, action);
  return action;
}

void HistoryUsers::Create(const CausalState& state, Verb verb,
                          UserAction& action) {
  const bool directory = verb == Verb::kMkdir;
  const std::string path = NewPath(state);
  const ItemKind file = OneIn(4) ? ItemKind::kSymlink : ItemKind::kFile;
  action.what = (directory ? "mkdir " : "create ") + path;
  action.seen.emplace();
  action.effects = Unwrap(CreateEffects(
      state, path, directory ? ItemKind::kDirectory : file,
      directory ? "" : Value(), OneIn(3) ? Attrs{{"mode", "7"}} : Attrs{}, 0));
  if (action.effects.empty()) return;
  action.move = UserAction::Move{{}, path, {}};
  paths_.push_back(path);
  if (directory) directories_.push_back(path);
}

void HistoryUsers::Document(const CausalState& state, Verb verb,
                            UserAction& action) {
  std::string name_space = "app";
  std::string key = OneIn(2) ? "p" : "q";
  std::string value = Value();
  if (verb == Verb::kSettings) {
    name_space = "sys";
    const auto slots = state.frontier().slots();
    const Origin origin =
        slots.empty() ? state.self() : slots[Below(slots.size())].origin;
    key = OneIn(3) ? "authority" : "rank/" + origin.ToHex();
    value = std::to_string(Below(4));
    if (key == "authority") value = OneIn(2) ? "" : origin.ToHex();
  }
  action.what = "put " + name_space + "/" + key;
  const auto row = state.LookupDoc(name_space, key);
  action.seen.emplace();
  if (row.ok() && *row) {
    for (const Sibling& sibling : (*row)->siblings) {
      if (!(*row)->conflict() ||
          sibling.payload() == (*row)->shown_sibling().payload()) {
        action.seen->emplace_back(sibling.reg, sibling.head.order.dot());
      }
    }
  }
  action.effects = Unwrap(DocEffects(
      state, name_space, key, OneIn(5) ? std::nullopt : std::optional(value)));
}

void HistoryUsers::EditSeen(const CausalState& state, Verb verb,
                            const HistoryReplica::Seen& seen,
                            UserAction& action) {
  const Token& token = seen.token;
  action.seen = token.heads;
  if (verb == Verb::kRename || verb == Verb::kReplace) {
    return Rename(state, verb, seen, action);
  }
  if (verb == Verb::kRemove) {
    action.what = "rm " + seen.path;
    action.effects = Unwrap(RemoveEffects(state, token));
    action.move = UserAction::Move{seen.path, {}, token};
    return;
  }
  if (verb == Verb::kAttr || token.item.IsDirectory()) {
    action.what = "attr " + seen.path;
    action.effects = Unwrap(AttrEffects(
        state, token, OneIn(2) ? "mode" : "mtime", std::to_string(Below(4))));
    return;
  }
  if (verb == Verb::kRetype) {
    action.what = "retype " + seen.path;
    const auto kind = OneIn(2) ? ItemKind::kDirectory : ItemKind::kSymlink;
    action.effects =
        Unwrap(RetypeEffects(state, token, seen.path, kind, Value(), {}));
    if (kind == ItemKind::kDirectory) directories_.push_back(seen.path);
    return;
  }
  if (verb == Verb::kChoose) {
    action.what = "choose " + seen.path;
    action.seen.reset();
    action.effects = Unwrap(ChooseEffects(state, seen.path, Value()));
    return;
  }
  action.what = "edit " + seen.path;
  action.effects = Unwrap(EditEffects(
      state, token, Value(),
      OneIn(4) ? Attrs{{"mode", std::to_string(Below(4))}} : Attrs{}));
}

void HistoryUsers::Rename(const CausalState& state, Verb verb,
                          const HistoryReplica::Seen& seen,
                          UserAction& action) {
  std::string target = NewPath(state);
  // Often into each other, which makes cycles where two do it apart.
  if (seen.token.item.IsDirectory() && !OneIn(3)) {
    const auto page = state.List("", "", 64);
    if (page.ok() && !page->empty()) {
      const auto& [name, row] = (*page)[Below(page->size())];
      if (row.IsDirectory()) {
        target = name + "/" + std::string(kNames[Below(kNames.size())]);
      }
    }
  }
  std::optional<Token> replaced;
  if (verb == Verb::kReplace) {
    auto token = state.Read(target, false);
    if (token.ok()) replaced = *std::move(token);
  }
  if (replaced) {
    action.seen->insert(action.seen->end(), replaced->heads.begin(),
                        replaced->heads.end());
  }
  action.what = "mv " + seen.path + " " + target;
  action.effects = Unwrap(RenameEffects(state, seen.token, target, replaced));
  if (action.effects.empty()) return;
  // What stays in the way of the move is not judged.
  const auto there = state.Lookup(target);
  if (there.ok() && (!*there || replaced)) {
    action.move = UserAction::Move{seen.path, target, seen.token};
  }
  paths_.push_back(target);
  if (seen.token.item.IsDirectory()) directories_.push_back(target);
}

namespace {

ItemId NewItem(const Dot& dot, std::uint32_t index, ItemKind kind) {
  return {dot.origin, dot.counter, index, kind};
}

Location AtRoot(std::string name) { return {kRoot, std::move(name), {}}; }

// The effects of entry `dot` that break rule number `rule`.
std::vector<Effect> IllegalEffects(const Dot& dot, std::uint64_t rule) {
  const ItemId file = NewItem(dot, 0, ItemKind::kFile);
  const ItemId second = NewItem(dot, 1, ItemKind::kFile);
  const ItemId folder = NewItem(dot, 0, ItemKind::kDirectory);
  const ItemId unknown =
      NewItem({dot.origin, dot.counter + 9}, 0, ItemKind::kDirectory);
  const Dots ahead = {{dot.origin, dot.counter}};
  const Dots zero = {{dot.origin, 0}};
  switch (rule) {
    case 0:
      return {};
    case 1:
      return {CreateEffect{file}, PlaceEffect{file, AtRoot(".."), {}}};
    case 2:
      return {CreateEffect{file}, PlaceEffect{file, AtRoot("x/y"), {}}};
    case 3:
      return {CreateEffect{file}, PlaceEffect{file, AtRoot(".syncline"), {}}};
    case 4:
      return {CreateEffect{NewItem(dot, 1, ItemKind::kFile)}};
    case 5:
      return {PlaceEffect{unknown, AtRoot("a"), {}}};
    case 6:
      return {PlaceEffect{kRoot, AtRoot("a"), {}}};
    case 7:
      return {CreateEffect{folder},
              ContentEffect{folder, "v", AtRoot("a"), {}, {}, {}}};
    case 8:
      return {CreateEffect{file}, PlaceEffect{file, AtRoot("a"), ahead}};
    case 9:
      return {CreateEffect{file}, PlaceEffect{file, AtRoot("a"), zero}};
    case 10:
      return {CreateEffect{file}, PlaceEffect{file, AtRoot("a"), {}},
              PlaceEffect{file, AtRoot("b"), {}}};
    case 11:
      return {CreateEffect{file},
              PlaceEffect{file, {unknown, "a", {{unknown, "b"}}}, {}}};
    case 12:
      return {CreateEffect{folder}, PlaceEffect{folder, {folder, "a", {}}, {}}};
    case 13:
      return {CreateEffect{file},
              PlaceEffect{file, {file, "a", {{file, "b"}}}, {}}};
    case 14:
      return {CreateEffect{folder},
              PlaceEffect{
                  folder, {folder, "a", {{folder, "b"}, {folder, "c"}}}, {}}};
    case 15:
      return {PlaceEffect{second, AtRoot("a"), {}}, CreateEffect{second}};
    case 16:
      return {DocEffect{"app", "p", "v", ahead, {}}};
    case 17:
      return {DocEffect{"app", "p", "v", {}, {}},
              DocEffect{"app", "p", "w", {}, {}}};
    case 18:
      return {RemoveEffect{kRoot, {}, {}, {}}};
    case 19:
      return {CreateEffect{file}, RemoveEffect{file, {}, {}, {{"k", zero[0]}}}};
    case 20:
      return {CreateEffect{file}, AttrEffect{file, "k", "v", ahead}};
    case 21:
      return {AttrEffect{unknown, "k", "v", {}}};
    default:
      return {CreateEffect{folder},
              PlaceEffect{
                  folder, {folder, "a", {{kRoot, "b"}, {folder, "c"}}}, {}}};
  }
}

}  // namespace

Entry HistoryUsers::Illegal(HistoryReplica& replica, std::int64_t now_ms) {
  const CausalState& state = replica.state();
  const Dot dot = {state.self(), state.frontier().CounterOf(state.self()) + 1};
  constexpr std::uint64_t kRules = 24;
  const std::uint64_t rule = Below(kRules);
  if (rule < kRules - 1) {
    return state.MakeEntry(IllegalEffects(dot, rule), "user", now_ms);
  }
  Entry entry = state.MakeEntry({EventEffect{"t", "p"}}, "user", now_ms);
  VersionVector context;
  for (const auto& slot : entry.context.slots()) {
    if (slot.origin != dot.origin) context.Raise(slot.origin, slot.counter);
  }
  // What names no previous entry is void, unless there is none.
  if (dot.counter == 1) return state.MakeEntry({}, "user", now_ms);
  entry.context = context;
  return entry;
}

}  // namespace syncline::testing
