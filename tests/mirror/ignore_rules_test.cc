#include "replication/mirror/ignore_rules.h"
#include "replication/mirror/ignore_map.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "replication/mirror/disk_entry.h"
#include "tests/mirror/temp_dir.h"

namespace syncline {
namespace {

using testing::GetFile;
using testing::PutFile;
using testing::TempDir;

std::shared_ptr<const IgnoreFile> Rules(std::string_view text) {
  return std::make_shared<const IgnoreFile>(text);
}

struct Row {
  std::string rules;
  std::string path;
  bool is_directory;
  bool ignored;
  const char* why;
};

// One file at the root, asked about a path whose parents are not ignored.
bool IgnoredAtRoot(const Row& row) {
  auto scope = IgnoreScope::Root({.git = Rules(row.rules)});
  std::string_view rest = row.path;
  while (rest.find('/') != std::string_view::npos) {
    scope = IgnoreScope::Enter(scope, rest.substr(0, rest.find('/')), {});
    rest.remove_prefix(rest.find('/') + 1);
  }
  return scope->Ignores(rest, row.is_directory);
}

TEST_CASE("ignore_rules: one file decides as the manual says",
          "[mirror][table]") {
  const Row row = GENERATE(values<Row>({
      {"", "a", false, false, "no rules"},
      {"a", "a", false, true, "a plain name"},
      {"a", "x/y/a", false, true, "matches at any depth"},
      {"a", "ab", false, false, "the whole name"},
      {"#a\n", "#a", false, false, "a comment"},
      {"\\#a\n", "#a", false, true, "an escaped comment"},
      {"a  \n", "a", false, true, "trailing spaces go"},
      {"a\\ \n", "a ", false, true, "an escaped one stays"},
      {"a\t\n", "a", false, false, "a tab is no space"},
      {"a\r\n", "a", false, true, "line ends of Windows"},
      {"\xEF\xBB\xBF"
       "a\n",
       "a", false, true, "byte order mark"},
      {"*\n!a\n", "a", false, false, "negation"},
      {"!a\n*\n", "a", false, true, "the last match wins"},
      {"\\!a\n", "!a", false, true, "an escaped bang"},
      {"/a\n", "a", false, true, "anchored at the top"},
      {"/a\n", "x/a", false, false, "only at the top"},
      {"x/a\n", "x/a", false, true, "a slash inside anchors"},
      {"x/a\n", "y/x/a", false, false, "too"},
      {"a/\n", "a", false, false, "directories only"},
      {"a/\n", "x/a", true, true, "directories at any depth"},
      {"*.o\n", "x/y.o", false, true, "star"},
      {"x/*\n", "x/y/z", false, false, "a star takes no slash"},
      {"x?y\n", "x/y", false, false, "nor does a question mark"},
      {"x[/]y/z\n", "x/y/z", false, false, "nor a bracket"},
      {"f[a-c]\n", "fb", false, true, "range"},
      {"f[!a-c]\n", "fb", false, false, "negated"},
      {"f[^a-c]\n", "fd", false, true, "negated the other way"},
      {"f[]x]\n", "f]", false, true, "a bracket first is a member"},
      {"f[[:digit:]_]\n", "f7", false, true, "class"},
      {"f[[:nope:]]\n", "fn", false, false, "unknown class"},
      {"f[a\n", "f[a", false, false, "an open bracket matches nothing"},
      {"f\\\n", "f\\", false, false, "a backslash at the end neither"},
      {"\\*\n", "*", false, true, "escaped star"},
      {"\\*\n", "a", false, false, "is no star"},
      {"**/a\n", "x/y/a", false, true, "leading stars"},
      {"**/a\n", "a", false, true, "stand for no directory too"},
      {"x/**\n", "x/y/z", false, true, "trailing stars"},
      {"x/**\n", "x", true, false, "need something inside"},
      {"x/**/z\n", "x/z", false, true, "stars inside, none"},
      {"x/**/z\n", "x/1/2/z", false, true, "stars inside, two"},
      {"x/a**z\n", "x/a1/z", false, false, "else two stars are one"},
      {"*a*a*a*a*a*a*b\n", std::string(200, 'a'), false, false, "in time"},
      {"\xff[\x80-\x90]\n", "\xff\x88", false, true, "bytes not letters"},
      {"A\n", "a", false, false, "case differs"},
      {"!\n/\n//\n \n", "a", false, false, "rules of nothing"},
  }));
  INFO(row.why << ": " << row.rules << " on " << row.path);
  CHECK(IgnoredAtRoot(row) == row.ignored);
}

TEST_CASE("ignore_rules: deeper files and the syncline file win", "[mirror]") {
  auto root = IgnoreScope::Root(
      {.git = Rules("*.log\n"), .syncline = Rules("!keep.log\n")},
      Rules("*.tmp\nsecret\n"));
  CHECK(root->Ignores("a.log", false));
  CHECK_FALSE(root->Ignores("keep.log", false));
  CHECK(root->Ignores("a.tmp", false));

  auto bare = IgnoreScope::Enter(root, "bare", {});
  auto deep = IgnoreScope::Enter(
      bare, "deep", {.git = Rules("!a.log\n"), .syncline = Rules("a.c\n")});
  CHECK_FALSE(deep->Ignores("a.log", false));
  CHECK(deep->Ignores("b.log", false));
  CHECK(deep->Ignores("a.c", false));
  CHECK(deep->Ignores("secret", true));

  const IgnoreMatch match = deep->Explain("a.log", false);
  CHECK_FALSE(match.ignored);
  CHECK(match.file == "bare/deep/.gitignore");
  CHECK(match.line == 1);
  CHECK(match.pattern == "!a.log");
  CHECK(deep->Explain("b.log", false).file == ".gitignore");
  CHECK(deep->Explain("secret", false).file == "(settings)");
  CHECK(deep->Explain("other", false).file.empty());
}

// A tree of random names, and random rule files put into it.
class Oracle {
 public:
  explicit Oracle(std::uint64_t seed) : random_(seed) {
    Shell("git init -q --template= .");
    Grow("", 4);
  }

  void NewRules() {
    files_.clear();
    for (const auto& [path, is_directory] : tree_) {
      const std::string file = repository_ / ChildPath(path, ".gitignore");
      if (!is_directory) continue;
      std::remove(file.c_str());
      if (!path.empty() && random_.Below(4) != 0) continue;
      files_[path] = RandomFile();
      PutFile(file, files_[path]);
    }
  }

  // Compares all paths; returns how many are ignored.
  int Compare() {
    int ignored = 0;
    const std::map<std::string, IgnoreMatch> expected = AskGit();
    REQUIRE(expected.size() == tree_.size() - 1);
    std::map<std::string, std::shared_ptr<const IgnoreScope>> scopes;
    std::map<std::string, IgnoreMatch> shut;  // Ignored directories.
    for (const auto& [path, is_directory] : tree_) {
      const std::string parent(ParentPath(path));
      IgnoreMatch match;
      if (!path.empty()) {
        match = shut.contains(parent)
                    ? shut[parent]
                    : scopes[parent]->Explain(LastName(path), is_directory);
        Same(path, match, expected.at(path));
        ignored += match.ignored ? 1 : 0;
      }
      if (!is_directory) continue;
      if (match.ignored) {
        shut[path] = match;
        continue;
      }
      IgnoreScope::Files files;
      if (files_.contains(path)) files.git = Rules(files_[path]);
      scopes[path] = path.empty() ? IgnoreScope::Root(files)
                                  : IgnoreScope::Enter(scopes[parent],
                                                       LastName(path), files);
    }
    return ignored;
  }

  [[nodiscard]] std::size_t size() const { return tree_.size(); }

 private:
  static void Same(const std::string& path, const IgnoreMatch& ours,
                   const IgnoreMatch& git) {
    if (ours.file == git.file && ours.line == git.line &&
        ours.pattern == git.pattern)
      return;
    FAIL_CHECK(path << ": git " << git.file << ':' << git.line << ": "
                    << git.pattern << " ours " << ours.file << ':' << ours.line
                    << ": " << ours.pattern);
  }

  void Shell(const std::string& command) {
    const std::string whole = "cd '" + repository_.path() +
                              "' && HOME=/nonexistent GIT_CONFIG_NOSYSTEM=1 " +
                              command;
    const int code = std::system(whole.c_str());
    REQUIRE((code == 0 || code == 256));  // 1: nothing is ignored.
  }

  std::string Name() {
    static const std::vector<std::string> kPieces = {
        "a",  "b", "ab", "c", "foo", ".o", "-",  " ", "[",   "*",
        "\\", "#", "!",  "1", "Z",   "]",  "\n", "?", "\xe9"};
    std::string name;
    for (std::uint64_t i = 1 + random_.Below(3); i > 0; --i)
      name += kPieces[random_.Below(random_.Below(2) ? 6 : kPieces.size())];
    return name;
  }

  void Grow(const std::string& directory, int depth) {
    tree_[directory] = true;
    for (std::uint64_t i = 4 + random_.Below(6); i > 0; --i) {
      const std::string path = ChildPath(directory, Name());
      if (tree_.contains(path)) continue;
      if (depth > 0 && random_.Below(2)) {
        ::mkdir((repository_ / path).c_str(), 0755);
        Grow(path, depth - 1);
      } else {
        PutFile(repository_ / path, "");
        tree_[path] = false;
      }
    }
  }

  std::string Segment() {
    static const std::vector<std::string> kPieces = {
        "a",           "b",       "ab",
        "foo",         ".o",      "*",
        "?",           "[ab]",    "[!a]",
        "-",           "[a-c]",   "[^-b]",
        "[[:alpha:]]", "\\*",     "\\[",
        "\\ ",         "[]-]",    "[",
        "]",           "\\\\",    "[[:digit:]x]",
        "\\a",         " ",       "#",
        "[a\\-c]",     "\xe9",    "!",
        "[\\]]",       "[[:x:]]", "[b-a]",
        "**",          "1",       "[[:]",
        "[a-]",        "Z",       "[[:upper:][:space:]]"};
    std::string segment;
    for (std::uint64_t i = 1 + random_.Below(3); i > 0; --i) {
      const std::string& piece =
          kPieces[random_.Below(random_.Below(2) ? 8 : kPieces.size())];
      // What git 2.39 makes of "x**/" depends on where its buffers lie.
      if (piece == "**" && !segment.empty()) continue;
      if (piece == "*" && segment.ends_with('*')) continue;
      segment += piece;
      if (piece == "**") segment += "b";
    }
    return segment.empty() ? "*" : segment;
  }

  std::string RandomFile() {
    static const std::vector<std::string> kEnds = {"\n",  "\n",   "\n",  "\r\n",
                                                   " \n", "  \n", "\t\n"};
    std::string text;
    for (std::uint64_t i = 1 + random_.Below(5); i > 0; --i) {
      if (random_.Below(3) == 0) text += '!';
      if (random_.Below(4) == 0) text += '/';
      for (std::uint64_t j = random_.Below(3); j > 0; --j) {
        if (random_.Below(2))
          text += (random_.Below(2) ? "**" : Segment()) + "/";
      }
      text += random_.Below(8) == 0 ? "**" : Segment();
      if (random_.Below(4) == 0) text += '/';
      text += kEnds[random_.Below(kEnds.size())];
    }
    if (random_.Below(4) == 0) text.pop_back();
    return text;
  }

  std::map<std::string, IgnoreMatch> AskGit() {
    std::string paths;
    for (const auto& [path, is_directory] : tree_) {
      if (!path.empty()) paths += path + '\0';
    }
    PutFile(work_ / "in", paths);
    Shell("git check-ignore -v -n -z --no-index --stdin < " + (work_ / "in") +
          " > " + (work_ / "out"));
    const std::string out = GetFile(work_ / "out");
    std::map<std::string, IgnoreMatch> result;
    std::string_view rest = out;
    const auto field = [&rest] {
      const std::string value(rest.substr(0, rest.find('\0')));
      rest.remove_prefix(value.size() + 1);
      return value;
    };
    while (!rest.empty()) {
      IgnoreMatch match;
      match.file = field();
      match.line = std::strtoul(field().c_str(), nullptr, 10);
      match.pattern = field();
      result[field()] = match;
    }
    return result;
  }

  SeededRandom random_;
  TempDir repository_;
  TempDir work_;
  struct PathLess {
    bool operator()(const std::string& a, const std::string& b) const {
      return ComparePaths(a, b) < 0;
    }
  };
  std::map<std::string, bool, PathLess> tree_;  // Is it a directory?
  std::map<std::string, std::string> files_;
};

TEST_CASE("ignore_rules: decides every path as git check-ignore does",
          "[mirror][law]") {
  const std::uint64_t seed = GENERATE(11u, 12u, 13u);
  INFO("seed " << seed);
  Oracle oracle(seed);
  REQUIRE(oracle.size() > 100);
  int ignored = 0;
  for (int round = 0; round < 60; ++round) {
    oracle.NewRules();
    ignored += oracle.Compare();
  }
  CHECK(ignored > 1000);
}

IgnoreScope::Files GitRules(std::string_view text) {
  return {std::make_shared<const IgnoreFile>(text), nullptr};
}

TEST_CASE("ignore_map: a path is ignored by the rules above it",
          "[mirror][ignore]") {
  IgnoreMap map;
  CHECK(map.empty());
  CHECK_FALSE(map.Ignores("a/b", false));
  map.Set("", GitRules("build/\n*.o\n"));
  map.Set("src", GitRules("!keep.o\n/here\n"));
  CHECK(map.Ignores("build", true));
  CHECK_FALSE(map.Ignores("build", false));
  CHECK(map.Ignores("build/deep/file", false));
  CHECK(map.Ignores("src/build/x", false));
  CHECK(map.Ignores("src/x.o", false));
  CHECK_FALSE(map.Ignores("src/keep.o", false));
  CHECK(map.Ignores("keep.o", false));
  CHECK(map.Ignores("src/here", false));
  CHECK_FALSE(map.Ignores("src/in/here", false));
  map.Set("src", {});
  CHECK(map.Ignores("src/keep.o", false));
  CHECK_FALSE(map.Ignores("src/here", false));
}

TEST_CASE("ignore_map: differences are found and parts forgotten",
          "[mirror][ignore]") {
  IgnoreMap map;
  CHECK(map.Digest().empty());
  map.Set("", GitRules("a\n"));
  map.Set("d", GitRules("b\n"));
  map.Set("d/e", GitRules("c\n"));
  IgnoreMap other = map;
  CHECK(map.DifferFrom(other).empty());
  CHECK(map.Digest() == other.Digest());
  other.Set("d", GitRules("other\n"));
  other.Set("new", GitRules("n\n"));
  CHECK(map.DifferFrom(other) == std::vector<std::string>{"d", "new"});
  CHECK(map.Digest() != other.Digest());
  CHECK(map.Has("d", GitRules("b\n")));
  CHECK_FALSE(map.Has("d", {}));
  CHECK(map.Has("none", {}));
  CHECK(map.AnyBelow("d"));
  CHECK_FALSE(map.AnyBelow("de"));
  map.Prune("d", [](const std::string& path) { return path == "d/e"; });
  CHECK(map.Has("d", {}));
  CHECK_FALSE(map.Has("d/e", {}));
  CHECK_FALSE(map.Has("", {}));
}

}  // namespace
}  // namespace syncline
