#include "tests/state/vector_case.h"

#include <algorithm>
#include <optional>

#include "base/hash.h"
#include "base/status.h"
#include "replication/state/edits.h"
#include "replication/state/names.h"
#include "replication/state/strategy.h"

namespace syncline::testing {
namespace {

namespace json = boost::json;

// The vectors' merger: it always has a base.
class SymbolicMerger final : public ContentMerger {
 public:
  std::optional<std::string> Merge(std::string_view first,
                                   std::string_view second) const override {
    const std::string text = std::string(first) + "\n" + std::string(second);
    return "merge3:" + Sha256(text).ToHex().substr(0, 16);
  }
};

// Paths in the vectors start with '/', documents with "doc:".
std::string Path(const json::value& text) {
  std::string path = Text(text);
  return path.starts_with('/') ? path.substr(1) : path;
}

std::string Replaced(std::string text, const std::string& from,
                     const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos;
       at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

std::string OutcomeText(ApplyOutcome outcome) {
  switch (outcome) {
    case ApplyOutcome::kApplied:
      return "applied";
    case ApplyOutcome::kVoid:
      return "void";
    case ApplyOutcome::kDuplicate:
      return "duplicate";
    case ApplyOutcome::kGap:
      return "gap";
    case ApplyOutcome::kCausality:
      return "causality";
  }
  return "?";
}

std::string JsonDifference(const std::string& what, const json::value& expected,
                           const json::value& actual) {
  if (expected == actual) return {};
  return what + "\n  expected " + json::serialize(expected) + "\n  actual   " +
         json::serialize(actual);
}

ItemKind KindOf(const json::value& text) {
  return static_cast<ItemKind>(Text(text).at(0));
}

std::string OptionalText(const json::object& data, const char* field) {
  const json::value* value = data.if_contains(field);
  return value == nullptr || value->is_null() ? std::string() : Text(*value);
}

}  // namespace

VectorCase::VectorCase(const std::string& line, std::uint64_t seed)
    : seed_(seed) {
  std::string text = line;
  const json::value head = json::parse(line);
  for (const auto& [alias, origin] : head.at("origins").as_object()) {
    text = Replaced(std::move(text), std::string(alias), Text(origin));
  }
  case_ = json::parse(text).as_object();
  for (const json::value& entry : case_.at("entries").as_array()) {
    entries_.push_back(ParseEntry(entry.as_object()));
  }
  CausalState::Options options;
  // Costs a rebuild at each change: for a part of the cases.
  options.check_rebuild = seed % 4 == 1;
  for (const json::value& origin : case_.at("replicas").as_array()) {
    Replica replica;
    replica.engine = std::make_unique<TestReplica>(
        ParseOrigin(origin), seed * 100 + replicas_.size() + 1, options);
    replicas_.push_back(std::move(replica));
  }
}

std::string VectorCase::name() const { return Text(case_.at("name")); }

std::uint64_t VectorCase::crashes() const {
  std::uint64_t count = 0;
  for (const Replica& replica : replicas_) count += replica.engine->crashes();
  return count;
}

std::uint64_t VectorCase::flushes() const {
  std::uint64_t count = 0;
  for (const Replica& replica : replicas_) count += replica.engine->flushes();
  return count;
}

std::string VectorCase::Run() {
  for (const json::value& step : case_.at("script").as_array()) {
    std::string difference = Step(step.as_object());
    for (const Replica& replica : replicas_) {
      if (difference.empty()) difference = replica.engine->fault();
    }
    if (!difference.empty()) {
      return name() + ", step " + std::to_string(steps_) + " (" +
             Text(step.at("op")) + "): " + difference;
    }
    ++steps_;
  }
  return {};
}

const Entry* VectorCase::EntryOf(const Object& step) const {
  const json::value* number = step.if_contains("entry");
  if (number == nullptr || number->is_null()) return nullptr;
  return &entries_.at(static_cast<std::size_t>(number->as_int64()));
}

std::string VectorCase::Step(const Object& step) {
  const std::string op = Text(step.at("op"));
  Replica& me =
      replicas_.at(static_cast<std::size_t>(step.at("at").as_int64()));
  const json::value* time = step.if_contains("now");
  const std::int64_t now = time == nullptr ? 0 : time->as_int64();
  if (op == "apply") return ApplyStep(me, step, now);
  if (op == "commit") return CommitStep(me, step, now);
  if (op == "resolve") return ResolveStep(me, step, now);
  if (op == "join") return JoinStep(me, step, now);
  if (op == "serve") return ServeStep(me, step);
  if (op == "load") return LoadStep(step);
  if (op == "expect") return ExpectStep(me, step);
  if (op == "sync") {
    me.durable = me.engine->state().frontier();
    return {};
  }
  if (op == "save") {
    saved_[Text(step.at("name"))] = {me.engine->Copy(me.engine->state().self()),
                                     me.log, me.truncated, me.durable};
    return {};
  }
  if (op != "truncate") return "unknown step";
  const auto count = std::min(
      static_cast<std::size_t>(step.at("count").as_int64()), me.log.size());
  for (std::size_t i = 0; i < count; ++i) {
    me.truncated.Raise(me.log[i].dot.origin, me.log[i].dot.counter);
  }
  me.log.erase(me.log.begin(),
               me.log.begin() + static_cast<std::ptrdiff_t>(count));
  return {};
}

std::string VectorCase::ApplyStep(Replica& me, const Object& step,
                                  std::int64_t now) {
  const Entry& entry = *EntryOf(step);
  const auto applied = me.engine->Apply(entry, now);
  if (!applied.ok()) return applied.status().ToString();
  const bool counted = applied->outcome == ApplyOutcome::kApplied ||
                       applied->outcome == ApplyOutcome::kVoid;
  if (counted) me.log.push_back(entry);
  return JsonDifference("outcome", step.at("expect"),
                        json::value(OutcomeText(applied->outcome)));
}

std::string VectorCase::Make(Replica& me,
                             absl::StatusOr<std::vector<Effect>> effects,
                             const std::string& cause, const Entry* expected,
                             std::int64_t now) {
  if (!effects.ok()) return effects.status().ToString();
  const std::optional<Entry> made =
      me.engine->Commit(*std::move(effects), now, cause);
  if (made) me.log.push_back(*made);
  json::value wanted = nullptr;
  json::value actual = nullptr;
  if (expected != nullptr) wanted = EntryJson(*expected);
  if (made) actual = EntryJson(*made);
  if (made && expected != nullptr && *made == *expected) return {};
  return JsonDifference("entry", wanted, actual);
}

std::string VectorCase::CommitStep(Replica& me, const Object& step,
                                   std::int64_t now) {
  const Object& intent = step.at("intent").as_object();
  const Entry* entry = EntryOf(step);
  const std::string verb = Text(intent.at("verb"));
  if (verb == "continued") {
    const auto applied = me.engine->Apply(*entry, now);
    if (!applied.ok()) return applied.status().ToString();
    me.log.push_back(*entry);
    return JsonDifference("outcome", "applied",
                          json::value(OutcomeText(applied->outcome)));
  }
  return Make(me, Perform(me, intent), "user", entry, now);
}

absl::StatusOr<std::vector<Effect>> VectorCase::Perform(const Replica& me,
                                                        const Object& intent) {
  const CausalState& state = me.engine->state();
  const std::string verb = Text(intent.at("verb"));
  const std::string path =
      intent.contains("path") ? Path(intent.at("path")) : std::string();
  const auto token =
      [&](const char* field,
          const std::string& where) -> absl::StatusOr<std::optional<Token>> {
    const json::value& seen = intent.at(field);
    if (seen.is_object()) {
      // By way of the codec, as an API client would hold it.
      auto decoded = DecodeToken(EncodeToken(ParseToken(seen.as_object())));
      if (!decoded.ok()) return decoded.status();
      return std::optional<Token>(*std::move(decoded));
    }
    if (seen.is_null()) return std::optional<Token>();
    return state.Read(where, Text(seen) == "all");
  };
  if (verb == "create") {
    return CreateEffects(state, path, KindOf(intent.at("kind")),
                         OptionalText(intent, "payload"), {}, 0);
  }
  if (verb == "remove_tree") {
    SYNCLINE_ASSIGN_OR_RETURN(
        auto entries, RemoveTreeEffects(state, path,
                                        static_cast<std::size_t>(
                                            intent.at("limit").as_int64())));
    if (entries.empty()) return std::vector<Effect>();
    return std::move(entries.front());
  }
  if (verb == "doc") {
    std::optional<std::string> payload;
    if (!intent.at("payload").is_null()) payload = Text(intent.at("payload"));
    return DocEffects(state, Text(intent.at("namespace")),
                      Text(intent.at("key")), std::move(payload));
  }
  if (verb == "event") {
    return std::vector<Effect>{
        EventEffect{Text(intent.at("topic")), Text(intent.at("payload"))}};
  }
  SYNCLINE_ASSIGN_OR_RETURN(const std::optional<Token> seen,
                            token("observed", path));
  if (!seen) return NotFound("nothing to observe at " + path);
  if (verb == "edit") {
    return EditEffects(state, *seen, Text(intent.at("payload")), {});
  }
  if (verb == "attr") {
    return AttrEffects(state, *seen, Text(intent.at("key")),
                       Text(intent.at("value")));
  }
  if (verb == "remove") return RemoveEffects(state, *seen);
  if (verb == "rename") {
    const std::string target = Path(intent.at("target"));
    SYNCLINE_ASSIGN_OR_RETURN(const std::optional<Token> replaced,
                              token("replaced", target));
    return RenameEffects(state, *seen, target, replaced);
  }
  if (verb != "retype") return InvalidArgument("unknown verb " + verb);
  return RetypeEffects(state, *seen, path, KindOf(intent.at("kind")),
                       OptionalText(intent, "payload"), {});
}

std::string VectorCase::ResolveStep(Replica& me, const Object& step,
                                    std::int64_t now) {
  const std::string name = Text(step.at("strategy"));
  const std::optional<Strategy> strategy =
      StrategyFromName(name == "merge3" ? "merge" : name);
  if (!strategy) return "unknown strategy " + name;
  const SymbolicMerger merger;
  return Make(me,
              ResolveEffects(me.engine->state(), Path(step.at("path")),
                             *strategy, &merger),
              "auto:" + name, EntryOf(step), now);
}

std::string VectorCase::JoinStep(Replica& me, const Object& step,
                                 std::int64_t now) {
  Replica& other =
      replicas_.at(static_cast<std::size_t>(step.at("source").as_int64()));
  const VersionVector before = me.engine->state().frontier();
  const absl::Status joined = me.engine->JoinInPieces(*other.engine, now);
  if (!joined.ok()) return joined.ToString();
  for (const VersionVector::Slot& slot :
       other.engine->state().frontier().slots()) {
    if (slot.counter > before.CounterOf(slot.origin)) {
      me.truncated.Raise(slot.origin, slot.counter);
    }
  }
  return {};
}

std::string VectorCase::ServeStep(Replica& me, const Object& step) {
  const VersionVector peer = ParseFrontier(step.at("peer").as_object());
  if (!peer.Covers(me.truncated)) {
    return JsonDifference("answer", step.at("expect"), "state");
  }
  json::array dots;
  for (const Entry& entry : me.log) {
    if (!peer.Covers(entry.dot) && me.durable.Covers(entry.dot)) {
      dots.emplace_back(entry.dot.ToText());
    }
  }
  return JsonDifference("answer", step.at("expect"), dots);
}

std::string VectorCase::LoadStep(const Object& step) {
  const Replica& saved = saved_.at(Text(step.at("name")));
  Replica& me =
      replicas_.at(static_cast<std::size_t>(step.at("at").as_int64()));
  me = {saved.engine->Copy(ParseOrigin(step.at("origin"))), saved.log,
        saved.truncated, saved.durable};
  return {};
}

std::string VectorCase::ExpectStep(Replica& me, const Object& step) {
  const CausalState& state = me.engine->state();
  std::string difference = JsonDifference("frontier", step.at("frontier"),
                                          FrontierJson(state.frontier()));
  if (!difference.empty()) return difference;
  difference = CompareView(me, step.at("view").as_object());
  if (!difference.empty()) return difference;
  difference = CompareDocs(me, step.at("docs").as_object());
  if (!difference.empty()) return difference;

  const auto conflicts = state.Conflicts();
  if (!conflicts.ok()) return conflicts.status().ToString();
  std::vector<std::string> names;
  for (const std::string& path : *conflicts) {
    names.push_back(path.starts_with("doc:") ? path : "/" + path);
  }
  std::sort(names.begin(), names.end());
  difference = JsonDifference("conflicts", step.at("conflicts"),
                              json::array(names.begin(), names.end()));
  if (!difference.empty()) return difference;
  if (state.conflict_count() != names.size()) return "conflict_count";

  if (const json::value* heads = step.if_contains("heads")) {
    const auto snapshot = state.TakeSnapshot();
    if (!snapshot.ok()) return snapshot.status().ToString();
    difference = JsonDifference("heads", *heads, HeadsJson(*snapshot));
    if (!difference.empty()) return difference;
  }
  return CompareDigest(me, Text(step.at("digest")));
}

std::string VectorCase::CompareView(Replica& me, const Object& expected) {
  const CausalState& state = me.engine->state();
  Object actual;
  std::uint64_t items = 0;
  std::vector<std::string> pending = {""};
  while (!pending.empty()) {
    const std::string directory = pending.back();
    pending.pop_back();
    std::string after;
    for (;;) {
      const auto page = state.List(directory, after, 1 + seed_ % 3);
      if (!page.ok()) return page.status().ToString();
      if (page->empty()) break;
      for (const auto& [name, row] : *page) {
        const std::string path =
            directory.empty() ? name : directory + "/" + name;
        after = name;
        actual["/" + path] = RowJson(row);
        if (row.IsDirectory()) pending.push_back(path);
        items += row.items.size();
        const auto looked_up = state.Lookup(path);
        if (!looked_up.ok()) return looked_up.status().ToString();
        if (!*looked_up || RowJson(**looked_up) != RowJson(row)) {
          return "Lookup and List differ at " + path;
        }
        for (const ItemId& item : row.items) {
          const auto shown = state.PathOf(item);
          if (!shown.ok()) return shown.status().ToString();
          if (*shown != path) return "PathOf an item at " + path;
        }
      }
    }
  }
  for (const auto& [path, row] : expected) {
    const json::value* found = actual.if_contains(path);
    std::string difference =
        JsonDifference("row " + std::string(path), row,
                       found == nullptr ? json::value(nullptr) : *found);
    if (!difference.empty()) return difference;
  }
  if (items != state.item_count()) {
    return "item_count " + std::to_string(state.item_count()) + " of " +
           std::to_string(items);
  }
  return JsonDifference("view", expected, actual);
}

std::string VectorCase::CompareDocs(Replica& me, const Object& expected) {
  Object actual;
  const auto snapshot = me.engine->state().TakeSnapshot();
  if (!snapshot.ok()) return snapshot.status().ToString();
  for (const auto& [reg, head] : snapshot->heads) {
    if (reg.field != RegisterId::Field::kDoc) continue;
    const auto docs = me.engine->state().ListDocs(reg.name_space, "");
    if (!docs.ok()) return docs.status().ToString();
    Object rows;
    for (const auto& [key, row] : *docs) rows[key] = RowJson(row);
    actual[reg.name_space] = std::move(rows);
  }
  return JsonDifference("docs", expected, actual);
}

std::string VectorCase::CompareDigest(Replica& me,
                                      const std::string& expected) {
  const std::string ours = me.engine->state().Digest().ToHex();
  const auto [there, added] = digests_.try_emplace(expected, ours);
  const auto [back, back_added] = digests_back_.try_emplace(ours, expected);
  if (there->second != ours) return "one state has two digests";
  if (back->second != expected) return "two states have one digest";
  return {};
}

namespace {

Hlc ParseHlc(const json::value& pair) {
  return Hlc::Of(static_cast<std::uint64_t>(pair.at(0).as_int64()),
                 static_cast<std::uint16_t>(pair.at(1).as_int64()));
}

json::value CallFunction(const std::string& name, const json::array& in) {
  if (name == "suffixed")
    return json::value(SuffixedName(Text(in[0]), Text(in[1])));
  if (name == "legal_name") return LegalName(Text(in[0]));
  if (name == "hlc_tick") {
    return HlcJson(HlcTick(ParseHlc(in[0]), in[1].as_int64()));
  }
  if (name == "hlc_observe") {
    return HlcJson(
        HlcObserve(ParseHlc(in[0]), ParseHlc(in[1]), in[2].as_int64()));
  }
  if (name == "beside_directory_name") {
    const auto item = ItemId::FromText(Text(in[1]));
    if (!item) return nullptr;
    return json::value(BesideDirectoryName(Text(in[0]), *item,
                                           static_cast<int>(in[2].as_int64())));
  }
  if (name != "copy") return nullptr;
  const auto item = ItemId::FromText(Text(in[2]));
  const auto dot = Dot::FromText(Text(in[3]));
  if (!item || !dot) return nullptr;
  const Hash hash = CopyHash(*item, *dot);
  return json::array{CopyItem(*item, hash).origin.ToHex(),
                     CopyName(Text(in[0]), ParseHlc(in[1]), hash)};
}

}  // namespace

std::string CheckFunction(const std::string& line) {
  const json::value vector = json::parse(line);
  const std::string name = Text(vector.at("function"));
  return JsonDifference(name + json::serialize(vector.at("arguments")),
                        vector.at("result"),
                        CallFunction(name, vector.at("arguments").as_array()));
}

}  // namespace syncline::testing
