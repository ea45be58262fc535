// Directories that are moved into one another, and names that become something
// else, on several devices at once.
//
// SYNCLINE_FILES raises the numbers beyond what every run of the tests does
// (docs/testing.md).

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <set>

#include "base/hash.h"
#include "base/random.h"
#include "tests/e2e/devices.h"
#include "tests/testing/setting.h"

namespace syncline::testing {
namespace {

namespace fs = std::filesystem;

std::multiset<std::string> FilesOf(const fs::path& root) {
  std::multiset<std::string> files;
  for (const auto& [path, what] : DescribeTree(root)) {
    if (what != "directory") files.insert(what);
  }
  return files;
}

// What all devices together have received since they serve.
std::uint64_t Received(const Devices& devices) {
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < devices.count(); ++i) {
    const boost::json::value status = devices.Json(i, {"status"});
    for (const auto& peer : status.at("peers").as_array()) {
      bytes += peer.at("received_bytes").to_number<std::uint64_t>();
    }
  }
  return bytes;
}

TEST_CASE("moves: directories moved into one another keep every file",
          "[e2e]") {
  const std::uint64_t files = Setting("SYNCLINE_FILES", 100);
  constexpr std::size_t kBytes = 64 << 10;
  SeededRandom random(1);
  Devices devices(3, {.folders = true});
  const fs::path first = devices.Dir(0);
  for (const char* dir : {"a", "b"}) {
    fs::create_directory(first / dir);
    for (std::uint64_t i = 0; i < files; ++i) {
      WriteFile(first / dir / std::to_string(i), random.Bytes(kBytes));
    }
  }
  const std::multiset<std::string> before = FilesOf(first);
  devices.Share();
  devices.RequireSound();
  devices.Part();
  fs::rename(first / "a", first / "b" / "a");
  fs::rename(devices.Dir(1) / "b", devices.Dir(1) / "a" / "b");
  fs::create_directory(devices.Dir(2) / "c");
  for (const char* dir : {"a", "b"}) {
    fs::rename(devices.Dir(2) / dir, devices.Dir(2) / "c" / dir);
  }
  devices.Heal();
  devices.RequireSound();
  CHECK(FilesOf(first) == before);
  // Names went over, content did not.
  CHECK(Received(devices) < 2 * files * kBytes / 100);
}

TEST_CASE("moves: one name is a directory and a file and a link", "[e2e]") {
  Devices devices(3, {.folders = true});
  devices.Share();
  const auto others = [&](const std::string& when) {
    for (std::size_t i = 0; i < 3; ++i) {
      WriteFile(devices.Dir(i) / ("other-" + std::to_string(i)), when);
    }
  };
  devices.Part();
  fs::create_directory(devices.Dir(0) / "x");
  WriteFile(devices.Dir(0) / "x" / "child", "in the directory");
  WriteFile(devices.Dir(1) / "x", "the file");
  fs::create_symlink("the-target", devices.Dir(2) / "x");
  others("once");
  devices.Heal();
  devices.RequireSound();
  const std::multiset<std::string> found = FilesOf(devices.Dir(0));
  CHECK(found.count("symlink the-target") == 1);
  CHECK(found.size() == 3 + 3);
  // One has the name; the others' say whose they are.
  const std::vector<std::string> names = devices.Names(0);
  CHECK(std::count(names.begin(), names.end(), "x") == 1);
  CHECK(names.size() == 3 + 3);

  devices.Part();
  fs::remove_all(devices.Dir(0) / "x");
  WriteFile(devices.Dir(0) / "x", "now a file");
  fs::remove_all(devices.Dir(1) / "x");
  fs::create_symlink("another-target", devices.Dir(1) / "x");
  others("again");
  devices.Heal();
  devices.RequireSound();
  // Each is shown; or, where two had resolved before they met, kept with the
  // conflict.
  std::set<std::string> kept;
  std::set<std::string> shown;
  for (const auto& [path, values] : devices.Values(2, true)) {
    kept.insert(values.begin(), values.end());
  }
  for (const auto& [path, what] : DescribeTree(devices.Dir(2))) {
    if (what.starts_with("symlink ")) {
      shown.insert(Sha256(what.substr(std::string("symlink ").size())).ToHex());
    } else if (what != "directory") {
      shown.insert(Sha256(ReadFile(devices.Dir(2) / path)).ToHex());
    }
  }
  const std::string file = Sha256("now a file").ToHex();
  const std::string link = Sha256("another-target").ToHex();
  CHECK((shown.contains(file) || shown.contains(link)));
  CHECK((shown.contains(file) || kept.contains(file)));
  CHECK((shown.contains(link) || kept.contains("symlink 14")));
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(ReadFile(devices.Dir(0) / ("other-" + std::to_string(i))) == "again");
  }
}

}  // namespace
}  // namespace syncline::testing
