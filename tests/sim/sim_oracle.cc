#include "tests/sim/sim_oracle.h"

#include <algorithm>
#include <map>
#include <set>

#include "kv/file_content.h"
#include "proto/entry_codec.h"
#include "tests/state/live_heads.h"
#include "tests/state/naive_view.h"

namespace syncline::testing {
namespace {

using Nodes = std::vector<SimNode*>;

struct Logged {
  std::map<Dot, Hash> hashes;
  std::vector<Hash> in_order;
};

// Reads all that is left of a log; says what is wrong with it in `fault`.
Logged ReadLog(SimNode& node, std::string& fault) {
  Logged logged;
  AppendLog& log = node.replica().log();
  auto reader = log.Read({.since = log.horizon()});
  Seq seq = log.horizon();
  for (; reader->Valid(); reader->Next()) {
    const RecordView& record = reader->record();
    seq = seq.next();
    if (record.seq != seq) fault = "log: a hole";
    logged.in_order.push_back(SimNode::HashOf(record));
    if (record.joined()) continue;
    const auto decoded = DecodeEntry(record.entry);
    if (!decoded.ok() || decoded->entry.dot != record.dot) {
      fault = "log: an entry that is not what its record says";
      return logged;
    }
    if (!logged.hashes.emplace(record.dot, Sha256(record.entry)).second) {
      fault = "log: an entry twice";
    }
  }
  if (!reader->status().ok()) fault = "log: " + reader->status().ToString();
  if (seq != log.head()) fault = "log: it ends early";
  return logged;
}

// All entries that the nodes know, be it by a state; those that others build on
// first.
struct Ledger {
  std::map<Dot, Hash> hashes;
  std::vector<Entry> entries;
};

class LedgerFill {
 public:
  explicit LedgerFill(Ledger& ledger) : ledger_(ledger) {}

  std::string Add(const Dot& dot, const std::string& bytes) {
    ledger_.hashes.emplace(dot, Sha256(bytes));
    const auto decoded = DecodeEntry(bytes);
    if (!decoded.ok()) return "log: an entry that cannot be read";
    left_.emplace(dot, decoded->entry);
    return {};
  }
  // Empty, or why the entries do not reach `frontier`.
  std::string Order(const VersionVector& frontier);

 private:
  Ledger& ledger_;
  std::map<Dot, Entry> left_;
};

std::string LedgerFill::Order(const VersionVector& frontier) {
  VersionVector reached;
  for (bool moved = true; moved;) {
    moved = false;
    for (auto at = left_.begin(); at != left_.end();) {
      const Dot dot = at->first;
      const bool next = dot.counter == reached.CounterOf(dot.origin) + 1;
      if (!next || !reached.Covers(at->second.context)) {
        ++at;
        continue;
      }
      reached.Raise(dot.origin, dot.counter);
      ledger_.entries.push_back(std::move(at->second));
      at = left_.erase(at);
      moved = true;
    }
  }
  if (!left_.empty() || reached != frontier) {
    return "log: the entries do not make the frontier";
  }
  return {};
}

std::string CheckForged(const Nodes& nodes, const Ledger& ledger) {
  for (SimNode* const node : nodes) {
    for (const Hash& forged : node->damage().forged()) {
      if (std::any_of(ledger.hashes.begin(), ledger.hashes.end(),
                      [&](const auto& at) { return at.second == forged; })) {
        return "log: an entry that nobody made";
      }
    }
  }
  return {};
}

std::string FillLedger(const Nodes& nodes, const Nodes& left, Ledger& ledger) {
  LedgerFill fill(ledger);
  for (const auto& [dot, bytes] : nodes[0]->Holds()) {
    const std::string fault = fill.Add(dot, bytes);
    if (!fault.empty()) return fault;
  }
  for (const Nodes& some : {nodes, left}) {
    const std::string fault = CheckForged(some, ledger);
    if (!fault.empty()) return fault;
  }
  return fill.Order(nodes[0]->replica().log().frontier());
}

std::string CheckRegisters(SimNode& node, const std::vector<Entry>& entries) {
  LiveHeads heads;
  for (const Entry& entry : entries) {
    if (!CausalState::Violation(entry)) heads.Add(entry);
  }
  const CausalState& state = node.replica().state();
  const std::string fault = CompareHeads(state, heads.Under(state.frontier()));
  if (fault.empty()) return {};
  return "registers: node " + std::to_string(node.number()) + " " + fault;
}

std::string CheckContent(SimNode& node) {
  for (const auto& [path, row] : ListAll(node.replica().state())) {
    if (row.kind != ItemKind::kFile) continue;
    const auto content = FileContent::Decode(row.shown_sibling().payload());
    if (!content.ok()) return "content: " + path;
    const absl::Status read =
        ReadContent(node.chunks(), *content,
                    [](std::string_view) { return absl::OkStatus(); });
    if (!read.ok()) return "content: " + path + ": " + read.ToString();
  }
  return {};
}

// What keep-both replaces stands in the same entry again: as it is shown now,
// or as a copy.
class KeptValues {
 public:
  bool Keeps(const Entry& entry) {
    bool keeps = true;
    std::set<std::string> kept;
    for (const Effect& effect : entry.effects) {
      if (const auto* content = std::get_if<ContentEffect>(&effect)) {
        kept.insert(content->payload);
      }
    }
    for (const Effect& effect : entry.effects) {
      if (const auto* content = std::get_if<ContentEffect>(&effect)) {
        keeps &= AllIn(kept, content->item, content->supersedes);
        values_[{content->item, entry.dot}] = content->payload;
      } else if (const auto* removal = std::get_if<RemoveEffect>(&effect)) {
        keeps &= AllIn(kept, removal->item, removal->content);
      }
    }
    return keeps || entry.cause != "auto:keep-both";
  }

 private:
  bool AllIn(const std::set<std::string>& kept, const ItemId& item,
             const Dots& dots) {
    return std::all_of(dots.begin(), dots.end(), [&](const Dot& dot) {
      return kept.contains(values_[{item, dot}]);
    });
  }
  std::map<std::pair<ItemId, Dot>, std::string> values_;
};

// Every automatic entry takes a human head out of its author's sight.
std::string CheckQuiet(const std::vector<Entry>& entries, std::size_t nodes) {
  std::size_t human = 0;
  std::size_t automatic = 0;
  for (const Entry& entry : entries) {
    if (entry.generation() > 0) {
      ++automatic;
      continue;
    }
    for (const Effect& effect : entry.effects) {
      human += std::holds_alternative<ContentEffect>(effect) ||
               std::holds_alternative<DocEffect>(effect);
    }
  }
  if (automatic <= human * nodes) return {};
  return "quiet: " + std::to_string(automatic) + " automatic entries";
}

std::string CheckDevice(SimNode& node, SimNode& author) {
  const std::string key = node.replica().DeviceOf(author.self().origin);
  const bool wrote =
      author.replica().log().frontier().CounterOf(author.self().origin) > 0;
  if (!wrote || key == author.self().identity.public_key()) return {};
  return "device: of node " + std::to_string(author.number());
}

std::string CheckNode(SimNode& node, SimNode& first, const Ledger& ledger) {
  const CausalState& state = node.replica().state();
  if (state.Digest() != first.replica().state().Digest()) {
    return "view: digests differ";
  }
  if (auto fault = CheckRegisters(node, ledger.entries); !fault.empty()) {
    return fault;
  }
  if (auto fault = node.feed().Compare(state); !fault.empty()) {
    return "feed: node " + std::to_string(node.number()) + " " + fault;
  }
  if (auto fault = CompareWithNaive(state); !fault.empty()) {
    return "view: " + fault;
  }
  return CheckContent(node);
}

}  // namespace

bool AllEqual(const Nodes& nodes) {
  // One that gives up a side of a fork starts again.
  if (!std::all_of(nodes.begin(), nodes.end(),
                   [](const SimNode* node) { return node->running(); })) {
    return false;
  }
  const VersionVector& frontier = nodes[0]->replica().log().frontier();
  for (SimNode* const node : nodes) {
    AppendLog& log = node->replica().log();
    if (log.frontier() != frontier || log.durable() != log.head() ||
        node->replica().wants().size() > 0 || node->replica().installing()) {
      return false;
    }
  }
  return true;
}

namespace {

std::string CheckHistories(SimNode& node, SimNode& first) {
  const AppendLog& log = first.replica().log();
  for (const VersionVector::Slot& slot : log.frontier().slots()) {
    const Dot dot{slot.origin, slot.counter};
    const auto ours = node.replica().log().ChainAt(dot);
    const auto theirs = log.ChainAt(dot);
    if (!ours.ok() || !theirs.ok() || *ours != *theirs) {
      return "log: another history up to " + dot.ToText();
    }
  }
  return {};
}

// What is left of the node's log, and what was read of it before.
std::string CheckLog(SimNode& node, const Ledger& ledger) {
  std::string fault;
  const Logged logged = ReadLog(node, fault);
  if (!fault.empty()) return fault;
  for (const auto& [dot, hash] : logged.hashes) {
    const auto at = ledger.hashes.find(dot);
    if (at == ledger.hashes.end() || at->second != hash) {
      return "log: other entries";
    }
  }
  for (const auto& [dot, bytes] : node.entries()) {
    const auto at = ledger.hashes.find(dot);
    if (at == ledger.hashes.end() || at->second != Sha256(bytes)) {
      return "follower: it was given other entries";
    }
  }
  for (const auto& [dot, hash] : node.acknowledged()) {
    const auto at = ledger.hashes.find(dot);
    if (at == ledger.hashes.end() || at->second != hash) {
      return "lost: " + dot.ToText();
    }
  }
  const std::vector<Hash>& followed = node.followed();
  const std::uint64_t since = node.since().value;
  const std::uint64_t horizon = node.replica().log().horizon().value;
  const std::uint64_t both = std::max(since, horizon);
  const auto from = [both](const std::vector<Hash>& hashes, std::uint64_t at) {
    return hashes.begin() + static_cast<std::ptrdiff_t>(both - at);
  };
  if (since + followed.size() != horizon + logged.in_order.size() ||
      !std::equal(from(logged.in_order, horizon), logged.in_order.end(),
                  from(followed, since))) {
    return "follower: it was given " + std::to_string(followed.size()) +
           " other records";
  }
  return {};
}

}  // namespace

std::string FindFault(const Nodes& nodes, const Nodes& left) {
  Ledger ledger;
  std::string fault = FillLedger(nodes, left, ledger);
  if (!fault.empty()) return fault;
  for (SimNode* const node : nodes) {
    fault = CheckHistories(*node, *nodes[0]);
    if (!fault.empty()) return fault;
    fault = CheckLog(*node, ledger);
    if (!fault.empty()) return fault;
    for (SimNode* const author : nodes) {
      fault = CheckDevice(*node, *author);
      if (!fault.empty()) return fault;
    }
    fault = CheckNode(*node, *nodes[0], ledger);
    if (!fault.empty()) return fault;
  }
  const bool resolves =
      std::none_of(nodes.begin(), nodes.end(), [](const SimNode* node) {
        return node->strategy() == Strategy::kManual ||
               node->strategy() == Strategy::kSkip;
      });
  if (resolves && nodes[0]->replica().state().conflict_count() > 0) {
    return "quiet: a conflict that nobody resolved";
  }
  KeptValues values;
  for (const Entry& entry : ledger.entries) {
    if (!values.Keeps(entry)) return "lost: a value that keep-both replaced";
  }
  return CheckQuiet(ledger.entries, nodes.size());
}

}  // namespace syncline::testing
