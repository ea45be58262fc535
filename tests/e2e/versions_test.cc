// A home or a peer of another version of the program: refused in words, with
// the exit code of the contract, and nothing changed.

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <future>
#include <optional>

#include "base/bytes.h"
#include "kv/keys.h"
#include "kv/rocks_store.h"
#include "proto/asio_stream.h"
#include "proto/peer.capnp.h"
#include "proto/rpc_connection.h"
#include "replication/peer/endpoint.h"
#include "replication/peer/invitation.h"
#include "tests/e2e/pair.h"
#include "tests/proto/kj_wait.h"

namespace syncline::testing {
namespace {

namespace fs = std::filesystem;
using boost::asio::ip::tcp;

constexpr std::uint16_t kLaterProtocol = 40'000;

void SetFormat(const fs::path& home, std::uint32_t format) {
  auto store = RocksStore::Open(home / "store");
  INFO(store.status().ToString());
  REQUIRE(store.ok());
  std::string row;
  AppendU32(row, format);
  WriteBatch batch;
  batch.Put(Column::kMeta, std::string(kMetaFormatKey), row);
  REQUIRE((*store)->Write(batch, true).ok());
}

TEST_CASE("versions: a home of a newer format is refused untouched",
          "[e2e][fault]") {
  TemporaryDirectory temp;
  const fs::path home = temp / "home";
  Pair::Must(home, {"project", "create", "tree"});
  REQUIRE(RunSyncline(home, {"put", "tree", "file"}, "kept").exit_code == 0);
  SetFormat(home, RocksStore::kFormat + 1);
  const fs::path saved = temp / "saved";
  fs::copy(home, saved, fs::copy_options::recursive);
  CheckRefused(RunSyncline(home, {"serve", "--listen", "127.0.0.1:0"}), 6,
               "newer");
  CheckRefused(RunSyncline(home, {"status"}), 6, "newer");
  CheckRefused(RunSyncline(home, {"put", "tree", "file"}, "lost"), 6, "newer");
  CheckRefused(RunSyncline(home, {"verify"}), 6, "newer");
  CHECK_FALSE(RocksStore::Open(home / "store").ok());
  // All that was there is there, and nothing was added to the store's files.
  CHECK(CompareTrees(saved, home) == "");
}

// What a node of a later version answers: it may leave the judgement to the
// one that dials, or refuse by itself.
class LaterGate final : public wire::PeerGate::Server {
 public:
  LaterGate(bool refuses, int& proofs) : refuses_(refuses), proofs_(proofs) {}

  kj::Promise<void> hello(HelloContext context) override {
    auto answer = context.getResults().initAnswer();
    if (refuses_) {
      answer.initRefused().setNoCommonVersion();
      return kj::READY_NOW;
    }
    auto accepted = answer.initAccepted();
    accepted.setHello(context.getParams().getHello());
    auto hello = accepted.getHello();
    hello.setProtocolMin(kLaterProtocol);
    hello.setProtocolMax(kLaterProtocol);
    hello.setInstanceNonce(
        kj::heapArray<kj::byte>(hello.getInstanceNonce().size()));
    return kj::READY_NOW;
  }
  kj::Promise<void> prove(ProveContext) override {
    ++proofs_;
    return kj::READY_NOW;
  }

 private:
  const bool refuses_;
  int& proofs_;
};

TEST_CASE("versions: joining a node that speaks only later versions", "[e2e]") {
  const bool refuses = GENERATE(false, true);
  TemporaryDirectory temp;
  const fs::path home = temp / "home";
  Pair::Must(home, {"init"});

  boost::asio::io_context io;
  KjLoop loop(io.get_executor(), [](const absl::Status&) {});
  tcp::acceptor acceptor(io, {boost::asio::ip::address_v4::loopback(), 0});
  std::unique_ptr<RpcConnection> rpc;
  int proofs = 0;
  acceptor.async_accept(
      [&](const boost::system::error_code& error, tcp::socket socket) {
        REQUIRE(!error);
        loop.Enter([&] {
          auto stream = NewAsioStream(loop, std::move(socket));
          REQUIRE(stream.ok());
          rpc = std::make_unique<RpcConnection>(
              loop, *std::move(stream),
              capnp::Capability::Client(kj::heap<LaterGate>(refuses, proofs)),
              RpcConnection::Options{.side = RpcConnection::Side::kServer});
        });
      });

  SystemRandom random;
  Invitation invitation;
  invitation.device_name = "later";
  invitation.device.hash.bytes[0] = 7;
  invitation.addresses = {EndpointText(acceptor.local_endpoint())};
  invitation.projects = {{{std::string(kProjectIdBytes, 'p')}, "tree"}};
  invitation.secret = NewInvitationSecret(random);
  const std::string code = *invitation.Encode();
  auto joining = std::async(std::launch::async, [&] {
    return RunSyncline(home, {"device", "join", code, "--dir", temp / "dir"});
  });
  using namespace std::chrono_literals;
  while (joining.wait_for(0s) != std::future_status::ready) {
    io.run_one_for(50ms);
    if (io.stopped()) io.restart();
  }
  CheckRefused(joining.get(), 7, "no common protocol version");
  CHECK(proofs == 0);
  CHECK(Pair::Must(home, {"project", "ls"}).find("tree") == std::string::npos);
  CHECK_FALSE(fs::exists(temp / "dir"));
  loop.Enter([&] { rpc.reset(); });
}

TEST_CASE("versions: a peer that speaks only later versions is told so",
          "[e2e]") {
  Pair pair;
  pair.Share();
  boost::asio::io_context io;
  KjLoop loop(io.get_executor(), [](const absl::Status&) {});
  tcp::socket socket(io);
  socket.connect(*ParseLoopbackEndpoint(pair.a().address()));
  std::unique_ptr<RpcConnection> rpc;
  loop.Enter([&] {
    auto stream = NewAsioStream(loop, std::move(socket));
    REQUIRE(stream.ok());
    rpc = std::make_unique<RpcConnection>(
        loop, *std::move(stream), nullptr,
        RpcConnection::Options{.side = RpcConnection::Side::kClient});
  });
  std::optional<bool> told;
  const absl::Status asked = Wait(io, loop, [&] {
    auto request = rpc->Bootstrap().castAs<wire::PeerGate>().helloRequest();
    auto hello = request.initHello();
    hello.setProtocolMin(kLaterProtocol);
    hello.setProtocolMax(kLaterProtocol);
    const auto bytes = kj::heapArray<kj::byte>(32);
    hello.setDeviceKey(bytes);
    hello.setChallenge(bytes);
    hello.setOrigin(bytes.slice(0, 16));
    hello.setInstanceNonce(bytes.slice(0, 16));
    return request.send().then([&](auto answer) {
      told = answer.getAnswer().isRefused() &&
             answer.getAnswer().getRefused().isNoCommonVersion();
    });
  });
  INFO(asked.ToString());
  CHECK(told == true);
  loop.Enter([&] { rpc.reset(); });
  // And who is known goes on being served.
  WriteFile(pair.dir_a() / "after", "still here");
  REQUIRE(pair.Settle());
  CHECK(ReadFile(pair.dir_b() / "after") == "still here");
}

}  // namespace
}  // namespace syncline::testing
