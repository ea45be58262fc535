#include "proto/rpc_connection.h"

#include <kj/debug.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <catch2/catch.hpp>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "proto/asio_stream.h"
#include "tests/proto/kj_wait.h"
#include "tests/proto/service.capnp.h"
#include "tests/proto/stream_pair.h"

namespace syncline {
namespace {

using absl::StatusCode;
using testing::LocalPair;
using testing::Pattern;
using testing::RunUntil;
using testing::Service;
using testing::TcpPair;
using testing::Wait;
using testing::WaitValue;

// What a Service shows to the test that runs it.
struct Served {
  std::size_t pushed_bytes = 0;
  int hanging = 0;
  bool hold_pushes = false;
  std::vector<kj::Own<kj::PromiseFulfiller<void>>> held;
  std::function<void()> leave;
};

class ServiceImpl final : public Service::Server {
 public:
  explicit ServiceImpl(Served& served) : served_(served) {}

  kj::Promise<void> echo(EchoContext context) override {
    const auto bytes = context.getParams().getBytes();
    context.getResults().setBytes(bytes);
    return kj::READY_NOW;
  }
  kj::Promise<void> push(PushContext context) override {
    served_.pushed_bytes += context.getParams().getBytes().size();
    if (!served_.hold_pushes) return kj::READY_NOW;
    auto pair = kj::newPromiseAndFulfiller<void>();
    served_.held.push_back(kj::mv(pair.fulfiller));
    return kj::mv(pair.promise);
  }
  kj::Promise<void> refuse(RefuseContext context) override {
    constexpr absl::StatusCode kCodes[] = {
        absl::StatusCode::kInternal, absl::StatusCode::kResourceExhausted,
        absl::StatusCode::kUnavailable, absl::StatusCode::kUnimplemented};
    return KjFromStatus(
        absl::Status(kCodes[context.getParams().getKind() % 4], "refused"));
  }
  kj::Promise<void> hang(HangContext context) override {
    context.allowCancellation();  // Without it, a lost caller ends nothing.
    ++served_.hanging;
    return kj::Promise<void>(kj::NEVER_DONE).attach(kj::defer([this] {
      --served_.hanging;
    }));
  }
  kj::Promise<void> leave(LeaveContext) override {
    served_.leave();
    return kj::READY_NOW;
  }

 private:
  Served& served_;
};

// Two nodes in one process: each its own loop, on one io_context.
struct ConnectionFixture {
  boost::asio::io_context io;
  KjLoop client_loop{io.get_executor(), nullptr};
  KjLoop server_loop{io.get_executor(), nullptr};
  Served served;
  int client_lost = 0;
  int server_lost = 0;
  std::function<void()> on_server_lost;
  std::unique_ptr<RpcConnection> server;
  std::unique_ptr<RpcConnection> client;
  kj::Maybe<Service::Client> service;

  template <typename Sockets>
  void Connect(Sockets sockets, RpcLimits limits = {}) {
    auto server_stream = NewAsioStream(server_loop, std::move(sockets.second));
    auto client_stream = NewAsioStream(client_loop, std::move(sockets.first));
    REQUIRE(server_stream.ok());
    REQUIRE(client_stream.ok());
    server = std::make_unique<RpcConnection>(
        server_loop, *std::move(server_stream),
        capnp::Capability::Client(kj::heap<ServiceImpl>(served)),
        RpcConnection::Options{.side = RpcConnection::Side::kServer,
                               .limits = limits,
                               .on_disconnect = [this] {
                                 ++server_lost;
                                 if (on_server_lost) on_server_lost();
                               }});
    client = std::make_unique<RpcConnection>(
        client_loop, *std::move(client_stream), nullptr,
        RpcConnection::Options{.on_disconnect = [this] { ++client_lost; }});
    client_loop.Enter([&] { service = client->Bootstrap().castAs<Service>(); });
    served.leave = [this] { server->Close(); };
  }
  Service::Client& Get() { return KJ_ASSERT_NONNULL(service); }
  kj::Promise<std::string> Echo(std::string_view bytes) {
    auto request = Get().echoRequest();
    request.setBytes(
        {reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()});
    return request.send().then([](auto response) {
      const auto got = response.getBytes();
      return std::string(reinterpret_cast<const char*>(got.begin()),
                         got.size());
    });
  }
  absl::StatusOr<std::string> WaitEcho(std::string_view bytes) {
    return WaitValue<std::string>(io, client_loop, [&] { return Echo(bytes); });
  }
  ~ConnectionFixture() {
    client_loop.Enter([&] { service = nullptr; });
    client = nullptr;
    server = nullptr;
  }
};

TEST_CASE("rpc_connection: calls are answered over TCP and Unix sockets",
          "[proto]") {
  ConnectionFixture f;
  SECTION("TCP") { f.Connect(TcpPair(f.io)); }
  SECTION("Unix") { f.Connect(LocalPair(f.io)); }
  const auto answer = f.WaitEcho("hello");
  REQUIRE(answer.ok());
  CHECK(*answer == "hello");
}

TEST_CASE("rpc_connection: a fault of the peer arrives with its code",
          "[proto]") {
  ConnectionFixture f;
  f.Connect(LocalPair(f.io));
  const StatusCode codes[] = {
      StatusCode::kInternal, StatusCode::kResourceExhausted,
      StatusCode::kUnavailable, StatusCode::kUnimplemented};
  for (std::uint16_t kind = 0; kind < 4; ++kind) {
    const absl::Status status = Wait(f.io, f.client_loop, [&] {
      auto request = f.Get().refuseRequest();
      request.setKind(kind);
      return request.send().ignoreResult();
    });
    CHECK(status.code() == codes[kind]);
    CHECK(status.message().find("refused") != std::string::npos);
  }
  CHECK(f.WaitEcho("still here").ok());
}

TEST_CASE("rpc_connection: large messages go both ways", "[proto]") {
  ConnectionFixture f;
  f.Connect(TcpPair(f.io));
  for (const std::size_t size : {0, 1, 70'000, 1 << 20, 3 << 20}) {
    const std::string bytes = Pattern(size);
    const auto answer = f.WaitEcho(bytes);
    REQUIRE(answer.ok());
    CHECK(*answer == bytes);
  }
}

TEST_CASE("rpc_connection: a message beyond the limit ends the connection",
          "[proto]") {
  ConnectionFixture f;
  f.Connect(TcpPair(f.io), RpcLimits{.traversal_bytes_max = 1 << 20});
  f.on_server_lost = [&] { f.server = nullptr; };
  CHECK_FALSE(f.WaitEcho(Pattern(3 << 20)).ok());
  CHECK(
      RunUntil(f.io, [&] { return f.server_lost == 1 && f.client_lost == 1; }));
  CHECK(f.WaitEcho("x").status().code() == StatusCode::kUnavailable);
}

TEST_CASE("rpc_connection: a message beyond our own limit is not sent",
          "[proto]") {
  ConnectionFixture f;
  f.Connect(TcpPair(f.io));
  CHECK(f.WaitEcho(Pattern(5 << 20)).status().code() == StatusCode::kInternal);
  CHECK(f.WaitEcho("x").ok());
}

TEST_CASE("rpc_connection: 64 calls are in flight at once", "[proto]") {
  ConnectionFixture f;
  f.Connect(TcpPair(f.io));
  int right = 0;
  const absl::Status status = Wait(f.io, f.client_loop, [&] {
    auto calls = kj::heapArrayBuilder<kj::Promise<void>>(64);
    for (std::size_t i = 0; i < 64; ++i) {
      const std::string bytes = Pattern(i * 300);
      calls.add(f.Echo(bytes).then(
          [&right, bytes](const std::string& got) { right += got == bytes; }));
    }
    return kj::joinPromises(calls.finish());
  });
  CHECK(status.ok());
  CHECK(right == 64);
}

TEST_CASE("rpc_connection: a lost client is noticed and its calls cancelled",
          "[proto]") {
  ConnectionFixture f;
  f.Connect(TcpPair(f.io));
  kj::Promise<void> call = nullptr;
  f.client_loop.Enter([&] {
    call = f.Get().hangRequest().send().ignoreResult().eagerlyEvaluate(nullptr);
  });
  REQUIRE(RunUntil(f.io, [&] { return f.served.hanging == 1; }));
  f.client_loop.Enter([&] { call = nullptr; });
  REQUIRE(RunUntil(f.io, [&] { return f.served.hanging == 0; }));

  f.client_loop.Enter([&] {
    call = f.Get().hangRequest().send().ignoreResult().eagerlyEvaluate(nullptr);
  });
  REQUIRE(RunUntil(f.io, [&] { return f.served.hanging == 1; }));
  f.client->Close();
  REQUIRE(RunUntil(f.io, [&] { return f.server_lost == 1; }));
  CHECK(f.served.hanging == 0);
  CHECK(f.client_lost == 0);  // Who closes is not told.
  f.client_loop.Enter([&] { call = nullptr; });
}

TEST_CASE("rpc_connection: a lost server fails the calls as unavailable",
          "[proto]") {
  ConnectionFixture f;
  f.Connect(TcpPair(f.io));
  const absl::Status status = Wait(f.io, f.client_loop, [&] {
    boost::asio::post(f.io, [&] { f.server = nullptr; });
    return f.Get().hangRequest().send().ignoreResult();
  });
  CHECK(status.code() == StatusCode::kUnavailable);
  REQUIRE(RunUntil(f.io, [&] { return f.client_lost == 1; }));
  CHECK(f.WaitEcho("x").status().code() == StatusCode::kUnavailable);
  f.client->Close();
  f.io.poll();
  CHECK(f.client_lost == 1);
}

TEST_CASE("rpc_connection: code that it runs may destroy it", "[proto]") {
  ConnectionFixture f;
  f.Connect(LocalPair(f.io));
  SECTION("the server inside a call") {
    SECTION("by Close") {
      f.served.leave = [&] { f.server->Close(); };
    }
    SECTION("by destruction") {
      f.served.leave = [&] { f.server = nullptr; };
    }
    const absl::Status status = Wait(f.io, f.client_loop, [&] {
      return f.Get().leaveRequest().send().ignoreResult();
    });
    CHECK(status.ok());  // The answer left before the connection did.
    CHECK(RunUntil(f.io, [&] { return f.client_lost == 1; }));
  }
  SECTION("the client when an answer comes") {
    const absl::Status status = Wait(f.io, f.client_loop, [&] {
      return f.Echo("x").then([&](const std::string&) {
        f.service = nullptr;
        f.client = nullptr;
      });
    });
    CHECK(status.ok());
    CHECK(RunUntil(f.io, [&] { return f.server_lost == 1; }));
  }
  SECTION("the server when its client is lost") {
    f.on_server_lost = [&] { f.server = nullptr; };
    f.client->Close();
    CHECK(RunUntil(f.io, [&] { return f.server_lost == 1; }));
    CHECK(f.server == nullptr);
    f.io.poll();
  }
}

TEST_CASE("rpc_connection: closing again does nothing", "[proto]") {
  ConnectionFixture f;
  f.Connect(LocalPair(f.io));
  f.client->Close();
  f.client->Close();
  CHECK(f.client->IsClosed());
  CHECK(f.client->UnsentBytes() == 0);
  CHECK(Wait(f.io, f.client_loop, [&] {
          auto service = f.client->Bootstrap().castAs<Service>();
          return service.echoRequest().send().ignoreResult();
        }).code() == StatusCode::kUnavailable);
  f.io.poll();
}

TEST_CASE("rpc_connection: a loop may end while a connection closes",
          "[proto]") {
  boost::asio::io_context io;
  auto pair = LocalPair(io);
  auto loop = std::make_unique<KjLoop>(io.get_executor(), nullptr);
  auto stream = NewAsioStream(*loop, std::move(pair.first));
  REQUIRE(stream.ok());
  auto connection = std::make_unique<RpcConnection>(
      *loop, *std::move(stream), nullptr, RpcConnection::Options{});
  SECTION("closed and not yet gone") {
    connection->Close();
    connection = nullptr;
    loop = nullptr;
  }
  SECTION("with messages on their way") {
    loop->Enter([&] {
      auto service = connection->Bootstrap().castAs<Service>();
      loop->Detach(service.hangRequest().send().ignoreResult());
    });
    connection = nullptr;
    loop = nullptr;
  }
  io.run();  // What was posted finds nobody.
  char byte;
  boost::system::error_code error;
  while (!error) pair.second.read_some(boost::asio::buffer(&byte, 1), error);
  CHECK(error == boost::asio::error::eof);
}

TEST_CASE("rpc_connection: 200 idle connections run no handlers", "[proto]") {
  boost::asio::io_context io;
  KjLoop loop(io.get_executor(), nullptr);
  KjLoop other(io.get_executor(), nullptr);
  Served served;
  std::vector<std::unique_ptr<RpcConnection>> connections;
  for (int i = 0; i < 200; ++i) {
    auto pair = LocalPair(io);
    auto first = NewAsioStream(loop, std::move(pair.first));
    auto second = NewAsioStream(other, std::move(pair.second));
    REQUIRE((first.ok() && second.ok()));
    connections.push_back(std::make_unique<RpcConnection>(
        loop, *std::move(first), nullptr, RpcConnection::Options{}));
    connections.push_back(std::make_unique<RpcConnection>(
        other, *std::move(second),
        capnp::Capability::Client(kj::heap<ServiceImpl>(served)),
        RpcConnection::Options{.side = RpcConnection::Side::kServer}));
    CHECK(Wait(io, loop, [&] {
            auto client = connections[2 * i]->Bootstrap().castAs<Service>();
            return client.echoRequest().send().ignoreResult();
          }).ok());
  }
  while (io.poll() > 0) {
  }
  CHECK(io.run_one_for(std::chrono::seconds(1)) == 0);
}

// Pushes segments one after the other, as fast as they are taken.
struct Pusher {
  static constexpr std::size_t kSegment = 256 << 10;

  explicit Pusher(ConnectionFixture& fixture) : f(fixture) {}

  kj::Promise<void> Push(int count) {
    if (count == 0) return kj::READY_NOW;
    auto request =
        f.Get().pushRequest(capnp::MessageSize{kSegment / 8 + 16, 0});
    request.initBytes(kSegment);
    ++started;
    return request.send().then([this, count] { return Push(count - 1); });
  }
  void Release() {
    f.server_loop.Enter([&] {
      for (auto& held : std::exchange(f.served.held, {})) held->fulfill();
    });
  }

  ConnectionFixture& f;
  std::size_t started = 0;
};

TEST_CASE("rpc_connection: a slow reader holds little of a large stream",
          "[proto]") {
  ConnectionFixture f;
  constexpr int kSegments = 200;
  bool done = false;
  RpcLimits limits;
  std::size_t bound = AsioStreamOptions{}.window_bytes;
  SECTION("by the sender's window") {}
  SECTION("by the receiver's limit of unanswered bytes") {
    limits.unanswered_bytes_max = 512 << 10;
    bound = limits.unanswered_bytes_max;
  }
  f.Connect(TcpPair(f.io), limits);
  Pusher pusher(f);
  f.served.hold_pushes = true;
  f.client_loop.Enter([&] {
    f.client_loop.Detach(pusher.Push(kSegments)
                             .then([&] { return f.Echo("end"); })
                             .then([&](auto&&) { done = true; }));
  });
  // Silence: everything waits for the reader.
  while (f.io.run_one_for(std::chrono::milliseconds(100)) > 0) {
  }
  CHECK(f.served.pushed_bytes > 0);
  CHECK(f.served.pushed_bytes <= bound + 2 * Pusher::kSegment);
  CHECK(pusher.started * Pusher::kSegment <=
        AsioStreamOptions{}.window_bytes + 2 * Pusher::kSegment);
  REQUIRE(RunUntil(f.io, [&] {
    pusher.Release();
    return done;
  }));
  CHECK(f.served.pushed_bytes == kSegments * Pusher::kSegment);
}

TEST_CASE("rpc_connection: two threads talk with each other", "[proto]") {
  boost::asio::io_context client_io;
  boost::asio::io_context server_io;
  auto pair = TcpPair(client_io);
  boost::system::error_code error;
  const int fd = pair.second.release(error);
  REQUIRE(!error);
  std::thread server([&] {
    KjLoop loop(server_io.get_executor(), nullptr);
    Served served;
    auto stream = NewAsioStream(
        loop, testing::TcpSocket(server_io, boost::asio::ip::tcp::v4(), fd));
    RpcConnection connection(
        loop, *std::move(stream),
        capnp::Capability::Client(kj::heap<ServiceImpl>(served)),
        {.side = RpcConnection::Side::kServer,
         .on_disconnect = [&] { server_io.stop(); }});
    server_io.run();
  });
  {
    KjLoop loop(client_io.get_executor(), nullptr);
    auto stream = NewAsioStream(loop, std::move(pair.first));
    RpcConnection connection(loop, *std::move(stream), nullptr, {});
    for (int i = 0; i < 200; ++i) {
      CHECK(Wait(client_io, loop, [&] {
              auto service = connection.Bootstrap().castAs<Service>();
              auto request = service.echoRequest();
              request.initBytes(static_cast<kj::uint>(i) * 1000);
              return request.send().ignoreResult();
            }).ok());
    }
  }
  server.join();
}

}  // namespace
}  // namespace syncline
