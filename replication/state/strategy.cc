#include "replication/state/strategy.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "base/status.h"
#include "replication/state/names.h"
#include "replication/state/removals.h"

namespace syncline {
namespace {

using Field = RegisterId::Field;

constexpr std::array<std::pair<Strategy, std::string_view>, 7> kNames = {{
    {Strategy::kLocalWins, "local-wins"},
    {Strategy::kRemoteWins, "remote-wins"},
    {Strategy::kNewestWins, "newest-wins"},
    {Strategy::kKeepBoth, "keep-both"},
    {Strategy::kMerge, "merge"},
    {Strategy::kManual, "manual"},
    {Strategy::kSkip, "skip"},
}};
constexpr std::string_view kDocPrefix = "doc:";

// What makes two siblings one value (rule T8).
using Value = std::pair<ItemKind, std::string_view>;
Value ValueOf(const Sibling& sibling) {
  return {sibling.reg.item.kind, sibling.payload()};
}

// A proposal for one row in open conflict.
class Proposal {
 public:
  Proposal(const CausalState& state, const Row& row, Strategy strategy,
           const ContentMerger* merger)
      : state_(state), row_(row), strategy_(strategy), merger_(merger) {
    // Siblings ascend, so the oldest head of each value comes first.
    for (const Sibling& sibling : row.siblings) {
      oldest_.try_emplace(ValueOf(sibling), &sibling);
      sources_.insert(sibling.head.sources.begin(), sibling.head.sources.end());
    }
    ChooseWinner();
  }

  std::vector<Effect> ForDocument() const {
    const RegisterId& reg = winner_->reg;
    DocEffect effect{reg.name_space,
                     reg.key,
                     MergedDocument().value_or(winner_->payload()),
                     {},
                     {sources_.begin(), sources_.end()}};
    for (const Sibling& sibling : row_.siblings) {
      effect.supersedes.push_back(sibling.head.order.dot());
    }
    std::sort(effect.supersedes.begin(), effect.supersedes.end());
    std::vector<Effect> effects;
    effects.push_back(std::move(effect));
    return effects;
  }

  // With `seen`, a token of all siblings.
  absl::StatusOr<std::vector<Effect>> ForSlot(const Token& seen) const {
    const ItemId& item = winner_->reg.item;
    const std::optional<std::string> merged = Merged();
    const Location& at = LocationIn(seen, item);
    SYNCLINE_ASSIGN_OR_RETURN(Attrs attrs, AttributesOf(seen, *winner_));
    std::vector<Effect> effects;
    effects.push_back(ContentEffect{item,
                                    merged.value_or(winner_->payload()),
                                    at,
                                    std::move(attrs),
                                    seen.DotsOf(item, Field::kContent),
                                    {sources_.begin(), sources_.end()}});
    SYNCLINE_ASSIGN_OR_RETURN(auto others, Removals(state_, seen, item));
    AppendEffects(effects, std::move(others));
    const bool copies = strategy_ == Strategy::kKeepBoth ||
                        (strategy_ == Strategy::kMerge && !merged);
    for (const auto& [value, loser] : oldest_) {
      if (!copies || value == ValueOf(*winner_)) continue;
      SYNCLINE_RETURN_IF_ERROR(AppendCopy(seen, *loser, at, effects));
    }
    return effects;
  }

 private:
  void ChooseWinner() {
    winner_ = &row_.shown_sibling();
    if (strategy_ != Strategy::kLocalWins &&
        strategy_ != Strategy::kRemoteWins) {
      return;
    }
    const auto [first, last] =
        std::minmax_element(row_.siblings.begin(), row_.siblings.end(),
                            [](const Sibling& a, const Sibling& b) {
                              return std::tie(a.head.arrival, a.head.order) <
                                     std::tie(b.head.arrival, b.head.order);
                            });
    winner_ = strategy_ == Strategy::kLocalWins ? &*first : &*last;
  }

  // S6: one file with two values; nothing if they do not merge.
  std::optional<std::string> Merged() const {
    if (strategy_ != Strategy::kMerge || merger_ == nullptr ||
        row_.kind != ItemKind::kFile || row_.items.size() != 1 ||
        oldest_.size() != 2) {
      return std::nullopt;
    }
    return merger_->Merge(oldest_.begin()->first.second,
                          oldest_.rbegin()->first.second);
  }

  // The same for a document.
  std::optional<std::string> MergedDocument() const {
    if (strategy_ != Strategy::kMerge || merger_ == nullptr ||
        oldest_.size() != 2) {
      return std::nullopt;
    }
    return merger_->MergeDocument(oldest_.begin()->first.second,
                                  oldest_.rbegin()->first.second);
  }

  // T10 for the item of one sibling.
  absl::StatusOr<Attrs> AttributesOf(const Token& seen,
                                     const Sibling& sibling) const {
    std::map<std::string, std::string> attrs(sibling.head.attrs.begin(),
                                             sibling.head.attrs.end());
    for (const auto& [reg, dot] : seen.heads) {
      if (reg.field != Field::kAttr || reg.item != sibling.reg.item) continue;
      SYNCLINE_ASSIGN_OR_RETURN(const std::vector<Head> heads,
                                state_.Heads(reg));
      const auto newest = std::max_element(
          heads.begin(), heads.end(),
          [](const Head& a, const Head& b) { return a.order < b.order; });
      if (newest != heads.end()) {
        attrs[reg.key] = std::get<std::string>(newest->value);
      }
    }
    return Attrs(attrs.begin(), attrs.end());
  }

  // S5: a losing value as an item of its own, beside the winner.
  absl::Status AppendCopy(const Token& seen, const Sibling& loser,
                          const Location& winner_at,
                          std::vector<Effect>& effects) const {
    const ItemId& original = loser.reg.item;
    const Hash hash = CopyHash(original, loser.head.order.dot());
    const ItemId copy = CopyItem(original, hash);
    Location at = winner_at;
    at.name =
        CopyName(LocationIn(seen, original).name, loser.head.order.hlc, hash);
    SYNCLINE_ASSIGN_OR_RETURN(Attrs attrs, AttributesOf(seen, loser));
    effects.push_back(PlaceEffect{copy, at, {}});
    effects.push_back(ContentEffect{copy,
                                    loser.payload(),
                                    std::move(at),
                                    std::move(attrs),
                                    {},
                                    loser.head.sources});
    return absl::OkStatus();
  }

  const CausalState& state_;
  const Row& row_;
  Strategy strategy_;
  const ContentMerger* merger_;
  const Sibling* winner_ = nullptr;
  std::map<Value, const Sibling*> oldest_;
  std::set<Dot> sources_;
};

}  // namespace

std::string_view StrategyName(Strategy strategy) {
  for (const auto& [value, name] : kNames) {
    if (value == strategy) return name;
  }
  return "unknown";
}

std::optional<Strategy> StrategyFromName(std::string_view name) {
  for (const auto& [value, text] : kNames) {
    if (text == name) return value;
  }
  return std::nullopt;
}

// S1: the document ("sys", "authority") may reserve resolution for one origin,
// or one device.
absl::StatusOr<bool> MayResolve(const CausalState& state,
                                std::string_view device) {
  SYNCLINE_ASSIGN_OR_RETURN(const std::optional<Row> authority,
                            state.LookupDoc("sys", "authority"));
  if (!authority) return true;
  const std::string& named = authority->shown_sibling().payload();
  return named.empty() || named == state.self().ToHex() || named == device;
}

std::optional<std::pair<std::string_view, std::string_view>> DocOfPath(
    std::string_view path) {
  const std::size_t split = path.find('/');
  if (!path.starts_with(kDocPrefix) || split == std::string_view::npos) {
    return std::nullopt;
  }
  return std::pair(path.substr(kDocPrefix.size(), split - kDocPrefix.size()),
                   path.substr(split + 1));
}

absl::StatusOr<std::optional<Row>> ConflictRow(const CausalState& state,
                                               std::string_view path) {
  SYNCLINE_ASSIGN_OR_RETURN(std::optional<Row> row, state.Lookup(path));
  if (row && row->conflict()) return row;
  const auto name = DocOfPath(path);
  if (!name) return std::optional<Row>();
  SYNCLINE_ASSIGN_OR_RETURN(row, state.LookupDoc(name->first, name->second));
  if (!row || !row->conflict()) return std::optional<Row>();
  return row;
}

absl::StatusOr<std::vector<Effect>> ResolveEffects(const CausalState& state,
                                                   std::string_view path,
                                                   Strategy strategy,
                                                   const ContentMerger* merger,
                                                   std::string_view device) {
  std::vector<Effect> none;
  if (strategy == Strategy::kManual || strategy == Strategy::kSkip) return none;
  SYNCLINE_ASSIGN_OR_RETURN(const bool may, MayResolve(state, device));
  if (!may) return none;
  SYNCLINE_ASSIGN_OR_RETURN(const std::optional<Row> row,
                            ConflictRow(state, path));
  if (!row) return none;
  const Proposal proposal(state, *row, strategy, merger);
  if (!row->kind) return proposal.ForDocument();
  SYNCLINE_ASSIGN_OR_RETURN(const std::optional<Token> seen,
                            state.Read(path, true));
  if (!seen) return none;
  return proposal.ForSlot(*seen);
}

}  // namespace syncline
