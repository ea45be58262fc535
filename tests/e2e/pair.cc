#include "tests/e2e/pair.h"

#include <algorithm>
#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include "base/random.h"

namespace syncline::testing {
namespace {

namespace fs = std::filesystem;

std::string Trimmed(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

std::string RandomText(SeededRandom& random, std::size_t bytes) {
  // Half of it repeats, as sources do.
  std::string text = random.Bytes(bytes / 2 + 1);
  while (text.size() < bytes) text += "static const int kValue = 42;\n";
  text.resize(bytes);
  return text;
}

}  // namespace

Pair::Pair() {
  for (const fs::path& dir : {home_a(), home_b(), dir_a(), dir_b()}) {
    fs::create_directory(dir);
  }
  Must(home_a(), {"init", "--name", "device-a"});
  Must(home_b(), {"init", "--name", "device-b"});
  StartA();
  StartB();
}

void Pair::StartA() {
  a_ = std::make_unique<ServingNode>(home_a(), address_a_);
  REQUIRE(a_->ready());
  address_a_ = a_->address();
}

void Pair::StartB() {
  b_ = std::make_unique<ServingNode>(home_b(), "127.0.0.1:0");
  REQUIRE(b_->ready());
}

void Pair::Share() {
  Must(home_a(), {"add", dir_a(), "--project", "tree"});
  Join();
}

void Pair::Join() {
  const std::string code = Trimmed(
      Must(home_a(), {"device", "invite", "tree", "--address", address_a_}));
  Must(home_b(), {"device", "join", code, "--dir", dir_b()});
}

std::string Pair::Must(const fs::path& home,
                       const std::vector<std::string>& args) {
  const CommandResult result = RunSyncline(home, args);
  std::string words;
  for (const std::string& arg : args) words += " " + arg;
  INFO("syncline" << words << "\n" << result.out << result.err);
  REQUIRE(result.exit_code == 0);
  return result.out;
}

bool Pair::Settle() {
  // Two rounds: what the second side learnt may be news for the first.
  for (int round = 0; round < 2; ++round) {
    for (const fs::path& home : {home_a(), home_b()}) {
      const CommandResult result =
          RunSyncline(home, {"wait", "--timeout", "900", "tree"});
      // 1: done, but there are conflicts to look at.
      if (result.exit_code > 1) {
        UNSCOPED_INFO("wait: " << result.exit_code << " " << result.err);
        return false;
      }
    }
  }
  return true;
}

void CheckRefused(const CommandResult& result, int exit_code,
                  std::string_view part) {
  INFO(result.out << result.err);
  CHECK(result.exit_code == exit_code);
  CHECK(result.err.starts_with("syncline: "));
  CHECK(result.err.find(part) != std::string::npos);
  CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
}

std::uint64_t Pair::Head(const fs::path& home) {
  const boost::json::value status =
      boost::json::parse(Must(home, {"status", "--json"}));
  return status.at("projects")
      .at(0)
      .at("log")
      .at("head")
      .to_number<std::uint64_t>();
}

void MakeTree(const fs::path& root, int files, std::uint64_t seed) {
  SeededRandom random(seed);
  std::vector<fs::path> dirs = {root};
  for (int i = 0; i < files / 40 + 1; ++i) {
    const fs::path dir =
        dirs[random.Below(dirs.size())] / ("dir" + std::to_string(i));
    fs::create_directories(dir);
    dirs.push_back(dir);
  }
  fs::create_directories(dirs.back() / "empty");
  for (int i = 0; i < files; ++i) {
    const fs::path path =
        dirs[random.Below(dirs.size())] / ("file" + std::to_string(i) + ".txt");
    const std::uint64_t kind = random.Below(100);
    if (kind == 0) {
      fs::create_symlink("file" + std::to_string(random.Below(100)), path);
      continue;
    }
    // Most files are small, one in a hundred takes many chunks.
    std::size_t bytes = random.Below(16000);
    if (kind == 1) bytes = 0;
    if (kind == 2) bytes = 100000 + random.Below(400000);
    WriteFile(path, RandomText(random, bytes));
    if (kind < 8) {
      fs::permissions(path, fs::perms::owner_exec, fs::perm_options::add);
    }
  }
}

}  // namespace syncline::testing
