// Three devices edit the same files apart, under every strategy, and under
// every two that two of them set apart for the same file.

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/hash.h"
#include "tests/e2e/devices.h"

namespace syncline::testing {
namespace {

constexpr std::size_t kDevices = 3;
const std::vector<std::string>& Strategies() {
  static const std::vector<std::string> kAll = {
      "local-wins", "remote-wins", "newest-wins", "keep-both",
      "merge",      "manual",      "skip"};
  return kAll;
}
bool WaitsForPeople(const std::string& strategy) {
  return strategy == "manual" || strategy == "skip";
}

std::string Edit(const std::string& file, std::size_t device) {
  return file + ", as device " + std::to_string(device) + " has it\n";
}

// Files with a strategy of their own, and those that two set apart.
std::string FileOf(const std::string& strategy) { return strategy + ".txt"; }
std::string FileOf(const std::string& first, const std::string& second) {
  return first + "-or-" + second + ".txt";
}
std::vector<std::string> Files() {
  std::vector<std::string> files;
  for (const std::string& first : Strategies()) {
    files.push_back(FileOf(first));
    for (const std::string& second : Strategies()) {
      files.push_back(FileOf(first, second));
    }
  }
  return files;
}

void Set(const Devices& devices, std::size_t device,
         const std::string& strategy, const std::string& file) {
  devices.Must(device, {"strategy", "p", strategy, "--path", file});
}

// Of everything that is shown on a device.
std::set<std::string> Shown(const Devices& devices, std::size_t device) {
  std::set<std::string> hashes;
  for (const std::string& name : devices.Names(device)) {
    hashes.insert(Sha256(ReadFile(devices.Dir(device) / name)).ToHex());
  }
  return hashes;
}

TEST_CASE("strategies: each, and every two, end equal with nothing lost",
          "[e2e]") {
  Devices devices(kDevices, {.folders = true});
  for (const std::string& file : Files()) {
    WriteFile(devices.Dir(0) / file, "first\n");
  }
  devices.Share();
  for (const std::string& strategy : Strategies()) {
    Set(devices, 0, strategy, FileOf(strategy));
  }
  devices.Converge();
  devices.Part();
  for (const std::string& first : Strategies()) {
    for (const std::string& second : Strategies()) {
      Set(devices, 0, first, FileOf(first, second));
      Set(devices, 1, second, FileOf(first, second));
    }
  }
  for (std::size_t device = 0; device < kDevices; ++device) {
    for (const std::string& file : Files()) {
      WriteFile(devices.Dir(device) / file, Edit(file, device));
    }
  }
  devices.Heal();
  CHECK(devices.Automatic(0) <= kDevices * kDevices * Files().size());

  const auto open = devices.Values(0, false);
  // Who settles what it knows of a conflict has all versions of that, also
  // where others have one of them no more: for them it goes on.
  std::map<std::string, std::set<std::string>> kept;
  for (std::size_t device = 0; device < kDevices; ++device) {
    for (const bool ended : {false, true}) {
      for (const auto& [file, hashes] : devices.Values(device, ended)) {
        kept[file].insert(hashes.begin(), hashes.end());
      }
    }
  }
  const std::set<std::string> shown = Shown(devices, 0);
  for (const std::string& file : Files()) {
    for (std::size_t device = 0; device < kDevices; ++device) {
      const std::string hash = Sha256(Edit(file, device)).ToHex();
      INFO(file << ", device " << device);
      CHECK((shown.contains(hash) || kept[file].contains(hash)));
    }
  }
  for (const std::string& strategy : Strategies()) {
    INFO(strategy);
    const bool waits = WaitsForPeople(strategy);
    CHECK(open.contains(FileOf(strategy)) == waits);
    if (waits) CHECK(open.at(FileOf(strategy)).size() == kDevices);
    // Both set the same.
    CHECK(open.contains(FileOf(strategy, strategy)) == waits);
  }
  const auto text = [&](std::size_t device, const std::string& name) {
    return ReadFile(devices.Dir(device) / name);
  };
  for (std::size_t device = 0; device < kDevices; ++device) {
    INFO("device " << device);
    CHECK(devices.Values(device, false) == open);
    CHECK(devices.Run(device, {"verify"}).exit_code == 0);
    // Folders differ only where nobody touches what people are to look at.
    CHECK(text(device, FileOf("skip")) == Edit(FileOf("skip"), device));
    CHECK(devices.Names(device) == devices.Names(0));
    for (const std::string& name : devices.Names(0)) {
      if (!open.contains(name)) CHECK(text(device, name) == text(0, name));
    }
    CHECK(text(device, FileOf("manual")) == text(0, FileOf("manual")));
  }
}

}  // namespace
}  // namespace syncline::testing
