#include "replication/state/short_way.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/bytes.h"
#include "replication/state/head_cache.h"

namespace syncline {
namespace {

using Field = RegisterId::Field;
using Type = PathChange::Type;

bool Names(const Dots& dots, const Dot& dot) {
  return std::find(dots.begin(), dots.end(), dot) != dots.end();
}

DigestLanes LanesOfDocument(std::string_view name_space, std::string_view key,
                            const PlainDocument& document) {
  const Dot source = document.head.order.dot();
  DigestedHead head;
  head.field = Field::kDoc;
  head.name_space = name_space;
  head.key = key;
  head.order = &document.head.order;
  head.generation = document.head.generation;
  head.value = document.payload;
  head.sources = {&source, 1};
  return LanesOf(head);
}

}  // namespace

ShortWay::ShortWay(StateCore& core, const Entry& entry, std::uint64_t arrival)
    : core_(core),
      rows_(core.rows),
      entry_(entry),
      arrival_(arrival),
      key_(core.scratch.key),
      value_(core.scratch.value),
      child_(core.scratch.child),
      attrs_(core.scratch.attrs) {
  child_.clear();
}

absl::StatusOr<bool> ShortWay::Plan() {
  digest_ = core_.digest;
  counts_ = core_.counts;
  const bool usual = PlanEffects();
  if (!rows_.status().ok()) return rows_.status();
  return usual;
}

bool ShortWay::PlanEffects() {
  // Made-up names can change with any other.
  if (core_.counts.made_up > 0) return false;
  const std::vector<Effect>& effects = entry_.effects;
  if (effects.size() == 1) {
    if (const auto* e = std::get_if<ContentEffect>(&effects[0])) {
      return PlanContent(*e);
    }
    const auto* e = std::get_if<DocEffect>(&effects[0]);
    return e != nullptr && PlanDocument(*e);
  }
  if (effects.size() != 3) return false;
  const auto* create = std::get_if<CreateEffect>(&effects[0]);
  const auto* place = std::get_if<PlaceEffect>(&effects[1]);
  const auto* content = std::get_if<ContentEffect>(&effects[2]);
  return create != nullptr && place != nullptr && content != nullptr &&
         PlanCreate(*create, *place, *content);
}

PlainHead ShortWay::NewHead(std::uint32_t index) const {
  return {{entry_.hlc, entry_.dot.origin, entry_.dot.counter, index},
          entry_.generation(),
          arrival_};
}

// The row under `key_`; null if it cannot be read.
HeadRow* ShortWay::Row() {
  const absl::StatusOr<HeadRow*> row = core_.rows.Heads(key_);
  if (row.ok()) return *row;
  rows_.Fail(row.status());
  return nullptr;
}

// Borrows from `at`.
std::optional<PlainLocation> ShortWay::StoredAs(const Location& at) {
  PlainLocation stored{at.parent, at.name, {}};
  if (const auto known = core_.chains.Known(at.chain)) {
    stored.chain = *known;
  } else {
    stored.chain = {ChainRows::HashOf(at.chain),
                    static_cast<std::uint32_t>(at.chain.size())};
    chain_ = &at.chain;
  }
  return stored;
}

DigestLanes ShortWay::LanesOfFile(const ItemId& item, const PlainHead& content,
                                  const PlainLocation& hint,
                                  std::string_view payload,
                                  std::string_view attrs) {
  const Dot source = content.order.dot();
  DigestedHead head;
  head.item = &item;
  head.order = &content.order;
  head.generation = content.generation;
  head.value = payload;
  head.parent = &hint.parent;
  head.name = hint.name;
  head.chain = &hint.chain.hash;
  head.attrs = attrs;
  head.sources = {&source, 1};
  return LanesOf(head);
}

bool ShortWay::SetPath(const DirectoryFacts& directory, std::string_view name) {
  if (!directory.shown || directory.shown->ids.size() != 1) return false;
  change_.path = JoinPath(directory.shown->path, name);
  return true;
}

bool ShortWay::PlanContent(const ContentEffect& content) {
  if (!content.sources.empty()) return false;
  core_.keys.SetItem(key_, content.item);
  HeadRow* row = Row();
  if (row == nullptr || !row->value()) return false;
  std::optional<PlainFile> file = ParsePlainFile(*row->value());
  if (!file) return false;
  const Dot old = file->content.order.dot();
  if (old == entry_.dot || !Names(content.supersedes, old)) return false;
  if (!IsAlone(*row, *file, content.item)) return false;
  const DirectoryFacts& directory = FactsOf(core_, rows_, file->at.parent);
  if (!SetPath(directory, file->at.name)) return false;

  digest_.Remove(row->lanes()
                     ? *row->lanes()
                     : LanesOfFile(content.item, file->content, file->hint,
                                   file->payload, file->attrs));
  file->content = NewHead(0);
  file->hint = *StoredAs(content.location);
  file->payload = content.payload;
  PackAttrs(content.attrs, attrs_);
  file->attrs = attrs_;
  lanes_ = LanesOfFile(content.item, file->content, file->hint, file->payload,
                       file->attrs);
  digest_.Add(lanes_);
  EncodePlainFile(*file, value_);
  change_.type = Type::kUpdate;
  change_.item = content.item;
  change_.payload = content.payload;
  return true;
}

// Whether the rows `n` of the file's name are only its own.
bool ShortWay::IsAlone(HeadRow& row, const PlainFile& file,
                       const ItemId& item) {
  if (row.alone()) return true;
  int count = 0;
  bool own = false;
  rows_.ForEachOf(core_.keys.Named(file.at.parent, file.at.name),
                  [&](std::string_view rest, std::string_view) {
                    ++count;
                    own = own || ParseItemKey(rest) == item;
                    return true;
                  });
  if (!rows_.status().ok() || count != 1 || !own) return false;
  core_.rows.heads().SetAlone(row, file.at.parent, file.at.name);
  return true;
}

bool ShortWay::PlanCreate(const CreateEffect& create, const PlaceEffect& place,
                          const ContentEffect& content) {
  const ItemId& item = create.item;
  const Location& at = place.location;
  if (item.IsDirectory() || place.item != item || content.item != item ||
      !place.supersedes.empty() || !content.supersedes.empty() ||
      !content.sources.empty() || content.location != at) {
    return false;
  }
  const DirectoryFacts& directory = FactsOf(core_, rows_, at.parent);
  if (!directory.settled || !SetPath(directory, at.name)) return false;
  bool free = core_.rows.heads().FindAlone(at.parent, at.name) == nullptr;
  child_ = core_.keys.Named(at.parent, at.name);
  rows_.ForEachOf(child_, [&free](std::string_view, std::string_view) {
    return free = false;
  });
  if (!free || !rows_.status().ok()) return false;
  item.AppendKey(child_);

  PlainFile file;
  file.place = NewHead(1);
  file.at = *StoredAs(at);
  file.content = NewHead(2);
  file.hint = file.at;
  file.payload = content.payload;
  PackAttrs(content.attrs, attrs_);
  file.attrs = attrs_;
  DigestedHead head;
  head.field = Field::kPlace;
  head.item = &item;
  head.order = &file.place.order;
  head.generation = file.place.generation;
  head.parent = &file.at.parent;
  head.name = file.at.name;
  head.chain = &file.at.chain.hash;
  digest_.Add(LanesOf(head));
  lanes_ = LanesOfFile(item, file.content, file.hint, file.payload, file.attrs);
  digest_.Add(lanes_);
  core_.keys.SetItem(key_, item);
  EncodePlainFile(file, value_);
  location_ = &at;
  ++counts_.items;
  change_.type = Type::kCreate;
  change_.item = item;
  change_.payload = content.payload;
  return true;
}

bool ShortWay::PlanDocument(const DocEffect& document) {
  // Some of the system's change what other rows show.
  if (!document.payload || !document.sources.empty() ||
      document.name_space == kSystemNamespace) {
    return false;
  }
  core_.keys.SetDoc(key_, document.name_space, document.key);
  const HeadRow* row = Row();
  if (row == nullptr) return false;
  if (row->value()) {
    const auto was = ParsePlainDocument(*row->value());
    if (!was) return false;
    const Dot old = was->head.order.dot();
    if (old == entry_.dot || !Names(document.supersedes, old)) return false;
    digest_.Remove(row->lanes() ? *row->lanes()
                                : LanesOfDocument(document.name_space,
                                                  document.key, *was));
  }
  const PlainDocument is{NewHead(0), *document.payload};
  lanes_ = LanesOfDocument(document.name_space, document.key, is);
  digest_.Add(lanes_);
  EncodePlainDocument(is, value_);
  change_.type = Type::kDoc;
  change_.path = document.name_space + "/" + document.key;
  change_.payload = *document.payload;
  return true;
}

bool ShortWay::Agrees(const StateChange& change, const PathDiff& diff) const {
  PathChange expected = change_;
  expected.version = entry_.dot;
  RowLayer::Map heads;
  heads.emplace(key_, value_);
  RowLayer::Map tree;
  if (!child_.empty()) tree.emplace(child_, std::string(kChildPlain));
  return diff == PathDiff{{expected}, {}, false} &&
         change.digest() == digest_ && change.counts() == counts_ &&
         change.rows().map(Column::kHeads) == heads &&
         change.rows().map(Column::kTree) == tree;
}

PathDiff ShortWay::Commit() {
  if (chain_ != nullptr) {
    RowWriter rows(core_.rows);
    core_.chains.Add(rows, *chain_);
    rows.Commit();
    core_.chains.Committed();
  }
  HeadRow& row = core_.rows.heads().Change(key_, value_, lanes_);
  if (!child_.empty()) {
    core_.rows.CommitFirst(std::move(child_), kChildPlain);
    core_.rows.heads().SetAlone(row, location_->parent, location_->name);
  }
  core_.digest = digest_;
  core_.counts = counts_;
  PathDiff diff;
  change_.version = entry_.dot;
  diff.changes.push_back(std::move(change_));
  return diff;
}

}  // namespace syncline
