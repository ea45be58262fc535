// Redis Streams through hiredis: XADD, XREAD.

#include <hiredis/hiredis.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "bench/peers/backend.h"
#include "bench/peers/server_process.h"

namespace syncline::testing {
namespace {

constexpr std::size_t kWindow = 1024;  // Commands without their reply.

struct FreeContext {
  void operator()(redisContext* context) const { redisFree(context); }
};
using Context = std::unique_ptr<redisContext, FreeContext>;
struct FreeReply {
  void operator()(void* reply) const { freeReplyObject(reply); }
};
using Reply = std::unique_ptr<redisReply, FreeReply>;

Context ConnectTo(int port) {
  Context context(redisConnect("127.0.0.1", port));
  if (!context || context->err) PeerFailed("redis", "cannot connect");
  return context;
}

Reply NextReply(redisContext* context) {
  void* reply = nullptr;
  if (redisGetReply(context, &reply) != REDIS_OK) {
    PeerFailed("redis", context->errstr);
  }
  Reply owned(static_cast<redisReply*>(reply));
  if (owned->type == REDIS_REPLY_ERROR) PeerFailed("redis", owned->str);
  return owned;
}

std::string LogName(std::size_t log) { return "log:" + std::to_string(log); }

// What XREAD gave of one stream: where to go on, and what came.
struct Read {
  std::size_t entries = 0;
  std::string last_id;
  std::string_view payload;  // Of the last one, in the reply.
};
Read ReadOf(const redisReply& reply) {
  if (reply.type != REDIS_REPLY_ARRAY || reply.elements == 0) return {};
  const redisReply& entries = *reply.element[0]->element[1];
  if (entries.elements == 0) return {};
  const redisReply& last = *entries.element[entries.elements - 1];
  const redisReply& value = *last.element[1]->element[1];
  return {
      entries.elements,
      {last.element[0]->str, static_cast<std::size_t>(last.element[0]->len)},
      {value.str, static_cast<std::size_t>(value.len)}};
}

class RedisClient final : public PeerClient {
 public:
  explicit RedisClient(int port) : context_(ConnectTo(port)) {}

  void Append(const PeerEntry& entry) override {
    Send(entry);
    NextReply(context_.get());
  }

  void AppendMany(std::size_t count, const NextEntry& next) override {
    std::size_t sent = 0;
    std::size_t answered = 0;
    while (answered < count) {
      while (sent < count && sent - answered < kWindow) Send(next(sent++));
      // Half of the window: the server always has something to do.
      const std::size_t until = sent == count ? count : answered + kWindow / 2;
      for (; answered < until; ++answered) NextReply(context_.get());
    }
  }

  void Replay(std::size_t count) override {
    std::string last = "0-0";
    for (std::size_t seen = 0; seen < count;) {
      redisAppendCommand(context_.get(), "XREAD COUNT 2000 STREAMS %s %s",
                         LogName(0).c_str(), last.c_str());
      const Reply reply = NextReply(context_.get());
      Read read = ReadOf(*reply);
      if (read.entries == 0) PeerFailed("redis", "entries are missing");
      seen += read.entries;
      last = std::move(read.last_id);
    }
  }

 private:
  void Send(const PeerEntry& entry) {
    redisAppendCommand(context_.get(), "XADD %s * d %b",
                       LogName(entry.log).c_str(), entry.payload.data(),
                       entry.payload.size());
  }

  const Context context_;
};

// Subscribers: a connection each, all on one thread.
class RedisReaders {
 public:
  RedisReaders(int port, std::size_t count) : epoll_(epoll_create1(0)) {
    for (std::size_t i = 0; i < count; ++i) {
      readers_.push_back({ConnectTo(port), "0-0"});
    }
    for (std::size_t i = 0; i < count; ++i) {
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u64 = i;
      epoll_ctl(epoll_, EPOLL_CTL_ADD, readers_[i].context->fd, &event);
      Ask(readers_[i]);
    }
  }
  ~RedisReaders() { close(epoll_); }

  void Poll(const Deliver& deliver) {
    constexpr int kWaitMs = 50;
    epoll_event events[256];
    const int ready = epoll_wait(epoll_, events, 256, kWaitMs);
    for (int i = 0; i < ready; ++i) {
      Take(readers_[events[i].data.u64], deliver);
    }
  }

 private:
  struct Reader {
    Context context;
    std::string last;
  };

  static void Ask(Reader& reader) {
    redisAppendCommand(reader.context.get(),
                       "XREAD COUNT 1000 BLOCK 0 STREAMS %s %s",
                       LogName(0).c_str(), reader.last.c_str());
    for (int done = 0; !done;) {
      if (redisBufferWrite(reader.context.get(), &done) != REDIS_OK) {
        PeerFailed("redis", reader.context->errstr);
      }
    }
  }

  static void Take(Reader& reader, const Deliver& deliver) {
    if (redisBufferRead(reader.context.get()) != REDIS_OK) {
      PeerFailed("redis", reader.context->errstr);
    }
    void* raw = nullptr;
    redisGetReplyFromReader(reader.context.get(), &raw);
    if (raw == nullptr) return;  // Not all of it is here.
    const Reply reply(static_cast<redisReply*>(raw));
    Read read = ReadOf(*reply);
    if (read.entries == 0) return;
    deliver(read.entries, read.payload);
    reader.last = std::move(read.last_id);
    Ask(reader);
  }

  const int epoll_;
  std::vector<Reader> readers_;
};

class RedisServer final : public PeerServer {
 public:
  explicit RedisServer(const PeerSetup& setup) : process_(Begin(setup)) {}

  std::unique_ptr<PeerClient> Connect(bool) override {
    return std::make_unique<RedisClient>(process_->port());
  }

  void RunSubscribers(std::size_t count, const Deliver& deliver,
                      const std::atomic<bool>& stop,
                      std::atomic<std::size_t>& ready) override {
    RedisReaders readers(process_->port(), count);
    ready += count;
    while (!stop) readers.Poll(deliver);
  }

  [[nodiscard]] int pid() const override { return process_->pid(); }

 private:
  static std::unique_ptr<ServerProcess> Begin(const PeerSetup& setup) {
    const int port = FreePort();
    const std::vector<std::string> command = {
        "redis-server",
        "--port",
        std::to_string(port),
        "--bind",
        "127.0.0.1",
        "--dir",
        setup.dir,
        "--save",
        "",
        "--appendonly",
        "yes",
        "--appendfsync",
        setup.durable ? "always" : "everysec"};
    return std::make_unique<ServerProcess>(command, port,
                                           setup.dir / "server.log");
  }

  std::unique_ptr<ServerProcess> process_;
};

}  // namespace

std::unique_ptr<PeerServer> StartRedis(const PeerSetup& setup) {
  return std::make_unique<RedisServer>(setup);
}

}  // namespace syncline::testing
