#include "replication/mirror/tree_plan.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "replication/mirror/disk_entry.h"
#include "replication/mirror/paths.h"

namespace syncline {
namespace {

using Type = TreeStep::Type;

struct Placed : TreeNode {
  std::string origin;  // Its path before all steps; empty if it is new.
};

// A tree by PathKey, so that a subtree is one range.
using Tree = std::map<std::string, Placed>;

Tree MakeTree(const std::vector<TreeNode>& nodes) {
  Tree tree;
  for (const TreeNode& node : nodes)
    tree[PathKey(node.path)] = {node, node.path};
  return tree;
}

const Placed* Find(const Tree& tree, std::string_view path) {
  const auto found = tree.find(PathKey(path));
  return found == tree.end() ? nullptr : &found->second;
}

// `path` and all below it, taken out of `tree`.
std::vector<Placed> Cut(Tree& tree, std::string_view path) {
  std::vector<Placed> cut;
  const std::string key = PathKey(path);
  auto it = tree.lower_bound(key);
  while (it != tree.end() && IsAtOrBelow(it->second.path, path)) {
    cut.push_back(std::move(it->second));
    it = tree.erase(it);
  }
  return cut;
}

void Paste(Tree& tree, std::vector<Placed> cut, const std::string& from,
           const std::string& to) {
  for (Placed& node : cut) {
    node.path = Rebase(node.path, from, to);
    std::string key = PathKey(node.path);
    tree[std::move(key)] = std::move(node);
  }
}

class Planner {
 public:
  Planner(const std::vector<TreeNode>& before,
          const std::vector<TreeNode>& after, const TreePlanOptions& options)
      : options_(options), now_(MakeTree(before)), goal_(MakeTree(after)) {}

  std::vector<TreeStep> Run() {
    Move(/*directories=*/true);
    Move(/*directories=*/false);
    Settle();
    return std::move(steps_);
  }

 private:
  // Where something goes: PathKey of the goal -> path now.
  using Edges = std::map<std::string, std::string>;

  void Move(bool directories) {
    edges_ = FindEdges(directories);
    while (!edges_.empty()) {
      bool progress = false;
      for (auto it = edges_.begin(); it != edges_.end();) {
        const std::string to = PathOfKey(it->first);
        if (Ready(it->second, to)) {
          const std::string from = it->second;
          it = edges_.erase(it);
          Rename(from, to);
          progress = true;
        } else {
          ++it;
        }
      }
      if (!progress && !Turn()) edges_.erase(edges_.begin());
    }
  }

  Edges FindEdges(bool directories) const {
    std::map<std::string, std::vector<std::string>> homes;  // By identity.
    for (const auto& [key, node] : now_) {
      if (node.identity.empty() ||
          (node.kind == ItemKind::kDirectory) != directories) {
        continue;
      }
      const Placed* there = Find(goal_, node.path);
      if (there != nullptr && there->identity == node.identity) continue;
      homes[node.identity].push_back(node.path);
    }
    Edges edges;
    for (const auto& [key, node] : goal_) {
      const auto home = homes.find(node.identity);
      if (home == homes.end() || home->second.empty()) continue;
      const Placed* here = Find(now_, node.path);
      if (here != nullptr && here->identity == node.identity) continue;
      const Placed* source = Find(now_, home->second.front());
      if (source->kind != node.kind) continue;
      edges[key] = home->second.front();
      home->second.erase(home->second.begin());
    }
    while (!options_.sure && DropDoubtful(edges)) {
    }
    return edges;
  }

  // Drops the moves away from a path that something unknown of the same kind
  // has taken. True if there was one: others may have relied on it.
  bool DropDoubtful(Edges& edges) const {
    return std::erase_if(edges, [&](const auto& edge) {
             const Placed* there = Find(goal_, edge.second);
             return there != nullptr &&
                    there->kind == Find(now_, edge.second)->kind &&
                    !edges.contains(PathKey(edge.second));
           }) > 0;
  }

  bool Leaves(std::string_view path) const {
    return std::any_of(edges_.begin(), edges_.end(),
                       [&](const auto& edge) { return edge.second == path; });
  }

  bool Ready(const std::string& from, const std::string& to) {
    if (IsAtOrBelow(to, from)) return false;
    if (!ParentsReady(to)) return false;
    const Placed* taken = Find(now_, to);
    if (taken == nullptr) return true;
    if (Leaves(to)) return false;
    const bool over = taken->kind != ItemKind::kDirectory &&
                      Find(now_, from)->kind != ItemKind::kDirectory;
    if (!options_.removes) return false;
    if (IsAtOrBelow(from, to)) return false;
    return over || !AnyLeavesBelow(to);
  }

  bool AnyLeavesBelow(std::string_view path) const {
    return std::any_of(edges_.begin(), edges_.end(), [&](const auto& edge) {
      return IsAtOrBelow(edge.second, path);
    });
  }

  // Makes the directories above `to` that are not there, unless one of them is
  // itself still to come.
  bool ParentsReady(const std::string& to) {
    std::vector<std::string> missing;
    for (std::string up(ParentPath(to)); !up.empty(); up = ParentPath(up)) {
      if (edges_.contains(PathKey(up))) return false;
      const Placed* wanted = Find(goal_, up);
      if (wanted == nullptr) break;  // Not given: the same in both trees.
      const Placed* here = Find(now_, up);
      if (here == nullptr) {
        missing.push_back(up);
      } else if (here->kind != ItemKind::kDirectory) {
        return false;
      } else {
        break;
      }
    }
    for (auto up = missing.rbegin(); up != missing.rend(); ++up) Mkdir(*up);
    return true;
  }

  static TreeStep Step(Type type, const Placed& node) {
    TreeStep step;
    step.type = type;
    step.path = node.path;
    step.kind = node.kind;
    step.origin = node.origin;
    return step;
  }

  void Mkdir(const std::string& path) {
    Placed node = *Find(goal_, path);
    node.origin.clear();
    steps_.push_back(Step(Type::kMkdir, node));
    now_[PathKey(path)] = std::move(node);
  }

  void Rename(const std::string& from, const std::string& to) {
    TreeStep step = Step(Type::kRename, *Find(now_, from));
    step.path = to;
    step.from = from;
    if (const Placed* taken = Find(now_, to); taken != nullptr) {
      step.replaces = taken->kind != ItemKind::kDirectory &&
                      step.kind != ItemKind::kDirectory;
      if (step.replaces) {
        step.replaced_origin = taken->origin;
        now_.erase(PathKey(to));
      } else {
        RemoveTree(to);
      }
    }
    steps_.push_back(std::move(step));
    Paste(now_, Cut(now_, from), from, to);
    for (auto& [key, source] : edges_) {
      if (IsAtOrBelow(source, from)) source = Rebase(source, from, to);
    }
  }

  // Finds a ring of moves, each waiting for the next one's place, and makes
  // them all at once.
  bool Turn() {
    for (const auto& [start, unused] : edges_) {
      std::vector<std::pair<std::string, std::string>> ring;
      std::string at = start;
      std::set<std::string> seen;
      while (seen.insert(at).second) {
        const auto edge = edges_.find(at);
        if (edge == edges_.end()) break;
        ring.emplace_back(edge->second, PathOfKey(at));
        at = PathKey(edge->second);
      }
      if (at != start || ring.size() < 2 || Nested(ring)) continue;
      if (ring.back().first != PathOfKey(start)) continue;
      TurnRing(ring);
      return true;
    }
    return false;
  }

  bool Nested(const std::vector<std::pair<std::string, std::string>>& ring) {
    for (const auto& [from, to] : ring) {
      if (!ParentsReady(to)) return true;
      for (const auto& [other, unused] : ring) {
        if (from != other && IsAtOrBelow(from, other)) return true;
      }
    }
    return false;
  }

  void TurnRing(std::vector<std::pair<std::string, std::string>> ring) {
    std::sort(ring.begin(), ring.end());
    std::vector<std::vector<Placed>> cuts;
    for (const auto& [from, to] : ring) {
      cuts.push_back(Cut(now_, from));
      edges_.erase(PathKey(to));
    }
    for (auto& [key, source] : edges_) {
      for (const auto& [from, to] : ring) {
        if (IsAtOrBelow(source, from)) {
          source = Rebase(source, from, to);
          break;
        }
      }
    }
    const ItemKind kind = cuts.front().front().kind;
    for (std::size_t i = 0; i < ring.size(); ++i) {
      Paste(now_, std::move(cuts[i]), ring[i].first, ring[i].second);
    }
    TreeStep step;
    step.type = Type::kCycle;
    step.path = ring.front().first;
    step.kind = kind;
    step.cycle = std::move(ring);
    steps_.push_back(std::move(step));
  }

  void RemoveTree(const std::string& path) {
    const std::vector<Placed> cut = Cut(now_, path);
    for (auto node = cut.rbegin(); node != cut.rend(); ++node) {
      steps_.push_back(Step(Type::kRemove, *node));
    }
  }

  // Everything is at its place: what is left to change, make and remove.
  void Settle() {
    std::vector<TreeStep> creates;
    for (const auto& [key, node] : goal_) {
      const Placed* here = Find(now_, node.path);
      if (here == nullptr) {
        const bool directory = node.kind == ItemKind::kDirectory;
        creates.push_back(Step(directory ? Type::kMkdir : Type::kCreate, node));
        creates.back().origin.clear();
      } else if (here->kind == node.kind) {
        if (!here->origin.empty()) steps_.push_back(Step(Type::kUpdate, *here));
      } else if (options_.removes) {
        Retype(node, creates);
      }
    }
    for (TreeStep& step : creates) {
      if (!options_.removes && Blocked(step.path)) continue;
      steps_.push_back(std::move(step));
    }
    if (!options_.removes) return;
    for (auto it = now_.rbegin(); it != now_.rend(); ++it) {
      if (goal_.contains(it->first)) continue;
      steps_.push_back(Step(Type::kRemove, it->second));
    }
  }

  void Retype(const Placed& node, std::vector<TreeStep>& creates) {
    const std::vector<Placed> cut = Cut(now_, node.path);
    for (auto old = cut.rbegin(); old + 1 != cut.rend(); ++old) {
      creates.push_back(Step(Type::kRemove, *old));
    }
    creates.push_back(Step(Type::kRetype, node));
    creates.back().origin = cut.front().origin;
    now_[PathKey(node.path)] = node;
  }

  // Without removals: something of another kind stands above `path`.
  bool Blocked(std::string_view path) const {
    for (std::string_view up = ParentPath(path); !up.empty();
         up = ParentPath(up)) {
      const Placed* here = Find(now_, up);
      if (here != nullptr && here->kind != ItemKind::kDirectory) return true;
    }
    return false;
  }

  const TreePlanOptions& options_;
  Tree now_;
  const Tree goal_;
  Edges edges_;
  std::vector<TreeStep> steps_;
};

}  // namespace

std::vector<TreeStep> PlanTree(const std::vector<TreeNode>& before,
                               const std::vector<TreeNode>& after,
                               const TreePlanOptions& options) {
  return Planner(before, after, options).Run();
}

}  // namespace syncline
