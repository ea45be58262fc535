#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/mirror/mirror_rig.h"
#include "tests/testing/temporary_directory.h"

namespace syncline::testing {
namespace {

namespace fs = std::filesystem;

using Listing = std::map<std::string, std::string>;

std::string Differences(const Listing& left, const Listing& right) {
  std::string out;
  for (const auto& [path, line] : left) {
    const auto other = right.find(path);
    if (other == right.end()) {
      out += path + ": left only\n";
    } else if (other->second != line) {
      out += path + ": " + line.substr(0, 40) +
             " != " + other->second.substr(0, 40) + "\n";
    }
  }
  for (const auto& [path, line] : right) {
    if (!left.contains(path)) out += path + ": right only\n";
  }
  return out;
}

// Two devices with equal folders: d/f1, d/f2, e/g, top.
struct Pair {
  TemporaryDirectory temp;
  Device a{temp.path() / "a", "a"};
  Device b{temp.path() / "b", "b"};

  Pair() {
    a.Settle();
    b.Settle();
    fs::create_directories(a.dir() / "d");
    fs::create_directories(a.dir() / "e");
    WriteFile(a.dir() / "d" / "f1", "f1");
    WriteFile(a.dir() / "d" / "f2", std::string(400'000, 'z'));
    WriteFile(a.dir() / "e" / "g", "g");
    WriteFile(a.dir() / "top", "top");
    fs::permissions(a.dir() / "top", fs::perms::owner_exec,
                    fs::perm_options::add);
    REQUIRE(a.Sweep().ok());
    Meet();
  }

  // Both tell what is on their disks, then exchange everything.
  void Meet() {
    REQUIRE(a.Sweep().ok());
    REQUIRE(b.Sweep().ok());
    Exchange(a, b);
    CHECK(Differences(a.Folder(), b.Folder()) == "");
    CHECK(Differences(a.View(), b.View()) == "");
    CHECK(a.mirror().status().errors.empty());
    CHECK(b.mirror().status().errors.empty());
    CHECK(Differences(a.Folder(), a.View()) == "");
    CHECK(Differences(b.Folder(), b.View()) == "");
    const std::uint64_t heads = a.head() + b.head();
    REQUIRE(a.Sweep().ok());
    REQUIRE(b.Sweep().ok());
    REQUIRE(a.Sweep().ok());
    CHECK(a.head() + b.head() == heads);  // Quiet.
  }

  std::multiset<std::string> Contents() {
    std::multiset<std::string> contents;
    for (const auto& [path, line] : Plain(a.Folder())) {
      if (line.starts_with("file")) contents.insert(line.substr(5));
    }
    return contents;
  }
};

TEST_CASE("mirror_pair: trees are equal and then quiet", "[mirror][e2e]") {
  Pair pair;
  CHECK(pair.b.Folder().size() == 6);
  CHECK(Plain(pair.b.Folder()).at("top") == "file exec top");
}

TEST_CASE("mirror_pair: an edit arrives with mode and time", "[mirror][e2e]") {
  Pair pair;
  WriteFile(pair.b.dir() / "d" / "f1", "from b");
  fs::permissions(pair.b.dir() / "d" / "f1", fs::perms::owner_exec,
                  fs::perm_options::add);
  pair.Meet();
  CHECK(Plain(pair.a.Folder()).at("d/f1") == "file exec from b");
  WriteFile(pair.a.dir() / "d" / "f1", "and back");
  pair.Meet();
  CHECK(Plain(pair.b.Folder()).at("d/f1") == "file exec and back");
}

TEST_CASE("mirror_pair: two edits of one file are both kept on both",
          "[mirror][e2e]") {
  Pair pair;
  WriteFile(pair.a.dir() / "top", "mine");
  WriteFile(pair.b.dir() / "top", "theirs");
  pair.Meet();
  const auto contents = pair.Contents();
  CHECK(contents.contains("exec mine"));
  CHECK(contents.contains("exec theirs"));
  CHECK(pair.a.Folder().size() == 7);
}

TEST_CASE("mirror_pair: an edit wins over a removal", "[mirror][e2e]") {
  Pair pair;
  WriteFile(pair.a.dir() / "top", "edited");
  fs::remove(pair.b.dir() / "top");
  pair.Meet();
  CHECK(Plain(pair.b.Folder()).at("top") == "file exec edited");
}

TEST_CASE("mirror_pair: an edit follows a rename", "[mirror][e2e]") {
  Pair pair;
  WriteFile(pair.a.dir() / "d" / "f1", "edited");
  fs::rename(pair.b.dir() / "d", pair.b.dir() / "renamed");
  pair.Meet();
  CHECK(Plain(pair.a.Folder()).at("renamed/f1") == "file edited");
  CHECK_FALSE(pair.a.Folder().contains("d"));
}

TEST_CASE("mirror_pair: a new file keeps a directory that was removed",
          "[mirror][e2e]") {
  Pair pair;
  WriteFile(pair.a.dir() / "d" / "new", "new");
  fs::remove_all(pair.b.dir() / "d");
  pair.Meet();
  CHECK(Plain(pair.a.Folder()) ==
        std::map<std::string, std::string>{{"d", "dir "},
                                           {"d/new", "file new"},
                                           {"e", "dir "},
                                           {"e/g", "file g"},
                                           {"top", "file exec top"}});
}

TEST_CASE("mirror_pair: crossed directory moves lose no file",
          "[mirror][e2e]") {
  Pair pair;
  const auto before = pair.Contents();
  fs::rename(pair.a.dir() / "d", pair.a.dir() / "e" / "d");
  fs::rename(pair.b.dir() / "e", pair.b.dir() / "d" / "e");
  pair.Meet();
  CHECK(pair.Contents() == before);
}

TEST_CASE("mirror_pair: a file and a directory of one name", "[mirror][e2e]") {
  Pair pair;
  WriteFile(pair.a.dir() / "x", "file");
  fs::create_directory(pair.b.dir() / "x");
  WriteFile(pair.b.dir() / "x" / "in", "in");
  pair.Meet();
  const auto folder = Plain(pair.a.Folder());
  CHECK(folder.at("x") == "dir ");
  CHECK(folder.at("x/in") == "file in");
  CHECK(pair.Contents().contains("file"));
  fs::remove_all(pair.b.dir() / "x");  // The file gets its name back.
  pair.Meet();
  CHECK(Plain(pair.a.Folder()).at("x") == "file file");
}

TEST_CASE("mirror_pair: swapped names and rings arrive", "[mirror][e2e]") {
  Pair pair;
  const fs::path dir = pair.a.dir();
  fs::rename(dir / "d", dir / "t");
  fs::rename(dir / "e", dir / "d");
  fs::rename(dir / "t", dir / "e");
  pair.Meet();
  CHECK(Plain(pair.b.Folder()).at("d/g") == "file g");
  CHECK(Plain(pair.b.Folder()).at("e/f1") == "file f1");
}

TEST_CASE("mirror_pair: kinds that change arrive", "[mirror][e2e]") {
  Pair pair;
  const fs::path dir = pair.a.dir();
  fs::remove_all(dir / "d");
  WriteFile(dir / "d", "a file now");
  fs::remove(dir / "top");
  fs::create_symlink("d", dir / "top");
  fs::remove_all(dir / "e");
  pair.Meet();
  CHECK(Plain(pair.b.Folder()) ==
        std::map<std::string, std::string>{{"d", "file a file now"},
                                           {"top", "link d"}});
}

TEST_CASE("mirror_pair: equal folders are linked without conflict copies",
          "[mirror][e2e]") {
  TemporaryDirectory temp;
  for (const char* name : {"a", "b"}) {
    const fs::path dir = temp.path() / name / "folder";
    fs::create_directories(dir / "s");
    WriteFile(dir / "s" / "same", "same");
    WriteFile(dir / "differs", name);
    WriteFile(dir / (std::string("only-") + name), "");
  }
  Device a(temp.path() / "a", "a");
  Device b(temp.path() / "b", "b");
  a.Settle();
  b.Settle();
  Exchange(a, b);
  CHECK(a.Folder() == b.Folder());
  CHECK(a.Folder() == a.View());
  const auto folder = Plain(a.Folder());
  CHECK(folder.size() == 6);  // s, s/same, 2 x differs, 2 x only.
  CHECK(folder.at("s/same") == "file same");
}

TEST_CASE("mirror_pair: a folder linked to what the project has takes it over",
          "[mirror][e2e]") {
  Pair pair;
  Device::Options late;
  late.start = false;
  const fs::path dir = pair.temp.path() / "c" / "folder";
  fs::create_directories(dir / "d");
  WriteFile(dir / "d" / "f1", "f1");
  Device c(pair.temp.path() / "c", "c", late);
  c.PullFrom(pair.a);
  const std::uint64_t head = c.head();
  c.StartMirror();
  c.Settle();
  CHECK(c.head() == head);  // Nothing was told: it is all known.
  CHECK(c.Folder() == pair.a.Folder());
}

TEST_CASE("mirror_pair: an open conflict under skip leaves the disk alone",
          "[mirror][e2e]") {
  TemporaryDirectory temp;
  Device::Options skip;
  skip.strategy = Strategy::kSkip;
  Device a(temp.path() / "a", "a", skip);
  Device b(temp.path() / "b", "b", skip);
  a.Settle();
  b.Settle();
  WriteFile(a.dir() / "f", "mine");
  WriteFile(b.dir() / "f", "theirs");
  REQUIRE(a.Sweep().ok());
  REQUIRE(b.Sweep().ok());
  Exchange(a, b);
  CHECK(ReadWhole(a.dir() / "f") == "mine");
  CHECK(ReadWhole(b.dir() / "f") == "theirs");
  CHECK(a.View() == b.View());
}

// Random users on both sides, who meet now and then.
TEST_CASE("mirror_pair: random work on two disks converges", "[mirror][sim]") {
  const char* const more = std::getenv("SYNCLINE_SEEDS");  // Long runs.
  const int seeds = more != nullptr ? std::atoi(more) : 8;
  const std::uint64_t seed = GENERATE_COPY(range(1, seeds + 1));
  CAPTURE(seed);
  SeededRandom random(seed);
  Pair pair;
  int next = 0;
  const auto work = [&](const fs::path& root) {
    std::vector<fs::path> dirs{root};
    std::vector<fs::path> all;
    for (auto it = fs::recursive_directory_iterator(root);
         it != fs::recursive_directory_iterator(); ++it) {
      if (it->path().filename().string().starts_with(".syncline")) {
        it.disable_recursion_pending();
        continue;
      }
      if (it->is_directory()) dirs.push_back(it->path());
      all.push_back(it->path());
    }
    std::sort(dirs.begin(), dirs.end());
    std::sort(all.begin(), all.end());
    const char* const names[] = {"a", "b", "c", "d"};
    const fs::path to =
        dirs[random.Below(dirs.size())] / names[random.Below(4)];
    const fs::path any = all.empty() ? root : all[random.Below(all.size())];
    std::error_code ignored;
    switch (random.Below(6)) {
      case 0:
        fs::create_directory(to, ignored);
        return;
      case 1:
      case 2:
        if (!fs::is_directory(to)) {
          WriteFile(to, "v" + std::to_string(next++));
        }
        return;
      case 3:
        if (any != root && random.Below(3) == 0) fs::remove_all(any, ignored);
        return;
      default:
        if (any != root && !fs::exists(to)) fs::rename(any, to, ignored);
    }
  };
  for (int round = 0; round < 6; ++round) {
    for (int i = 0; i < 5; ++i) work(pair.a.dir());
    for (int i = 0; i < 5; ++i) work(pair.b.dir());
    if (round % 2 == 0) {  // Tell, but do not meet.
      REQUIRE(pair.a.Sweep().ok());
      continue;
    }
    CAPTURE(round);
    pair.Meet();
  }
}

}  // namespace
}  // namespace syncline::testing
