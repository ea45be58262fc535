#pragma once

#include <atomic>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

// A log server and its clients, as small as the comparison allows. Everything
// ends the program when it fails.

namespace syncline::testing {

// What is appended: the number of a log, and the payload.
struct PeerEntry {
  std::size_t log;
  std::string_view payload;
};
// The entry with this number; valid until the next call.
using NextEntry = std::function<PeerEntry(std::size_t number)>;

// One connection, for one thread.
class PeerClient {
 public:
  virtual ~PeerClient() = default;
  // Waits until it is as safe as the server was started for.
  virtual void Append(const PeerEntry& entry) = 0;
  // Without waiting for each, in whatever way the peer does it best; waits for
  // the last.
  virtual void AppendMany(std::size_t count, const NextEntry& next) = 0;
  // Reads log 0 from its beginning until `count` entries came.
  virtual void Replay(std::size_t count) = 0;
};

// `entries` of log 0 came, the last of them with this payload. From any thread.
using Deliver = std::function<void(std::size_t entries, std::string_view last)>;

// A server in a process of its own, ended when destroyed.
class PeerServer {
 public:
  virtual ~PeerServer() = default;
  // `waiting`: for a client that waits for each entry, if that matters.
  virtual std::unique_ptr<PeerClient> Connect(bool waiting) = 0;
  // Subscribes to log 0, which is empty, `count` times, counts `ready` up for
  // each, and delivers on this and perhaps other threads until `stop`.
  virtual void RunSubscribers(std::size_t count, const Deliver& deliver,
                              const std::atomic<bool>& stop,
                              std::atomic<std::size_t>& ready) = 0;
  [[nodiscard]] virtual int pid() const = 0;
};

struct PeerSetup {
  std::filesystem::path dir;  // Empty, for the server's data.
  bool durable = false;       // Appends survive loss of power.
  std::size_t logs = 1;
};

struct PeerKind {
  const char* name;
  bool replays;
  std::unique_ptr<PeerServer> (*start)(const PeerSetup& setup);
};

std::unique_ptr<PeerServer> StartRedis(const PeerSetup& setup);
std::unique_ptr<PeerServer> StartJetStream(const PeerSetup& setup);
std::unique_ptr<PeerServer> StartEtcd(const PeerSetup& setup);
std::unique_ptr<PeerServer> StartSyncline(const PeerSetup& setup);

}  // namespace syncline::testing
