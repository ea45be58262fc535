#include "replication/mirror/tree_plan.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "base/random.h"
#include "replication/mirror/disk_entry.h"
#include "replication/mirror/paths.h"

namespace syncline {
namespace {

// "d:a=1 f:a/x=2": kind, path, identity.
std::vector<TreeNode> Parse(const std::string& text) {
  std::vector<TreeNode> nodes;
  std::size_t at = 0;
  while (at < text.size()) {
    std::size_t end = text.find(' ', at);
    if (end == std::string::npos) end = text.size();
    const std::string word = text.substr(at, end - at);
    const std::size_t equals = word.find('=');
    nodes.push_back({word.substr(2, equals - 2), static_cast<ItemKind>(word[0]),
                     word.substr(equals + 1)});
    at = end + 1;
  }
  return nodes;
}

std::string Print(const std::vector<TreeStep>& steps) {
  std::string out;
  for (const TreeStep& step : steps) {
    if (!out.empty()) out += "; ";
    switch (step.type) {
      case TreeStep::Type::kMkdir:
        out += "mkdir " + step.path;
        break;
      case TreeStep::Type::kRename:
        out += (step.replaces ? "over " : "mv ") + step.from + " " + step.path;
        break;
      case TreeStep::Type::kCycle:
        out += "ring";
        for (const auto& [from, to] : step.cycle) out += " " + from + ">" + to;
        break;
      case TreeStep::Type::kRetype:
        out += "retype " + step.path;
        break;
      case TreeStep::Type::kUpdate:
        out += "= " + step.path;
        break;
      case TreeStep::Type::kCreate:
        out += "new " + step.path;
        break;
      case TreeStep::Type::kRemove:
        out += "rm " + step.path;
        break;
    }
  }
  return out;
}

struct Case {
  const char* why;
  const char* before;
  const char* after;
  const char* plan;
  bool sure = false;
};

const Case kCases[] = {
    {"nothing", "", "", ""},
    {"a new file", "", "f:a=1", "new a"},
    {"a new tree has parents first", "", "d:d=1 f:d/x=2 d:d/e=3 f:d/e/y=4",
     "mkdir d; mkdir d/e; new d/e/y; new d/x"},
    {"a removed tree has children first", "d:d=1 f:d/x=2 d:d/e=3 f:d/e/y=4", "",
     "rm d/x; rm d/e/y; rm d/e; rm d"},
    {"in place", "f:a=1", "f:a=1", "= a"},
    {"another inode at the path is the same file", "f:a=1", "f:a=2", "= a"},
    {"a renamed file", "f:a=1", "f:b=1", "mv a b; = b"},
    {"no identity is no match", "f:a=", "f:b=", "new b; rm a"},
    {"kinds do not mix", "f:a=1", "l:b=1", "new b; rm a"},
    {"a renamed directory is one step", "d:a=1 f:a/x=2 d:a/e=3 f:a/e/y=4",
     "d:b=1 f:b/x=2 d:b/e=3 f:b/e/y=4", "mv a b; = b; = b/e; = b/e/y; = b/x"},
    {"a renamed directory with changes inside", "d:a=1 f:a/x=2 f:a/z=5",
     "d:b=1 f:b/y=2 f:b/n=6",
     "mv a b; mv b/x b/y; = b; = b/y; new b/n; rm b/z"},
    {"a directory moved out of a renamed one", "d:a=1 d:a/e=2 f:a/e/y=3",
     "d:b=1 d:e=2 f:e/y=3", "mv a b; mv b/e e; = b; = e; = e/y"},
    {"into a new directory", "f:a=1", "d:n=2 f:n/a=1",
     "mkdir n; mv a n/a; = n/a"},
    {"a parent and its child change places", "d:a=1 d:a/b=2", "d:b=2 d:b/a=1",
     "mv a/b b; mv a b/a; = b; = b/a"},
    {"over an existing file", "f:a=1 f:b=2", "f:b=1", "over a b; = b"},
    {"a chain", "f:a=1 f:b=2", "f:b=1 f:c=2", "mv b c; mv a b; = b; = c"},
    {"a swap of files", "f:a=1 f:b=2", "f:a=2 f:b=1", "ring a>b b>a; = a; = b"},
    {"a ring of three", "f:a=1 f:b=2 f:c=3", "f:a=3 f:b=1 f:c=2",
     "ring a>b b>c c>a; = a; = b; = c"},
    {"a swap of directories", "d:a=1 f:a/x=3 d:b=2 f:b/y=4",
     "d:a=2 f:a/y=4 d:b=1 f:b/x=3", "ring a>b b>a; = a; = a/y; = b; = b/x"},
    {"a backup and a new file", "f:a=1", "f:a=2 f:a~=1", "= a; new a~"},
    {"... but a sure identity has moved", "f:a=1", "f:a=2 f:a~=1",
     "mv a a~; = a~; new a", true},
    {"a file becomes a directory", "f:a=1", "d:a=2 f:a/x=3",
     "retype a; new a/x"},
    {"a directory becomes a file", "d:a=2 f:a/x=3", "f:a=1",
     "rm a/x; retype a"},
    {"a directory replaces a removed one", "d:a=1 f:a/x=2 d:b=3 f:b/y=4",
     "d:b=1 f:b/x=2", "rm b/y; rm b; mv a b; = b; = b/x"},
    {"hard links: each name is a file of its own", "f:a=1 f:b=1", "f:a=1 f:c=1",
     "mv b c; = a; = c"},
};

TEST_CASE("tree_plan: turns one tree into another", "[mirror][table]") {
  for (const Case& row : kCases) {
    CAPTURE(row.why);
    TreePlanOptions options;
    options.sure = row.sure;
    CHECK(Print(PlanTree(Parse(row.before), Parse(row.after), options)) ==
          row.plan);
  }
}

TEST_CASE("tree_plan: without removals what is gone stays", "[mirror]") {
  TreePlanOptions options;
  options.removes = false;
  CHECK(Print(PlanTree(Parse("f:a=1 f:b=2 f:c=3"), Parse("f:b=1 f:d=3"),
                       options)) == "mv c d; = b; = d");
  CHECK(Print(PlanTree(Parse("f:a=1"), Parse("d:a=2 f:a/x=3"), options)) == "");
}

// A model of a tree that checks the preconditions of every step.
struct Model {
  std::map<std::string, TreeNode> nodes;  // By path.

  bool IsDir(const std::string& path) const {
    const auto found = nodes.find(path);
    return path.empty() ||
           (found != nodes.end() && found->second.kind == ItemKind::kDirectory);
  }
  bool Bare(const std::string& path) const {
    return std::none_of(nodes.begin(), nodes.end(), [&](const auto& node) {
      return node.first != path && IsAtOrBelow(node.first, path);
    });
  }
  void Add(const std::string& path, ItemKind kind, const std::string& id) {
    REQUIRE(!nodes.contains(path));
    REQUIRE(IsDir(std::string(ParentPath(path))));
    nodes[path] = {path, kind, id};
  }
  std::map<std::string, TreeNode> Cut(const std::string& path) {
    std::map<std::string, TreeNode> cut;
    for (auto it = nodes.begin(); it != nodes.end();) {
      if (IsAtOrBelow(it->first, path)) {
        cut.insert(*it);
        it = nodes.erase(it);
      } else {
        ++it;
      }
    }
    REQUIRE(!cut.empty());
    return cut;
  }
  void Paste(const std::map<std::string, TreeNode>& cut,
             const std::string& from, const std::string& to) {
    REQUIRE(IsDir(std::string(ParentPath(to))));
    for (auto [path, node] : cut) {
      node.path = Rebase(path, from, to);
      REQUIRE(!nodes.contains(node.path));
      nodes[node.path] = node;
    }
  }
  void Do(const TreeStep& step) {
    switch (step.type) {
      case TreeStep::Type::kMkdir:
        return Add(step.path, ItemKind::kDirectory, "");
      case TreeStep::Type::kCreate:
        return Add(step.path, step.kind, "");
      case TreeStep::Type::kUpdate:
        REQUIRE(nodes.at(step.path).kind == step.kind);
        return;
      case TreeStep::Type::kRetype:
        REQUIRE(Bare(step.path));
        REQUIRE(nodes.at(step.path).kind != step.kind);
        nodes[step.path].kind = step.kind;
        return;
      case TreeStep::Type::kRemove:
        REQUIRE(Bare(step.path));
        REQUIRE(nodes.erase(step.path) == 1);
        return;
      case TreeStep::Type::kRename:
        REQUIRE(nodes.contains(step.path) == step.replaces);
        if (step.replaces) nodes.erase(step.path);
        return Paste(Cut(step.from), step.from, step.path);
      case TreeStep::Type::kCycle: {
        std::vector<std::map<std::string, TreeNode>> cuts;
        for (const auto& move : step.cycle) cuts.push_back(Cut(move.first));
        for (std::size_t i = 0; i < cuts.size(); ++i) {
          Paste(cuts[i], step.cycle[i].first, step.cycle[i].second);
        }
        return;
      }
    }
  }
};

std::vector<TreeNode> Nodes(const Model& model) {
  std::vector<TreeNode> nodes;
  for (const auto& [path, node] : model.nodes) nodes.push_back(node);
  return nodes;
}

// One random change, as a user with a shell could make it.
void Change(Model& model, RandomSource& random, int& next_id) {
  const char* const names[] = {"a", "b", "c"};
  std::vector<std::string> all{""};
  for (const auto& [path, node] : model.nodes) all.push_back(path);
  const auto any = [&] { return all[random.Below(all.size())]; };
  const std::string dir = any();
  if (!model.IsDir(dir)) return;
  const std::string to = ChildPath(dir, names[random.Below(3)]);
  const std::string from = any();
  switch (random.Below(4)) {
    case 0:
      if (!model.nodes.contains(to)) {
        model.Add(to,
                  random.Below(2) != 0 ? ItemKind::kDirectory : ItemKind::kFile,
                  std::to_string(next_id++));
      }
      return;
    case 1:
      if (!from.empty()) model.Cut(from);
      return;
    default:
      if (from.empty() || IsAtOrBelow(to, from) || IsAtOrBelow(from, to)) {
        return;
      }
      if (model.nodes.contains(to)) model.Cut(to);
      const auto cut = model.Cut(from);
      model.Paste(cut, from, to);
  }
}

TEST_CASE("tree_plan: random changes are reproduced step by step",
          "[mirror][law]") {
  for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
    CAPTURE(seed);
    SeededRandom random(seed);
    Model before;
    int next_id = 1;
    for (int i = 0; i < 12; ++i) Change(before, random, next_id);
    Model after = before;
    for (int i = 0; i < 6; ++i) Change(after, random, next_id);
    TreePlanOptions options;
    options.sure = seed % 2 == 0;
    const auto steps = PlanTree(Nodes(before), Nodes(after), options);
    CAPTURE(Print(steps));
    Model model = before;
    for (const TreeStep& step : steps) model.Do(step);
    REQUIRE(model.nodes.size() == after.nodes.size());
    for (const auto& [path, node] : after.nodes) {
      REQUIRE(model.nodes.at(path).kind == node.kind);
    }
    auto shuffled = Nodes(after);
    std::reverse(shuffled.begin(), shuffled.end());
    REQUIRE(PlanTree(Nodes(before), shuffled, options) == steps);
  }
}

}  // namespace
}  // namespace syncline
