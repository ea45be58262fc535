#include "proto/rpc_connection.h"

#include <kj/debug.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "proto/asio_stream.h"
#include "tests/proto/kj_wait.h"
#include "tests/proto/service.capnp.h"

namespace syncline {
namespace {

using boost::asio::ip::tcp;
using testing::RunUntil;
using testing::Service;
using testing::Wait;
using testing::WaitValue;
using LocalSocket = boost::asio::local::stream_protocol::socket;

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
  kj::Promise<void> hang(HangContext) override {
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

std::pair<LocalSocket, LocalSocket> LocalPair(boost::asio::io_context& io) {
  std::pair<LocalSocket, LocalSocket> pair{LocalSocket(io), LocalSocket(io)};
  boost::asio::local::connect_pair(pair.first, pair.second);
  return pair;
}

std::pair<tcp::socket, tcp::socket> TcpPair(boost::asio::io_context& io) {
  tcp::acceptor acceptor(io, {boost::asio::ip::address_v4::loopback(), 0});
  tcp::socket client(io);
  client.connect(acceptor.local_endpoint());
  return {std::move(client), acceptor.accept()};
}

// Two nodes in one process: each its own loop, on one io_context.
struct Fixture {
  boost::asio::io_context io;
  KjLoop client_loop{io.get_executor(), nullptr};
  KjLoop server_loop{io.get_executor(), nullptr};
  Served served;
  int client_lost = 0;
  int server_lost = 0;
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
                               .on_disconnect = [this] { ++server_lost; }});
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
  ~Fixture() {
    client_loop.Enter([&] { service = nullptr; });
    client = nullptr;
    server = nullptr;
  }
};

std::string Bytes(std::size_t count) {
  std::string bytes(count, '\0');
  for (std::size_t i = 0; i < count; ++i) {
    bytes[i] = static_cast<char>(i * 2654435761u >> 24);
  }
  return bytes;
}

TEST_CASE("rpc_connection: calls are answered over TCP and Unix sockets",
          "[proto]") {
  Fixture f;
  SECTION("TCP") { f.Connect(TcpPair(f.io)); }
  SECTION("Unix") { f.Connect(LocalPair(f.io)); }
  const auto answer = f.WaitEcho("hello");
  REQUIRE(answer.ok());
  CHECK(*answer == "hello");
}

}  // namespace
}  // namespace syncline
