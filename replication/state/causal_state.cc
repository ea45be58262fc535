#include "replication/state/causal_state.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/status.h"
#include "replication/state/limits.h"
#include "replication/state/state_core.h"

namespace syncline {
namespace {

using Field = RegisterId::Field;

class CausalStateImpl final : public CausalState {
 public:
  CausalStateImpl(Store& store, ProjectNumber project, const Origin& self,
                  VersionVector frontier, const Options& options)
      : core_(store, project, options.head_bytes_max),
        project_(project),
        self_(self),
        frontier_(std::move(frontier)),
        options_(options) {
    core_.check_short_way = options.check_short_way;
  }

  absl::Status Load();

  absl::StatusOr<Applied> Apply(const Entry& entry, std::uint64_t arrival,
                                std::int64_t now_ms) override;
  absl::StatusOr<Applied> ApplyValid(const Entry& entry, std::uint64_t arrival,
                                     std::int64_t now_ms) override;
  absl::Status Replay(const Entry& entry, std::uint64_t arrival,
                      std::int64_t now_ms) override;
  absl::StatusOr<Applied> Join(const Snapshot& theirs, std::uint64_t arrival,
                               std::int64_t now_ms) override;
  absl::StatusOr<Snapshot> TakeSnapshot() const override;
  absl::StatusOr<Applied> JoinPart(const StatePart& part,
                                   const VersionVector& theirs,
                                   std::uint64_t arrival,
                                   std::int64_t now_ms) override;
  void FinishJoin(const VersionVector& theirs) override {
    frontier_.Join(theirs);
  }
  Entry MakeEntry(std::vector<Effect> effects, std::string cause,
                  std::int64_t now_ms) const override;

  Stamp StampEvents(std::int64_t now_ms) override;

  const Origin& self() const override { return self_; }
  void TakeSelf(const Origin& self) override { self_ = self; }
  const VersionVector& frontier() const override { return frontier_; }
  Hlc hlc() const override { return hlc_; }
  Hash Digest() const override { return core_.digest.ToHash(); }
  std::uint64_t item_count() const override { return core_.counts.items; }
  std::uint64_t conflict_count() const override {
    return core_.counts.conflicts;
  }

  absl::StatusOr<std::optional<Row>> Lookup(
      std::string_view path) const override;
  absl::StatusOr<std::vector<std::pair<std::string, Row>>> List(
      std::string_view path, std::string_view after,
      std::size_t limit) const override;
  absl::StatusOr<std::optional<std::string>> PathOf(
      const ItemId& item) const override;
  absl::StatusOr<std::optional<Row>> LookupDoc(
      std::string_view name_space, std::string_view key) const override;
  absl::StatusOr<std::vector<std::pair<std::string, Row>>> ListDocs(
      std::string_view name_space, std::string_view key_prefix) const override;
  absl::StatusOr<std::vector<DocRow>> ListDocsFrom(
      std::string_view name_space, std::string_view key, bool behind,
      std::size_t limit) const override;
  absl::StatusOr<std::vector<std::string>> Conflicts() const override;
  absl::StatusOr<std::optional<Token>> Read(std::string_view path,
                                            bool all_siblings) const override;
  absl::StatusOr<Location> Locate(std::string_view path) const override;
  absl::StatusOr<std::optional<Location>> LocationOf(
      const ItemId& item) const override;
  absl::StatusOr<std::optional<ItemId>> ShownAtRootFor(
      const ItemId& item) const override;
  absl::StatusOr<std::vector<Head>> Heads(const RegisterId& reg) const override;

  WriteBatch TakeFlush(std::uint64_t covered) override;
  void FlushWritten() override { core_.rows.FlushWritten(); }
  std::size_t dirty_bytes() const override { return core_.rows.bytes(); }
  std::uint64_t flushed() const override { return flushed_; }

 private:
  // kApplied: it is its turn.
  ApplyOutcome Arrival(const Entry& entry) const;
  absl::Status CheckAnew();
  template <typename Joining>
  absl::StatusOr<Applied> Joined(std::int64_t now_ms, Joining join);
  Hlc ClockAfter(const Origin& origin, Hlc hlc, std::int64_t now_ms) const;

  // Reads fill its caches; what they show does not change.
  mutable StateCore core_;
  ProjectNumber project_;
  Origin self_;
  VersionVector frontier_;
  Options options_;
  Hlc hlc_;
  std::uint64_t flushed_ = 0;
};

absl::Status CausalStateImpl::Load() {
  ReadScope scope(core_);
  if (const auto bytes = scope.rows.Get(Column::kTree, core_.keys.Mark())) {
    SYNCLINE_ASSIGN_OR_RETURN(const FlushMark mark, DecodeFlushMark(*bytes));
    flushed_ = mark.covered;
    hlc_ = mark.hlc;
    core_.digest = mark.digest;
    core_.counts = mark.counts;
  }
  LoadRanks(core_, scope.rows);
  return scope.status();
}

absl::Status CausalStateImpl::CheckAnew() {
  if (!options_.check_rebuild) return absl::OkStatus();
  return CheckRebuild(core_, project_);
}

ApplyOutcome CausalStateImpl::Arrival(const Entry& entry) const {
  const std::uint64_t known = frontier_.CounterOf(entry.dot.origin);
  if (entry.dot.counter <= known) return ApplyOutcome::kDuplicate;
  if (entry.dot.counter > known + 1) return ApplyOutcome::kGap;
  if (!frontier_.Covers(entry.context)) return ApplyOutcome::kCausality;
  return ApplyOutcome::kApplied;
}

absl::StatusOr<CausalState::Applied> CausalStateImpl::Apply(
    const Entry& entry, std::uint64_t arrival, std::int64_t now_ms) {
  if (Arrival(entry) == ApplyOutcome::kApplied) {
    if (std::optional<std::string> fault = Violation(entry)) {
      frontier_.Raise(entry.dot.origin, entry.dot.counter);
      return Applied{ApplyOutcome::kVoid, *std::move(fault), {}, {}};
    }
  }
  return ApplyValid(entry, arrival, now_ms);
}

absl::StatusOr<CausalState::Applied> CausalStateImpl::ApplyValid(
    const Entry& entry, std::uint64_t arrival, std::int64_t now_ms) {
  Applied applied;
  applied.outcome = Arrival(entry);
  if (applied.outcome != ApplyOutcome::kApplied) return applied;
  SYNCLINE_ASSIGN_OR_RETURN(PathDiff diff, ApplyEffects(core_, entry, arrival));
  applied.changes = std::move(diff.changes);
  applied.open_conflicts = std::move(diff.open_conflicts);
  hlc_ = ClockAfter(entry.dot.origin, entry.hlc, now_ms);
  frontier_.Raise(entry.dot.origin, entry.dot.counter);
  SYNCLINE_RETURN_IF_ERROR(CheckAnew());
  return applied;
}

// MakeEntry stamps our own entries after the repaired wall clock where the
// memory is too far ahead of it; that memory is dropped here too.
Hlc CausalStateImpl::ClockAfter(const Origin& origin, Hlc hlc,
                                std::int64_t now_ms) const {
  const Hlc last = origin == self_ ? HlcObserve(Hlc{}, hlc_, now_ms) : hlc_;
  return HlcObserve(last, hlc, now_ms);
}

absl::Status CausalStateImpl::Replay(const Entry& entry, std::uint64_t arrival,
                                     std::int64_t now_ms) {
  if (!frontier_.Covers(entry.dot)) {
    return InvalidArgument("replay: entry " + entry.dot.ToText() +
                           " is not covered by the frontier");
  }
  if (Violation(entry)) return absl::OkStatus();
  const absl::StatusOr<PathDiff> diff = ApplyEffects(core_, entry, arrival);
  if (!diff.ok()) return diff.status();
  hlc_ = ClockAfter(entry.dot.origin, entry.hlc, now_ms);
  return CheckAnew();
}

template <typename Joining>
absl::StatusOr<CausalState::Applied> CausalStateImpl::Joined(
    std::int64_t now_ms, Joining join) {
  Hlc hlc = hlc_;
  SYNCLINE_ASSIGN_OR_RETURN(PathDiff diff,
                            join([&hlc, now_ms](const HeadOrder& order) {
                              hlc = HlcObserve(hlc, order.hlc, now_ms);
                            }));
  hlc_ = hlc;
  SYNCLINE_RETURN_IF_ERROR(CheckAnew());
  Applied applied;
  applied.changes = std::move(diff.changes);
  applied.open_conflicts = std::move(diff.open_conflicts);
  return applied;
}

absl::StatusOr<CausalState::Applied> CausalStateImpl::Join(
    const Snapshot& theirs, std::uint64_t arrival, std::int64_t now_ms) {
  auto joined = Joined(now_ms, [&](const auto& taken) {
    return JoinHeads(core_, frontier_, theirs, arrival, taken);
  });
  if (joined.ok()) frontier_.Join(theirs.frontier);
  return joined;
}

absl::StatusOr<CausalState::Applied> CausalStateImpl::JoinPart(
    const StatePart& part, const VersionVector& theirs, std::uint64_t arrival,
    std::int64_t now_ms) {
  return Joined(now_ms, [&](const auto& taken) {
    return JoinStaged(core_, frontier_, part, theirs, arrival, taken);
  });
}

absl::StatusOr<CausalState::Snapshot> CausalStateImpl::TakeSnapshot() const {
  ReadScope scope(core_);
  Snapshot snapshot{frontier_, LoadAllHeads(core_, scope.rows)};
  if (!scope.status().ok()) return scope.status();
  return snapshot;
}

Entry CausalStateImpl::MakeEntry(std::vector<Effect> effects, std::string cause,
                                 std::int64_t now_ms) const {
  Entry entry;
  entry.dot = {self_, frontier_.CounterOf(self_) + 1};
  entry.context = frontier_;
  entry.hlc = HlcTick(hlc_, now_ms);
  entry.cause = std::move(cause);
  entry.effects = std::move(effects);
  return entry;
}

CausalState::Stamp CausalStateImpl::StampEvents(std::int64_t now_ms) {
  const Stamp stamp{{self_, frontier_.CounterOf(self_) + 1},
                    HlcTick(hlc_, now_ms)};
  hlc_ = ClockAfter(self_, stamp.hlc, now_ms);
  frontier_.Raise(self_, stamp.dot.counter);
  return stamp;
}

absl::StatusOr<std::optional<Row>> CausalStateImpl::Lookup(
    std::string_view path) const {
  ReadScope scope(core_);
  std::optional<Row> row = scope.view.Lookup(path);
  if (!scope.status().ok()) return scope.status();
  return row;
}

absl::StatusOr<std::vector<std::pair<std::string, Row>>> CausalStateImpl::List(
    std::string_view path, std::string_view after, std::size_t limit) const {
  ReadScope scope(core_);
  const ClassPtr directory = scope.tree.ClassAt(path);
  std::vector<std::pair<std::string, Row>> rows;
  if (!directory) {
    const bool exists = scope.view.Lookup(path).has_value();
    if (!scope.status().ok()) return scope.status();
    const std::string what(path);
    if (exists) return FailedPrecondition(what + " is not a directory");
    return NotFound("no directory " + what);
  }
  if (limit > 0) {
    scope.view.List(directory->ids, after, [&](std::string name, Row row) {
      rows.emplace_back(std::move(name), std::move(row));
      return rows.size() < limit;
    });
  }
  if (!scope.status().ok()) return scope.status();
  return rows;
}

absl::StatusOr<std::optional<std::string>> CausalStateImpl::PathOf(
    const ItemId& item) const {
  ReadScope scope(core_);
  std::optional<std::string> path = scope.view.PathOf(item);
  if (!scope.status().ok()) return scope.status();
  return path;
}

absl::StatusOr<std::optional<Row>> CausalStateImpl::LookupDoc(
    std::string_view name_space, std::string_view key) const {
  ReadScope scope(core_);
  std::optional<Row> row = scope.view.DocRowAt(name_space, key);
  if (!scope.status().ok()) return scope.status();
  return row;
}

absl::StatusOr<std::vector<std::pair<std::string, Row>>>
CausalStateImpl::ListDocs(std::string_view name_space,
                          std::string_view key_prefix) const {
  ReadScope scope(core_);
  std::vector<std::pair<std::string, Row>> rows;
  const std::string prefix = core_.keys.DocsOf(name_space, key_prefix);
  const std::size_t skip = core_.keys.AllDocs().size();
  scope.rows.ForEach(
      Column::kHeads, prefix,
      [&](std::string_view rest, std::string_view value) {
        const std::string key = prefix + std::string(rest);
        const auto doc = ParseDocKey(std::string_view(key).substr(skip));
        const auto heads = DecodeDocHeads(value);
        if (!doc || !heads) {
          scope.rows.FailRow("heads of a document");
          return false;
        }
        auto row = scope.view.DocRow(doc->name_space, doc->key, *heads);
        if (row) rows.emplace_back(doc->key, *std::move(row));
        return true;
      });
  if (!scope.status().ok()) return scope.status();
  return rows;
}

absl::StatusOr<std::vector<CausalState::DocRow>> CausalStateImpl::ListDocsFrom(
    std::string_view name_space, std::string_view key, bool behind,
    std::size_t limit) const {
  ReadScope scope(core_);
  std::vector<DocRow> rows;
  const std::string all = core_.keys.AllDocs();
  std::string lower = core_.keys.Doc(name_space, key);
  if (behind) lower.push_back('\0');
  RowCursor cursor = scope.rows.Cursor(Column::kHeads, lower, PrefixEnd(all));
  for (; cursor.Valid() && rows.size() < limit; cursor.Next()) {
    const auto doc =
        ParseDocKey(std::string_view(cursor.key()).substr(all.size()));
    const auto heads = DecodeDocHeads(cursor.value());
    if (!doc || !heads) {
      scope.rows.FailRow("heads of a document");
      break;
    }
    auto row = scope.view.DocRow(doc->name_space, doc->key, *heads);
    if (row) rows.push_back({doc->name_space, doc->key, *std::move(row)});
  }
  scope.rows.Fail(cursor.status());
  if (!scope.status().ok()) return scope.status();
  return rows;
}

absl::StatusOr<std::vector<std::string>> CausalStateImpl::Conflicts() const {
  ReadScope scope(core_);
  std::vector<std::string> paths;
  if (core_.counts.conflicts == 0) return paths;
  std::vector<ItemId> items;
  scope.rows.ForEach(Column::kTree, core_.keys.AllSeveral(),
                     [&](std::string_view rest, std::string_view value) {
                       const auto item = ParseItemKey(rest);
                       if (item && value == kOpenConflict)
                         items.push_back(*item);
                       return true;
                     });
  for (const ItemId& item : items) {
    if (auto path = scope.view.PathOf(item)) paths.push_back(*std::move(path));
  }
  scope.rows.ForEach(
      Column::kTree, core_.keys.AllSeveralDocs(),
      [&](std::string_view rest, std::string_view value) {
        const auto doc = ParseDocKey(rest);
        if (doc && value == kOpenConflict) {
          paths.push_back("doc:" + doc->name_space + "/" + doc->key);
        }
        return true;
      });
  if (!scope.status().ok()) return scope.status();
  std::sort(paths.begin(), paths.end());
  return paths;
}

absl::StatusOr<std::optional<Token>> CausalStateImpl::Read(
    std::string_view path, bool all_siblings) const {
  ReadScope scope(core_);
  if (const auto plain = scope.view.PlainAt(path)) {
    const PlainLocation& at = plain->file.at;
    Token token = TokenOf(*plain, {at.parent, std::string(at.name), {}});
    token.locations[0].chain = WayTo(core_, scope.rows, at.parent);
    if (!scope.status().ok()) return scope.status();
    return std::optional<Token>(std::move(token));
  }
  const std::optional<Row> row = scope.view.Lookup(path);
  if (!scope.status().ok()) return scope.status();
  if (!row) return std::optional<Token>();
  Token token;
  token.item = row->item();
  token.items = row->items;
  token.attrs = row->attrs;
  for (const Sibling& sibling : row->siblings) {
    const Sibling& shown = row->shown_sibling();
    const bool same = sibling.reg.item.kind == shown.reg.item.kind &&
                      sibling.payload() == shown.payload();
    if (all_siblings || same || !row->conflict()) {
      token.heads.emplace_back(sibling.reg, sibling.head.order.dot());
    }
  }
  for (const ItemId& item : row->items) {
    SYNCLINE_ASSIGN_OR_RETURN(std::optional<Location> at, LocationOf(item));
    token.locations.push_back(at ? *std::move(at) : Location{});
    const ItemHeads heads = LoadItem(scope.rows, core_.keys, item);
    for (const StoredHead& head : heads.places) {
      token.heads.emplace_back(RegisterId{Field::kPlace, item, {}, {}},
                               head.order.dot());
    }
    for (const auto& [key, values] : heads.attrs) {
      for (const StoredHead& head : values) {
        token.heads.emplace_back(RegisterId{Field::kAttr, item, {}, key},
                                 head.order.dot());
      }
    }
  }
  if (!scope.status().ok()) return scope.status();
  std::sort(token.heads.begin(), token.heads.end());
  return std::optional<Token>(std::move(token));
}

absl::StatusOr<Location> CausalStateImpl::Locate(std::string_view path) const {
  ReadScope scope(core_);
  const std::size_t split = path.rfind('/');
  const bool top = split == std::string_view::npos;
  Location at;
  at.name = top ? path : path.substr(split + 1);
  if (!LegalName(at.name)) {
    return InvalidArgument("not a legal name: \"" + at.name + "\"");
  }
  const ClassPtr parent = split == 0
                              ? nullptr
                              : scope.tree.ClassAt(top ? std::string_view()
                                                       : path.substr(0, split));
  if (!scope.status().ok()) return scope.status();
  if (!parent) {
    return NotFound("no directory " + std::string(path.substr(0, split)));
  }
  at.parent = parent->ids.front();
  at.chain = WayTo(core_, scope.rows, at.parent);
  if (!scope.status().ok()) return scope.status();
  if (at.chain.size() > kChainMax) {
    return InvalidArgument("too deep: " + std::string(path));
  }
  return at;
}

absl::StatusOr<std::optional<Location>> CausalStateImpl::LocationOf(
    const ItemId& item) const {
  ReadScope scope(core_);
  std::optional<Location> at;
  if (item.IsDirectory()) {
    if (const auto up = LoadUpRow(scope.rows, core_.keys, item)) {
      at = Location{up->parent(), up->placed.name, {}};
    }
  } else if (const auto placed =
                 OwnPlacement(item, LoadItem(scope.rows, core_.keys, item))) {
    at = Location{placed->parent, placed->name, {}};
  }
  if (at) at->chain = WayTo(core_, scope.rows, at->parent);
  if (!scope.status().ok()) return scope.status();
  return at;
}

absl::StatusOr<std::optional<ItemId>> CausalStateImpl::ShownAtRootFor(
    const ItemId& item) const {
  std::optional<ItemId> away;
  if (!item.IsDirectory()) return away;
  ReadScope scope(core_);
  std::set<ItemId> seen;
  ItemId at = item;
  while (at != kRoot && seen.insert(at).second) {
    const auto up = LoadUpRow(scope.rows, core_.keys, at);
    if (!up) break;
    if (up->away) away = at;
    at = up->placed.parent;
  }
  if (!scope.status().ok()) return scope.status();
  if (at != item || seen.empty()) return std::optional<ItemId>();
  return away;
}

absl::StatusOr<std::vector<Head>> CausalStateImpl::Heads(
    const RegisterId& reg) const {
  ReadScope scope(core_);
  std::vector<Head> heads;
  const auto add = [&](const StoredHeads& stored) {
    for (const StoredHead& head : stored) {
      heads.push_back(LoadHead(scope.rows, core_.chains, reg.field, head));
    }
  };
  if (reg.field == Field::kDoc) {
    add(LoadDoc(scope.rows, core_.keys, reg.name_space, reg.key));
  } else {
    const ItemHeads item = LoadItem(scope.rows, core_.keys, reg.item);
    if (reg.field == Field::kPlace) add(item.places);
    if (reg.field == Field::kContent) add(item.contents);
    if (reg.field == Field::kAttr) {
      if (auto at = item.attrs.find(reg.key); at != item.attrs.end()) {
        add(at->second);
      }
    }
  }
  if (!scope.status().ok()) return scope.status();
  return heads;
}

WriteBatch CausalStateImpl::TakeFlush(std::uint64_t covered) {
  WriteBatch batch = core_.rows.TakeFlush();
  batch.Put(Column::kTree, core_.keys.Mark(),
            EncodeFlushMark({covered, hlc_, core_.digest, core_.counts}));
  return batch;
}

}  // namespace

absl::StatusOr<std::unique_ptr<CausalState>> CausalState::Open(
    Store& store, ProjectNumber project, const Origin& self,
    VersionVector frontier, const Options& options) {
  auto state = std::make_unique<CausalStateImpl>(store, project, self,
                                                 std::move(frontier), options);
  SYNCLINE_RETURN_IF_ERROR(state->Load());
  return std::unique_ptr<CausalState>(std::move(state));
}

}  // namespace syncline
