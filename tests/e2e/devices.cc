#include "tests/e2e/devices.h"

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <sstream>

namespace syncline::testing {

namespace fs = std::filesystem;

Devices::Devices(std::size_t count, DeviceOptions options)
    : count_(count), with_folders_(options.folders) {
  for (std::size_t i = 0; options.apart && i < count; ++i) {
    spaces_.push_back(std::make_unique<NetworkSpace>());
    if (!spaces_.back()->made()) {
      spaces_.clear();
      break;
    }
  }
  addresses_.assign(count, "127.0.0.1:0");
  for (std::size_t i = 0; i < count; ++i) {
    Must(i, {"init", "--name", "device-" + std::to_string(i)});
    if (with_folders_) fs::create_directory(Dir(i));
  }
}

void Devices::Found() {
  if (with_folders_) {
    Must(0, {"add", Dir(0), "--project", "p"});
  } else {
    Must(0, {"project", "create", "p"});
  }
  Serve(0);
}

void Devices::Share() {
  Found();
  for (std::size_t i = 1; i < count_; ++i) {
    Serve(i);
    Join(i, 0);
  }
  Converge();
}

std::unique_ptr<Relay> Devices::Line(std::size_t guest,
                                     std::size_t host) const {
  const bool spaces = apart();
  return std::make_unique<Relay>(addresses_[host],
                                 spaces ? spaces_[guest].get() : nullptr,
                                 spaces ? spaces_[host].get() : nullptr);
}

void Devices::Join(std::size_t guest, std::size_t host,
                   const std::string& address) {
  const bool first = Json(guest, {"project", "ls"}).as_array().empty();
  std::string code = Must(host, {"device", "invite", "p", "--address",
                                 address.empty() ? addresses_[host] : address});
  code.pop_back();
  std::vector<std::string> join = {"device", "join", code};
  if (with_folders_ && first) {
    join.emplace_back("--dir");
    join.emplace_back(Dir(guest));
  }
  Must(guest, join);
}

fs::path Devices::Home(std::size_t device) const {
  return temp_ / ("home-" + std::to_string(device));
}

fs::path Devices::Dir(std::size_t device) const {
  return temp_ / ("dir-" + std::to_string(device));
}

CommandResult Devices::Run(std::size_t device,
                           const std::vector<std::string>& args,
                           std::string_view input) const {
  return RunSyncline(Home(device), args, input);
}

std::string Devices::Must(std::size_t device,
                          const std::vector<std::string>& args,
                          std::string_view input) const {
  const CommandResult result = Run(device, args, input);
  INFO(device << " " << args[0] << ": " << result.out << result.err);
  REQUIRE(result.exit_code == 0);
  return result.out;
}

boost::json::value Devices::Json(std::size_t device,
                                 std::vector<std::string> args) const {
  args.emplace_back("--json");
  return boost::json::parse(Must(device, args));
}

boost::json::array Devices::Log(std::size_t device) const {
  boost::json::array records;
  std::istringstream lines(Must(device, {"log", "p", "--json"}));
  for (std::string line; std::getline(lines, line);) {
    records.push_back(boost::json::parse(line));
  }
  return records;
}

boost::json::object Devices::Status(std::size_t device) const {
  return Json(device, {"status"}).at("projects").at(0).as_object();
}

std::size_t Devices::Automatic(std::size_t device) const {
  std::size_t count = 0;
  for (const auto& record : Log(device)) {
    count += record.at("cause").as_string().starts_with("auto:") ? 1 : 0;
  }
  return count;
}

std::map<std::string, std::set<std::string>> Devices::Values(std::size_t device,
                                                             bool ended) const {
  std::vector<std::string> args = {"conflicts", "ls", "p", "--json"};
  if (ended) args.emplace_back("--resolved");
  const CommandResult result = Run(device, args);
  REQUIRE(result.exit_code <= 1);  // 1: some are open.
  const boost::json::value conflicts = boost::json::parse(result.out);
  std::map<std::string, std::set<std::string>> values;
  for (const auto& conflict : conflicts.as_array()) {
    for (const auto& sibling : conflict.at("siblings").as_array()) {
      std::string value = sibling.at("hash").as_string().c_str();
      if (value.empty()) {
        value = sibling.at("kind").as_string().c_str();
        value += " " + boost::json::serialize(sibling.at("size"));
      }
      values[conflict.at("path").as_string().c_str()].insert(value);
    }
  }
  return values;
}

std::string Devices::Cat(std::size_t device, const std::string& path) const {
  return Must(device, {"cat", "p", path});
}

std::string Devices::Tree(std::size_t device) const {
  return Must(device, {"tree", "p"});
}

std::vector<std::string> Devices::Names(std::size_t device) const {
  std::vector<std::string> names;
  const boost::json::value list = Json(device, {"ls", "p"});
  for (const auto& each : list.as_array()) {
    names.emplace_back(each.at("path").as_string());
  }
  return names;
}

std::string Devices::Changes(std::size_t device,
                             const std::string& path) const {
  std::string types;
  for (const auto& record : Log(device)) {
    for (const auto& change : record.at("changes").as_array()) {
      if (change.at("path").as_string() != path.c_str()) continue;
      types += change.at("type").as_string().c_str();
      types += " ";
    }
  }
  return types;
}

void Devices::Serve(std::size_t device) {
  auto node =
      std::make_unique<ServingNode>(Home(device), addresses_[device],
                                    apart() ? spaces_[device]->handle() : -1);
  REQUIRE(node->ready());
  addresses_[device] = node->address();
  nodes_[device] = std::move(node);
}

void Devices::Stop(std::size_t device) {
  CHECK(nodes_.at(device)->Stop() == 0);
  nodes_.erase(device);
}

void Devices::Kill(std::size_t device) { nodes_.erase(device); }

void Devices::Part() {
  while (!nodes_.empty()) Stop(nodes_.begin()->first);
}

void Devices::Converge() {
  std::string last;
  const bool equal = Eventually(
      [&] {
        std::string first;
        for (const auto& [device, node] : nodes_) {
          const CommandResult waited = Run(device, {"wait", "--timeout", "60"});
          if (waited.exit_code > 1) return false;
          const boost::json::object project = Status(device);
          const std::string now =
              boost::json::serialize(project.at("digest")) +
              boost::json::serialize(project.at("frontier")) +
              boost::json::serialize(project.at("missing_chunks"));
          if (first.empty()) first = now;
          last = first + "\n" + now;
          if (now != first) return false;
        }
        return true;
      },
      std::chrono::seconds(300));
  INFO(last);
  REQUIRE(equal);
}

void Devices::Heal() {
  for (std::size_t i = 0; i < count_; ++i) {
    if (!nodes_.contains(i)) Serve(i);
  }
  Converge();
}

void Devices::CheckLog(std::size_t device, std::uint64_t entries) const {
  std::map<std::string, std::uint64_t> last;
  std::uint64_t count = 0;
  std::uint64_t out_of_order = 0;
  for (const auto& record : Log(device)) {
    std::uint64_t& counter = last[record.at("origin").as_string().c_str()];
    const auto next = record.at("counter").to_number<std::uint64_t>();
    out_of_order += next != counter + 1;
    counter = next;
    ++count;
  }
  INFO("device " << device);
  CHECK(out_of_order == 0);
  CHECK(count == entries);
}

void Devices::RequireSound() const {
  for (std::size_t i = 0; i < count_; ++i) {
    INFO("device " << i);
    if (with_folders_) CHECK(CompareTrees(Dir(0), Dir(i)) == "");
    const CommandResult verify = Run(i, {"verify"});
    INFO(verify.out << verify.err);
    CHECK(verify.exit_code == 0);
  }
}

}  // namespace syncline::testing
