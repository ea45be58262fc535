#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/testing/process.h"
#include "tests/testing/temporary_directory.h"

// Scenarios of concurrent changes with real processes. A partition is made by
// nobody serving: the program changes the project in each home by itself.

namespace syncline::testing {
namespace {

// Devices that share one project; the first knows all others.
class Devices {
 public:
  explicit Devices(std::size_t count) : count_(count) {
    Must(0, {"project", "create", "p"});
    Serve(0);
    for (std::size_t i = 1; i < count; ++i) {
      std::string code = Must(0, {"device", "invite", "p"});
      code.pop_back();
      Serve(i);
      Must(i, {"device", "join", code});
    }
    Converge();
  }

  [[nodiscard]] std::filesystem::path Home(std::size_t device) const {
    return temp_ / ("home-" + std::to_string(device));
  }
  CommandResult Run(std::size_t device, const std::vector<std::string>& args,
                    std::string_view input = {}) const {
    return RunSyncline(Home(device), args, input);
  }
  std::string Must(std::size_t device, const std::vector<std::string>& args,
                   std::string_view input = {}) const {
    const CommandResult result = Run(device, args, input);
    INFO(device << " " << args[0] << ": " << result.out << result.err);
    REQUIRE(result.exit_code == 0);
    return result.out;
  }
  std::string Cat(std::size_t device, const std::string& path) const {
    return Must(device, {"cat", "p", path});
  }
  // Paths and kinds of the whole tree.
  std::string Tree(std::size_t device) const {
    return Must(device, {"tree", "p"});
  }
  std::vector<std::string> Names(std::size_t device) const {
    std::vector<std::string> names;
    const boost::json::value list = Json(device, {"ls", "p"});
    for (const auto& each : list.as_array()) {
      names.emplace_back(each.at("path").as_string().c_str());
    }
    return names;
  }
  boost::json::value Json(std::size_t device,
                          std::vector<std::string> args) const {
    args.emplace_back("--json");
    return boost::json::parse(Must(device, args));
  }
  // The types of changes at `path` in a device's log.
  std::string Changes(std::size_t device, const std::string& path) const {
    std::string types;
    const std::string lines = Must(device, {"log", "p", "--json"});
    for (std::size_t at = 0; at < lines.size();) {
      const std::size_t end = lines.find('\n', at);
      const auto record = boost::json::parse(lines.substr(at, end - at));
      for (const auto& change : record.at("changes").as_array()) {
        if (change.at("path").as_string() != path.c_str()) continue;
        types += change.at("type").as_string().c_str();
        types += " ";
      }
      at = end + 1;
    }
    return types;
  }

  // All devices lose one another.
  void Part() {
    for (std::size_t i = 0; i < count_; ++i) Stop(i);
  }
  void Stop(std::size_t device) { nodes_.erase(device); }
  void Serve(std::size_t device) {
    const std::string listen =
        device > 0 || address_.empty() ? "127.0.0.1:0" : address_;
    auto node = std::make_unique<ServingNode>(Home(device), listen);
    REQUIRE(node->ready());
    if (device == 0) address_ = node->address();
    nodes_[device] = std::move(node);
  }
  // Those that serve end equal.
  void Converge() {
    CHECK(Eventually([&] {
      std::string first;
      for (const auto& [device, node] : nodes_) {
        const CommandResult waited = Run(device, {"wait", "--timeout", "60"});
        if (waited.exit_code > 1) return false;
        const auto status = Json(device, {"status"});
        const auto& project = status.at("projects").at(0).as_object();
        const std::string now =
            boost::json::serialize(project.at("digest")) +
            boost::json::serialize(project.at("frontier")) +
            boost::json::serialize(project.at("missing_chunks"));
        if (first.empty()) first = now;
        if (now != first) return false;
      }
      return true;
    }));
  }
  void Heal() {
    for (std::size_t i = 0; i < count_; ++i) Serve(i);
    Converge();
  }

 private:
  TemporaryDirectory temp_;
  std::size_t count_;
  std::string address_;
  std::map<std::size_t, std::unique_ptr<ServingNode>> nodes_;
};

const char kBase[] = "one\ntwo\nthree\nfour\nfive\nsix\nseven\n";
const char kTop[] = "ONE\ntwo\nthree\nfour\nfive\nsix\nseven\n";
const char kEnd[] = "one\ntwo\nthree\nfour\nfive\nsix\nSEVEN\n";
const char kBoth[] = "ONE\ntwo\nthree\nfour\nfive\nsix\nSEVEN\n";

TEST_CASE("conflicts: disjoint edits merge and overlapping ones are kept",
          "[e2e]") {
  Devices devices(3);
  devices.Must(0, {"put", "p", "f.txt"}, kBase);
  devices.Converge();
  devices.Part();
  devices.Must(0, {"put", "p", "f.txt"}, kTop);
  devices.Must(1, {"put", "p", "f.txt"}, kEnd);
  devices.Must(2, {"put", "p", "f.txt"},
               "eins\ntwo\nthree\nfour\nfive\nsix\nseven\n");
  devices.Serve(0);
  devices.Serve(1);
  devices.Converge();
  CHECK(devices.Cat(0, "f.txt") == kBoth);
  CHECK(devices.Cat(1, "f.txt") == kBoth);
  CHECK(devices.Names(0) == std::vector<std::string>{"f.txt"});
  devices.Serve(2);
  devices.Converge();
  const std::vector<std::string> names = devices.Names(0);
  CHECK(names.size() >= 2);
  for (std::size_t i = 1; i < 3; ++i) {
    CHECK(devices.Names(i) == names);
    for (const std::string& name : names) {
      CHECK(devices.Cat(i, name) == devices.Cat(0, name));
    }
  }
  CHECK(devices.Json(0, {"conflicts", "ls"}).as_array().empty());
}

TEST_CASE("conflicts: without the ancestor both are kept", "[e2e]") {
  Devices devices(2);
  devices.Must(0, {"put", "p", "f.txt"}, kBase);
  devices.Converge();
  devices.Part();
  for (std::size_t i = 0; i < 2; ++i) {
    devices.Must(i, {"log", "truncate", "p", "--keep", "0", "--force"});
  }
  devices.Must(0, {"put", "p", "f.txt"}, kTop);
  devices.Must(1, {"put", "p", "f.txt"}, kEnd);
  devices.Heal();
  const std::vector<std::string> names = devices.Names(0);
  REQUIRE(names.size() == 2);
  CHECK(devices.Names(1) == names);
  const std::string first = devices.Cat(0, names[0]);
  const std::string second = devices.Cat(0, names[1]);
  CHECK(
      ((first == kTop && second == kEnd) || (first == kEnd && second == kTop)));
}

TEST_CASE("conflicts: delete and edit and rename and create made apart",
          "[e2e]") {
  // Who does which, so that both logs see both orders.
  const std::size_t x = GENERATE(std::size_t{0}, std::size_t{1});
  const std::size_t y = 1 - x;
  Devices devices(2);
  for (const char* file : {"del-edit", "del-ren", "edit-ren"}) {
    devices.Must(0, {"put", "p", file}, "base of " + std::string(file));
  }
  devices.Must(0, {"mkdir", "p", "dir"});
  devices.Must(0, {"put", "p", "dir/old"}, "old");
  devices.Converge();
  devices.Part();
  devices.Must(x, {"rm", "p", "del-edit"});
  devices.Must(y, {"put", "p", "del-edit"}, "edited");
  devices.Must(x, {"rm", "p", "del-ren"});
  devices.Must(y, {"mv", "p", "del-ren", "renamed"});
  devices.Must(x, {"put", "p", "edit-ren"}, "edited too");
  devices.Must(y, {"mv", "p", "edit-ren", "new-name"});
  devices.Must(x, {"rm", "-r", "p", "dir"});
  devices.Must(y, {"put", "p", "dir/new"}, "new");
  devices.Heal();
  for (std::size_t i = 0; i < 2; ++i) {
    INFO("device " << i << ", " << x << " deletes");
    CHECK(devices.Names(i) ==
          std::vector<std::string>{"del-edit", "dir", "new-name"});
    CHECK(devices.Cat(i, "del-edit") == "edited");
    CHECK(devices.Cat(i, "new-name") == "edited too");
    CHECK(devices.Cat(i, "dir/new") == "new");
    CHECK(devices.Run(i, {"stat", "p", "dir/old"}).exit_code == 3);
    CHECK(devices.Json(i, {"conflicts", "ls"}).as_array().empty());
  }
  // Whoever deleted hears that the edit brought it back.
  CHECK(devices.Changes(x, "del-edit").ends_with("delete create "));
  CHECK(devices.Changes(x, "dir").ends_with("rmdir mkdir "));
  // Whoever renamed hears that it is gone.
  CHECK(devices.Changes(y, "renamed").ends_with("delete "));
}

TEST_CASE("conflicts: an overlap waits for a person where that is set",
          "[e2e]") {
  Devices devices(2);
  devices.Must(0, {"strategy", "p", "manual", "--path", "contracts/**"});
  devices.Must(0, {"mkdir", "p", "contracts"});
  for (const char* file : {"contracts/a", "b"}) {
    devices.Must(0, {"put", "p", file}, kBase);
  }
  devices.Converge();
  devices.Part();
  for (const char* file : {"contracts/a", "b"}) {
    devices.Must(0, {"put", "p", file}, kTop);
    devices.Must(1, {"put", "p", file}, kEnd);
  }
  devices.Heal();
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(devices.Cat(i, "b") == kBoth);
    const CommandResult open = devices.Run(i, {"conflicts", "ls", "--json"});
    CHECK(open.exit_code == 1);
    const auto list = boost::json::parse(open.out).as_array();
    REQUIRE(list.size() == 1);
    CHECK(list.at(0).at("path") == "contracts/a");
  }
  devices.Must(1,
               {"conflicts", "resolve", "p", "contracts/a", "--take", "local"});
  devices.Converge();
  CHECK(devices.Cat(0, "contracts/a") == kEnd);
}

}  // namespace
}  // namespace syncline::testing
