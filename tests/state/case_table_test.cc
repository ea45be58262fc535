#include <catch2/catch.hpp>

#include <algorithm>
#include <optional>
#include <regex>
#include <set>
#include <sstream>

#include "replication/state/edits.h"
#include "replication/state/strategy.h"
#include "tests/state/given.h"
#include "tests/state/naive_view.h"
#include "tests/state/test_replica.h"

// The case table of the rules: what several users do without seeing each
// other, and what everybody sees then, whoever's entries come first.
namespace syncline {
namespace {

using testing::kNow;
using testing::TestReplica;

Origin OriginOf(char letter) {
  return *Origin::FromHex(std::string(32, letter));
}

// What users do, separated by "; ":
//   file PATH VALUE, dir PATH, edit PATH VALUE, rm PATH, rm-r PATH,
//   mv PATH PATH (over what is there), mode PATH VALUE, mtime PATH VALUE,
//   todir PATH, tolink PATH VALUE, resolve PATH STRATEGY
// What is seen, in order of paths: "dir/", "file=value", "link@value";
// siblings as "shown|other", '!' after an open conflict, '^' after what is
// revived, "{mode=6}" for attributes. A made-up name ends in "~*".
struct Case {
  const char* name;
  const char* before;              // By A; all have it.
  std::vector<const char*> apart;  // By A, B and C.
  const char* shows;
  int heads = -1;  // Live heads, if it says so.
  // By A, who has seen all of it.
  const char* then = nullptr;
  const char* shows_then = "";
  int heads_then = -1;
};

const Case kCases[] = {
    {"edit || edit: siblings", "file x 1", {"edit x 2", "edit x 3"}, "x=3|2!"},
    {"edit || edit: local-wins",
     "file x 1",
     {"edit x 2", "edit x 3"},
     "x=3|2!",
     -1,
     "resolve x local-wins",
     "x=2"},
    {"edit || edit: remote-wins",
     "file x 1",
     {"edit x 2", "edit x 3"},
     "x=3|2!",
     -1,
     "resolve x remote-wins",
     "x=3"},
    {"edit || edit: newest-wins",
     "file x 1",
     {"edit x 2", "edit x 3"},
     "x=3|2!",
     -1,
     "resolve x newest-wins",
     "x=3"},
    {"edit || edit: keep-both",
     "file x 1",
     {"edit x 2", "edit x 3"},
     "x=3|2!",
     -1,
     "resolve x keep-both",
     "x=3 x~*=2"},
    {"edit || edit: merge",
     "file x 1",
     {"edit x 2", "edit x 3"},
     "x=3|2!",
     -1,
     "resolve x merge",
     "x=2+3"},
    {"edit || edit: manual writes nothing",
     "file x 1",
     {"edit x 2", "edit x 3"},
     "x=3|2!",
     3,
     "resolve x manual",
     "x=3|2!",
     3},
    {"delete || edit: the edit survives with the mode its author saw",
     "file x 1; mode x 6",
     {"rm x", "edit x 2"},
     "x=2{mode=6}^",
     1},
    {"delete || delete", "file x 1; file y 1", {"rm x", "rm x"}, "y=1", 2},
    {"the same edit twice",
     "file x 1",
     {"edit x 2", "edit x 2"},
     "x=2",
     3,
     "edit x 3",
     "x=3",
     2},
    {"delete file || rename: the place stays, and is not seen",
     "file x 1",
     {"rm x", "mv x y"},
     "",
     1},
    {"delete directory || rename: without the deleted children",
     "dir d; file d/x 1",
     {"rm-r d", "mv d e"},
     "e/",
     1},
    {"rename || edit", "file x 1", {"mv x y", "edit x 2"}, "y=2", 2},
    {"delete || rename || edit",
     "file x 1",
     {"rm x", "mv x y", "edit x 2"},
     "y=2",
     2},
    {"rename || rename: the later one, and the next supersedes both",
     "file x 1",
     {"mv x y", "mv x z"},
     "z=1",
     3,
     "mv z w",
     "w=1",
     2},
    {"directory a into b || b into a",
     "dir a; file a/1 p; dir b; file b/2 q",
     {"mv a b/a", "mv b a/b"},
     "b/ b/2=q b/a/ b/a/1=p"},
    {"... then one leaves: the other stays where it was shown",
     "dir a; dir b; dir c",
     {"mv a b/a", "mv b a/b"},
     "b/ b/a/ c/",
     -1,
     "mv b/a c/a",
     "b/ c/ c/a/"},
    {"... then one is removed: the other stays where it was shown",
     "dir a; dir b",
     {"mv a b/a", "mv b a/b"},
     "b/ b/a/",
     -1,
     "rm b/a",
     "b/"},
    {"a ring of three: the latest move falls to the root",
     "dir a; file a/1 p; dir b; dir c",
     {"mv a b/a", "mv b c/b", "mv c a/c"},
     "c/ c/b/ c/b/a/ c/b/a/1=p"},
    {"rmdir || create inside: revived, until its last child goes",
     "dir d; file d/old 1",
     {"rm-r d", "file d/new 2"},
     "d/^ d/new=2",
     -1,
     "rm d/new",
     ""},
    {"rmdir || move inside: dead ancestors too",
     "file x 1; dir d; dir d/e; file d/e/old 2",
     {"rm-r d", "mv x d/e/x"},
     "d/^ d/e/^ d/e/x=1"},
    {"rename directory || create inside",
     "dir d",
     {"mv d e", "file d/x 1"},
     "e/ e/x=1"},
    {"mkdir || mkdir: one row, and a rename acts on both ids",
     "file other 1",
     {"dir d; file d/x 1", "dir d; file d/y 2"},
     "d/ d/x=1 d/y=2 other=1",
     -1,
     "mv d e",
     "e/ e/x=1 e/y=2 other=1"},
    {"mkdir || mkdir: a removal acts on both ids",
     "file other 1",
     {"dir d; file d/x 1", "dir d; file d/y 2"},
     "d/ d/x=1 d/y=2 other=1",
     -1,
     "rm-r d",
     "other=1",
     2},
    {"mkdir || file: the file has its name back when the directory goes",
     "file other 1",
     {"dir d", "file d 2"},
     "d/ d~*=2 other=1",
     -1,
     "rm d",
     "d=2 other=1"},
    {"mode || edit: both", "file x 1", {"mode x 6", "edit x 2"}, "x=2{mode=6}"},
    {"mtime || edit: both",
     "file x 1",
     {"mtime x 9", "edit x 2"},
     "x=2{mtime=9}"},
    {"mode || mode: the later, silently",
     "file x 1",
     {"mode x 6", "mode x 7"},
     "x=1{mode=7}",
     4},
    {"rm -r of many || edit of one",
     "dir d; file d/1 a; file d/2 b; file d/3 c; dir d/e; file d/e/4 f",
     {"rm-r d", "edit d/2 x"},
     "d/^ d/2=x^",
     1},
    {"file || file of one name: one slot",
     "file other 1",
     {"file x 1", "file x 2"},
     "other=1 x=2|1!",
     6,
     "resolve x newest-wins",
     "other=1 x=2",
     4},
    {"file || file of equal bytes: the next edit leaves one item",
     "file other 1",
     {"file x 2", "file x 2"},
     "other=1 x=2",
     6,
     "edit x 3",
     "other=1 x=3",
     4},
    {"type change || edit: a slot of both",
     "file x 1",
     {"tolink x t", "edit x 2"},
     "x=2|t!^"},
    {"type change to a directory || edit: beside it",
     "file x 1",
     {"todir x", "edit x 2"},
     "x/ x~*=2^"},
    {"rename onto a file || edit of that file: both in one slot",
     "file x 1; file y 2",
     {"mv x y", "edit y 3"},
     "y=3|1!^"},
    {"names differing in case or Unicode form are different",
     "file other 1",
     {"file a 1; file \xc3\xa9 1", "file A 2; file e\xcc\x81 2"},
     "A=2 a=1 e\xcc\x81=2 other=1 \xc3\xa9=1"},
};

class TextMerger final : public ContentMerger {
 public:
  std::optional<std::string> Merge(std::string_view first,
                                   std::string_view second) const override {
    return std::string(first) + "+" + std::string(second);
  }
};

Token ReadFrom(const CausalState& state, const std::string& path) {
  const auto token = state.Read(path, false);
  REQUIRE(token.ok());
  INFO(path);
  REQUIRE(*token);
  return **token;
}

// A user with a replica of their own.
class User {
 public:
  User(char letter, const std::vector<Entry>& seen, int hour)
      : replica_(OriginOf(letter), 0), now_ms_(kNow + hour * 3'600'000) {
    for (const Entry& entry : seen) {
      REQUIRE(replica_.Apply(entry, now_ms_)->outcome ==
              ApplyOutcome::kApplied);
    }
  }

  CausalState& state() { return replica_.state(); }
  TestReplica& replica() { return replica_; }

  std::vector<Entry> Do(const std::string& script) {
    std::vector<Entry> made;
    std::istringstream in(script);
    for (std::string action; std::getline(in >> std::ws, action, ';');) {
      std::istringstream words(action);
      std::string verb;
      std::string path;
      std::string value;
      words >> verb >> path >> value;
      INFO(action);
      if (verb == "rm-r") {
        // Two effects each: several entries.
        const auto entries = RemoveTreeEffects(state(), path, 2);
        REQUIRE(entries.ok());
        for (const auto& effects : *entries) Commit(effects, "user", made);
        continue;
      }
      const std::string cause = verb == "resolve" ? "auto:" + value : "user";
      const auto effects = Effects(verb, path, value);
      REQUIRE(effects.ok());
      Commit(*effects, cause, made);
    }
    return made;
  }

 private:
  void Commit(std::vector<Effect> effects, const std::string& cause,
              std::vector<Entry>& made) {
    auto entry = replica_.Commit(std::move(effects), ++now_ms_, cause);
    REQUIRE(replica_.fault() == "");
    if (entry) made.push_back(*std::move(entry));
  }

  absl::StatusOr<std::vector<Effect>> Effects(const std::string& verb,
                                              const std::string& path,
                                              const std::string& value) {
    CausalState& s = state();
    if (verb == "file") {
      return CreateEffects(s, path, ItemKind::kFile, value, {}, 0);
    }
    if (verb == "dir") {
      return CreateEffects(s, path, ItemKind::kDirectory, "", {}, 0);
    }
    if (verb == "resolve") {
      const TextMerger merger;
      return ResolveEffects(s, path, *StrategyFromName(value), &merger);
    }
    const Token seen = ReadFrom(s, path);
    if (verb == "edit") return EditEffects(s, seen, value, {});
    if (verb == "rm") return RemoveEffects(s, seen);
    if (verb == "mv") {
      return RenameEffects(s, seen, value, *s.Read(value, false));
    }
    if (verb == "todir") {
      return RetypeEffects(s, seen, path, ItemKind::kDirectory, "", {});
    }
    if (verb == "tolink") {
      return RetypeEffects(s, seen, path, ItemKind::kSymlink, value, {});
    }
    return AttrEffects(s, seen, verb, value);
  }

  TestReplica replica_;
  std::int64_t now_ms_;
};

// Distinct values, the shown one first.
std::string ValuesOf(const Row& row) {
  std::string text = row.shown_sibling().payload();
  std::set<std::string> others;
  for (const Sibling& sibling : row.siblings) others.insert(sibling.payload());
  others.erase(text);
  for (const std::string& other : others) text += "|" + other;
  return text;
}

std::string Shown(const CausalState& state) {
  static const std::regex kMadeUp("~([0-9TZ]+-)?[0-9a-f]{8}");
  std::string text;
  for (const auto& [path, row] : testing::ListAll(state)) {
    if (!text.empty()) text += " ";
    text += std::regex_replace(path, kMadeUp, "~*");
    if (row.IsDirectory()) {
      text += "/";
    } else {
      text += (row.kind == ItemKind::kSymlink ? "@" : "=") + ValuesOf(row);
    }
    if (row.conflict()) text += "!";
    for (const auto& [key, value] : row.attrs) {
      text += "{" + key + "=" + value + "}";
    }
    if (row.revived) text += "^";
  }
  return text;
}

void Check(const CausalState& state, const std::string& shows, int heads) {
  REQUIRE(Shown(state) == shows);
  REQUIRE(testing::CompareWithNaive(state) == "");
  if (heads < 0) return;
  REQUIRE(state.TakeSnapshot()->heads.size() ==
          static_cast<std::size_t>(heads));
}

using Parts = std::vector<std::vector<Entry>>;

// What somebody sees who is given the parts in this order, as entries and as
// states of those who made them.
void Deliver(const Case& row, const std::vector<Entry>& before,
             const Parts& parts, const std::vector<std::size_t>& order,
             const std::vector<Entry>& then) {
  std::string way;
  for (const std::size_t i : order) way += static_cast<char>('A' + i);
  INFO("in order " << way);
  User observer('d', before, 9);
  User joiner('e', {}, 9);
  for (const std::size_t i : order) {
    User author('f', before, 9);
    for (const Entry& entry : parts[i]) {
      REQUIRE(observer.replica().Apply(entry, kNow)->outcome ==
              ApplyOutcome::kApplied);
      REQUIRE(testing::CompareWithNaive(observer.state()) == "");
      REQUIRE(author.replica().Apply(entry, kNow).ok());
    }
    REQUIRE(joiner.replica().Join(*author.state().TakeSnapshot(), kNow).ok());
  }
  Check(observer.state(), row.shows, row.heads);
  Check(joiner.state(), row.shows, row.heads);
  if (row.then == nullptr) return;
  for (const Entry& entry : then) {
    REQUIRE(observer.replica().Apply(entry, kNow).ok());
  }
  Check(observer.state(), row.shows_then, row.heads_then);
}

void RunCase(const Case& row) {
  INFO(row.name);
  User first('a', {}, 0);
  const std::vector<Entry> before = first.Do(row.before);
  Parts parts;
  std::vector<std::size_t> order;
  for (const char* script : row.apart) {
    const int number = static_cast<int>(parts.size());
    // Each an hour after the one before: the last is the latest.
    User author(static_cast<char>('a' + number), before, 1 + number);
    order.push_back(parts.size());
    parts.push_back(author.Do(script));
  }
  std::vector<Entry> then;
  if (row.then != nullptr) {
    std::vector<Entry> all = before;
    for (const auto& part : parts) {
      all.insert(all.end(), part.begin(), part.end());
    }
    User last('a', all, 8);
    then = last.Do(row.then);
  }
  do {
    Deliver(row, before, parts, order, then);
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_CASE("case table: every row, in every order", "[state][table]") {
  for (const Case& row : kCases) RunCase(row);
}

TEST_CASE("case table: rm -r of many removes children first",
          "[state][table]") {
  User author('a', {}, 0);
  const auto before = author.Do(
      "dir d; file d/1 a; file d/2 b; file d/3 c; dir d/e; file d/e/4 f");
  const auto removal = author.Do("rm-r d");
  REQUIRE(removal.size() == 3);
  User observer('b', before, 0);
  for (const Entry& entry : removal) {
    REQUIRE(observer.replica().Apply(entry, kNow).ok());
    // Nothing that is left ever needs a parent that is gone.
    REQUIRE(Shown(observer.state()).find('^') == std::string::npos);
  }
  REQUIRE(Shown(observer.state()) == "");
}

}  // namespace
}  // namespace syncline
