// Checks on the source tree that CMake and the compiler cannot make: the tower
// of folders, libraries that stay in their folder, clocks and randomness that
// stay in base, and the sizes of files and functions.

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

struct Source {
  std::string path;  // From the root.
  std::vector<std::string> lines;
};

// Each folder, and the folders that it may include besides itself.
const std::map<std::string, std::vector<std::string>>& Tower() {
  static const std::map<std::string, std::vector<std::string>> kTower = {
      {"base", {}},
      {"clock", {"base"}},
      {"kv", {"base"}},
      {"log", {"base", "clock", "kv"}},
      {"proto", {"base", "clock", "kv", "log"}},
      {"replication", {"base", "clock", "kv", "log", "proto"}},
      {"node", {"base", "clock", "kv", "log", "proto", "replication"}},
  };
  return kTower;
}

std::string TopFolder(const std::string& path) {
  return path.substr(0, path.find('/'));
}

const std::vector<Source>& Sources() {
  static const std::vector<Source> kSources = [] {
    std::vector<Source> sources;
    const fs::path root = SYNCLINE_SOURCE_DIR;
    std::vector<std::string> folders = {"tests", "bench", "examples"};
    for (const auto& [folder, below] : Tower()) folders.push_back(folder);
    for (const std::string& folder : folders) {
      for (const auto& file : fs::recursive_directory_iterator(root / folder)) {
        const std::string extension = file.path().extension();
        if (extension != ".h" && extension != ".cc") continue;
        Source source;
        source.path = fs::relative(file.path(), root);
        std::ifstream in(file.path());
        for (std::string line; std::getline(in, line);) {
          source.lines.push_back(line);
        }
        sources.push_back(std::move(source));
      }
    }
    return sources;
  }();
  return kSources;
}

bool InTower(const Source& source) {
  return Tower().contains(TopFolder(source.path));
}

// "path:line: text" for every line of the tower that matches.
std::string Matches(const std::regex& pattern,
                    const std::vector<std::string>& allowed) {
  std::ostringstream found;
  for (const Source& source : Sources()) {
    bool exempt = !InTower(source);
    for (const std::string& prefix : allowed) {
      exempt |= source.path.starts_with(prefix);
    }
    if (exempt) continue;
    for (std::size_t i = 0; i < source.lines.size(); ++i) {
      if (std::regex_search(source.lines[i], pattern)) {
        found << source.path << ":" << i + 1 << ": " << source.lines[i] << "\n";
      }
    }
  }
  return found.str();
}

// Function bodies, by the style's layout: they end with a "}" (or "  }" inside
// a class) at the indentation that opened them.
std::string LongFunctions(const Source& source, std::size_t most) {
  std::ostringstream found;
  for (std::size_t i = 0; i < source.lines.size(); ++i) {
    const std::string& line = source.lines[i];
    const std::size_t indent = line.find_first_not_of(' ');
    if (indent > 2 || !line.ends_with("{") || line.starts_with("namespace") ||
        line.find('(') == std::string::npos) {
      continue;
    }
    const std::string close = std::string(indent, ' ') + "}";
    for (std::size_t j = i + 1; j < source.lines.size(); ++j) {
      if (!source.lines[j].starts_with(close)) continue;
      if (j - i > most) {
        found << source.path << ":" << i + 1 << ": " << j - i << " lines\n";
      }
      break;
    }
  }
  return found.str();
}

TEST_CASE("tidy: there are sources to check", "[tidy]") {
  CHECK(Sources().size() > 30);
}

TEST_CASE("tidy: no folder includes what stands above it", "[tidy]") {
  const std::regex include(R"re(^#include "([a-z_]+)/)re");
  std::ostringstream found;
  for (const Source& source : Sources()) {
    if (!InTower(source)) continue;
    const std::string folder = TopFolder(source.path);
    for (const std::string& line : source.lines) {
      std::smatch match;
      if (!std::regex_search(line, match, include)) continue;
      const std::string target = match[1];
      const auto& below = Tower().at(folder);
      const bool ours = Tower().contains(target) || target == "tests";
      if (ours && target != folder &&
          std::find(below.begin(), below.end(), target) == below.end()) {
        found << source.path << ": " << line << "\n";
      }
    }
  }
  CHECK(found.str() == "");
}

TEST_CASE("tidy: the wings of replication do not include each other",
          "[tidy]") {
  CHECK(
      Matches(std::regex(R"re(#include "replication/(peer|mirror|remote)/)re"),
              {"replication/peer/", "replication/mirror/",
               "replication/remote/", "node/"}) == "");
  std::ostringstream found;
  for (const Source& source : Sources()) {
    for (const std::string& line : source.lines) {
      const bool crosses =
          (source.path.starts_with("replication/peer/") &&
           line.starts_with("#include \"replication/mirror/")) ||
          (source.path.starts_with("replication/mirror/") &&
           line.starts_with("#include \"replication/peer/")) ||
          (source.path.starts_with("replication/state/") &&
           line.starts_with("#include \"replication/") &&
           !line.starts_with("#include \"replication/state/"));
      if (crosses) found << source.path << ": " << line << "\n";
    }
  }
  CHECK(found.str() == "");
}

TEST_CASE("tidy: libraries stay in their folders", "[tidy]") {
  CHECK(Matches(std::regex(R"(#include [<"](kj|capnp)/)"),
                {"proto/", "replication/peer/", "node/"}) == "");
  CHECK(Matches(std::regex(R"(#include <rocksdb/)"), {"kv/"}) == "");
  CHECK(Matches(std::regex(R"(#include <boost/beast)"), {"node/gateway/"}) ==
        "");
  CHECK(Matches(std::regex(R"(#include <git2)"),
                {"replication/text_merge.cc"}) == "");
  CHECK(Matches(std::regex(R"(#include <catch2/)"), {}) == "");
}

TEST_CASE("tidy: clocks and randomness are parameters", "[tidy]") {
  CHECK(Matches(std::regex(R"(clock::now\(|std::random_device|\brand\(\)|)"
                           R"(gettimeofday|clock_gettime)"),
                {"base/system_time.cc", "base/random.cc"}) == "");
  CHECK(Matches(std::regex(R"(std::chrono::.*::now\()"),
                {"base/system_time.cc"}) == "");
}

TEST_CASE("tidy: exceptions are caught at the boundary only", "[tidy]") {
  CHECK(Matches(std::regex(R"(\bcatch \()"),
                {"proto/kj_status.cc", "node/cli/main.cc"}) == "");
}

TEST_CASE("tidy: lines are at most 80 columns and files within budget",
          "[tidy]") {
  std::ostringstream found;
  for (const Source& source : Sources()) {
    if (!InTower(source)) continue;
    const std::size_t most = source.path.ends_with(".h") ? 300 : 600;
    if (source.lines.size() > most) {
      found << source.path << ": " << source.lines.size() << " lines\n";
    }
    for (std::size_t i = 0; i < source.lines.size(); ++i) {
      if (source.lines[i].size() > 80 &&
          source.lines[i].find("://") == std::string::npos &&
          source.lines[i].find("R\"") == std::string::npos) {
        found << source.path << ":" << i + 1 << ": " << source.lines[i].size()
              << " columns\n";
      }
    }
  }
  CHECK(found.str() == "");
}

TEST_CASE("tidy: functions are at most 70 lines", "[tidy]") {
  std::string found;
  for (const Source& source : Sources()) {
    if (InTower(source)) found += LongFunctions(source, 70);
  }
  CHECK(found == "");
}

TEST_CASE("tidy: headers are guarded by pragma once", "[tidy]") {
  std::ostringstream found;
  for (const Source& source : Sources()) {
    if (!source.path.ends_with(".h")) continue;
    bool guarded = false;
    for (const std::string& line : source.lines) {
      guarded |= line == "#pragma once";
    }
    if (!guarded) found << source.path << "\n";
  }
  CHECK(found.str() == "");
}

}  // namespace
