// NATS JetStream through its C client.

#include <fcntl.h>
#include <linux/fs.h>
#include <nats/nats.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "bench/peers/backend.h"
#include "bench/peers/server_process.h"

namespace syncline::testing {
namespace {

constexpr std::size_t kConnectionsMax = 16;  // Of subscribers.
constexpr std::int64_t kPendingMax = 4096;   // Appends without their answer.
constexpr std::int64_t kPatienceMs = 60'000;

void Check(natsStatus status, const char* what) {
  if (status != NATS_OK) PeerFailed(what, natsStatus_GetText(status));
}

std::string Subject(std::size_t log) { return "log." + std::to_string(log); }

class Connection {
 public:
  Connection(int port, bool waiting) {
    natsOptions* options = nullptr;
    Check(natsOptions_Create(&options), "nats options");
    const std::string url = "nats://127.0.0.1:" + std::to_string(port);
    Check(natsOptions_SetURL(options, url.c_str()), "nats url");
    natsOptions_SetSendAsap(options, waiting);
    natsOptions_UseGlobalMessageDelivery(options, true);
    natsOptions_SetMaxPendingMsgs(options, 10'000'000);
    Check(natsConnection_Connect(&connection_, options), "nats connect");
    natsOptions_Destroy(options);
    jsOptions js;
    jsOptions_Init(&js);
    js.PublishAsync.MaxPending = kPendingMax;
    js.PublishAsync.StallWait = kPatienceMs;
    js.Wait = kPatienceMs;
    Check(natsConnection_JetStream(&context_, connection_, &js), "jetstream");
  }
  ~Connection() {
    jsCtx_Destroy(context_);
    natsConnection_Destroy(connection_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  [[nodiscard]] jsCtx* js() const { return context_; }

 private:
  natsConnection* connection_ = nullptr;
  jsCtx* context_ = nullptr;
};

// Makes every write to files below `dir` a synchronous one. Only from 2.10 on
// can the server be told to sync each append itself.
void SyncWrites(const std::filesystem::path& dir) {
  const int fd = open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int flags = 0;
  if (ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0) {
    PeerFailed(dir.string(), "this file system has no flags");
  }
  flags |= FS_SYNC_FL;
  if (ioctl(fd, FS_IOC_SETFLAGS, &flags) != 0) {
    PeerFailed(dir.string(), "this file system cannot sync each write");
  }
  close(fd);
}

// An ordered consumer of log 0, from its beginning.
class Consumer {
 public:
  Consumer(Connection& connection, const Deliver& deliver) : deliver_(deliver) {
    jsSubOptions options;
    jsSubOptions_Init(&options);
    options.Stream = "LOGS";
    options.Ordered = true;
    Check(js_Subscribe(&subscription_, connection.js(), Subject(0).c_str(),
                       &Consumer::OnMessage, this, nullptr, &options, nullptr),
          "nats subscribe");
    natsSubscription_SetPendingLimits(subscription_, -1, -1);
  }
  ~Consumer() {
    natsSubscription_Unsubscribe(subscription_);
    natsSubscription_Destroy(subscription_);
  }
  Consumer(const Consumer&) = delete;
  Consumer& operator=(const Consumer&) = delete;

 private:
  static void OnMessage(natsConnection*, natsSubscription*, natsMsg* message,
                        void* self) {
    static_cast<Consumer*>(self)->deliver_(
        1, {natsMsg_GetData(message),
            static_cast<std::size_t>(natsMsg_GetDataLength(message))});
    natsMsg_Destroy(message);
  }

  const Deliver& deliver_;
  natsSubscription* subscription_ = nullptr;
};

class JetStreamClient final : public PeerClient {
 public:
  JetStreamClient(int port, bool waiting) : connection_(port, waiting) {}

  void Append(const PeerEntry& entry) override {
    Check(js_Publish(nullptr, connection_.js(), Subject(entry.log).c_str(),
                     entry.payload.data(),
                     static_cast<int>(entry.payload.size()), nullptr, nullptr),
          "nats publish");
  }

  void AppendMany(std::size_t count, const NextEntry& next) override {
    for (std::size_t i = 0; i < count; ++i) {
      const PeerEntry entry = next(i);
      Check(js_PublishAsync(connection_.js(), Subject(entry.log).c_str(),
                            entry.payload.data(),
                            static_cast<int>(entry.payload.size()), nullptr),
            "nats publish");
    }
    jsPubOptions options;
    jsPubOptions_Init(&options);
    options.MaxWait = kPatienceMs;
    Check(js_PublishAsyncComplete(connection_.js(), &options),
          "nats publish complete");
  }

  void Replay(std::size_t count) override {
    std::mutex mutex;
    std::condition_variable changed;
    std::size_t seen = 0;  // Written by the one thread that delivers.
    bool all = false;
    const Deliver deliver = [&](std::size_t entries, std::string_view) {
      seen += entries;
      if (seen < count) return;
      const std::scoped_lock lock(mutex);
      all = true;
      changed.notify_all();
    };
    const Consumer consumer(connection_, deliver);
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return all; });
  }

 private:
  Connection connection_;
};

class JetStreamServer final : public PeerServer {
 public:
  explicit JetStreamServer(const PeerSetup& setup) : process_(Begin(setup)) {
    Connection connection(process_->port(), true);
    jsStreamConfig config;
    jsStreamConfig_Init(&config);
    config.Name = "LOGS";
    const char* subjects[] = {"log.*"};
    config.Subjects = subjects;
    config.SubjectsLen = 1;
    config.Storage = js_FileStorage;
    jsErrCode code{};
    Check(js_AddStream(nullptr, connection.js(), &config, nullptr, &code),
          "nats stream");
  }

  std::unique_ptr<PeerClient> Connect(bool waiting) override {
    return std::make_unique<JetStreamClient>(process_->port(), waiting);
  }

  void RunSubscribers(std::size_t count, const Deliver& deliver,
                      const std::atomic<bool>& stop,
                      std::atomic<std::size_t>& ready) override {
    std::vector<std::unique_ptr<Connection>> connections;
    for (std::size_t i = 0; i < std::min(count, kConnectionsMax); ++i) {
      connections.push_back(
          std::make_unique<Connection>(process_->port(), true));
    }
    std::vector<std::unique_ptr<Consumer>> consumers;
    for (std::size_t i = 0; i < count; ++i) {
      consumers.push_back(std::make_unique<Consumer>(
          *connections[i % connections.size()], deliver));
      ++ready;
    }
    while (!stop) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }

  [[nodiscard]] int pid() const override { return process_->pid(); }

 private:
  static std::unique_ptr<ServerProcess> Begin(const PeerSetup& setup) {
    const int port = FreePort();
    const std::filesystem::path config = setup.dir / "server.conf";
    const std::filesystem::path data = setup.dir / "data";
    std::filesystem::create_directory(data);
    if (setup.durable) SyncWrites(data);
    std::ofstream(config) << "listen: \"127.0.0.1:" << port
                          << "\"\njetstream {\n  store_dir: \"" << data.string()
                          << "\"\n}\n";
    return std::make_unique<ServerProcess>(
        std::vector<std::string>{"nats-server", "-c", config.string()}, port,
        setup.dir / "server.log");
  }

  std::unique_ptr<ServerProcess> process_;
};

}  // namespace

std::unique_ptr<PeerServer> StartJetStream(const PeerSetup& setup) {
  return std::make_unique<JetStreamServer>(setup);
}

}  // namespace syncline::testing
