#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/testing/network_space.h"
#include "tests/testing/process.h"
#include "tests/testing/relay.h"
#include "tests/testing/temporary_directory.h"

namespace syncline::testing {

struct DeviceOptions {
  bool folders = false;  // Each device mirrors the project.
  bool apart = false;    // Each in a network of its own: only relays join.
};

// Devices with real processes that share one project, "p". Each is known to
// its founder, the first, or to whom a test pairs it with. A partition is made
// by nobody serving: the program changes the project in each home by itself.
class Devices {
 public:
  // Makes homes and folders. Nothing is shared yet.
  explicit Devices(std::size_t count, DeviceOptions options = {});

  // The first makes the project, and serves.
  void Found();
  // All serve; all but the first join the first, and have what it has.
  void Share();
  // False where networks of their own are not allowed.
  [[nodiscard]] bool apart() const { return !spaces_.empty(); }
  // A line from a device to one that serves.
  std::unique_ptr<Relay> Line(std::size_t guest, std::size_t host) const;
  // `guest` dials `host`, at `address` or, if that is empty, where it listens.
  void Join(std::size_t guest, std::size_t host,
            const std::string& address = {});

  [[nodiscard]] std::size_t count() const { return count_; }
  [[nodiscard]] std::filesystem::path temp() const { return temp_.path(); }
  [[nodiscard]] std::filesystem::path Home(std::size_t device) const;
  [[nodiscard]] std::filesystem::path Dir(std::size_t device) const;
  // Where a device listens; the same after a restart.
  [[nodiscard]] const std::string& Address(std::size_t device) const {
    return addresses_[device];
  }
  // Of a device that serves.
  [[nodiscard]] ServingNode& Node(std::size_t device) {
    return *nodes_.at(device);
  }

  CommandResult Run(std::size_t device, const std::vector<std::string>& args,
                    std::string_view input = {}) const;
  // Must succeed; gives what was printed.
  std::string Must(std::size_t device, const std::vector<std::string>& args,
                   std::string_view input = {}) const;
  // What `args --json` prints, as one value.
  boost::json::value Json(std::size_t device,
                          std::vector<std::string> args) const;
  // The records of the log, oldest first.
  boost::json::array Log(std::size_t device) const;
  // Records of the log that no person made.
  [[nodiscard]] std::size_t Automatic(std::size_t device) const;
  // What `status` says of the project.
  boost::json::object Status(std::size_t device) const;

  // Path -> the hashes of the values that are in conflict there; or that were,
  // if it `ended`. Of what has none, like "symlink 14": kind and size.
  std::map<std::string, std::set<std::string>> Values(std::size_t device,
                                                      bool ended) const;

  std::string Cat(std::size_t device, const std::string& path) const;
  // Paths and kinds of the whole tree.
  std::string Tree(std::size_t device) const;
  // The names in the root.
  std::vector<std::string> Names(std::size_t device) const;
  // The types of changes at `path` in a device's log.
  std::string Changes(std::size_t device, const std::string& path) const;

  void Serve(std::size_t device);
  void Stop(std::size_t device);  // SIGTERM.
  void Kill(std::size_t device);  // SIGKILL.
  // All devices lose one another.
  void Part();
  // Those that serve end with the same digest, frontier and content.
  void Converge();
  // All serve again, and converge.
  void Heal();
  // Every entry is in the log once, none before one that its device made
  // earlier; `entries` together.
  void CheckLog(std::size_t device, std::uint64_t entries) const;
  // All folders are equal, and `verify` finds nothing on any device.
  void RequireSound() const;

 private:
  TemporaryDirectory temp_;
  std::size_t count_;
  bool with_folders_;
  std::vector<std::unique_ptr<NetworkSpace>> spaces_;
  std::vector<std::string> addresses_;
  std::map<std::size_t, std::unique_ptr<ServingNode>> nodes_;
};

}  // namespace syncline::testing
