#include "proto/plain_rpc.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "proto/asio_stream.h"
#include "proto/control.capnp.h"
#include "proto/rpc_connection.h"
#include "tests/proto/stream_pair.h"

namespace syncline::testing {
namespace {

using control::EventControl;
using control::RecordSink;

// Notes what it is told of.
struct Notes final : PlainRpc::Handler {
  void OnBootstrap(PlainRpc::Id question,
                   capnp::AnyPointer::Reader object) override {
    const auto text = object.getAs<capnp::Text>();
    said.push_back("bootstrap " + std::to_string(question) + " " + text.cStr());
  }
  void OnCall(const capnp::rpc::Call::Reader& call) override {
    said.push_back("call " + std::to_string(call.getQuestionId()) + " of " +
                   std::to_string(call.getMethodId()));
    if (call.getInterfaceId() != capnp::typeId<RecordSink>()) return;
    const auto params =
        call.getParams().getContent().getAs<RecordSink::PushParams>();
    for (const auto piece : params.getPieces()) {
      const auto bytes = piece.getRecords();
      said.push_back(std::to_string(piece.getSource()) + ": " +
                     std::string(bytes.begin(), bytes.end()));
    }
  }
  void OnReturn(const capnp::rpc::Return::Reader& answer) override {
    said.push_back("return " + std::to_string(answer.getAnswerId()));
    if (answer.isException()) {
      said.push_back(answer.getException().getReason().cStr());
    }
  }
  void OnFinish(PlainRpc::Id question) override {
    said.push_back("finish " + std::to_string(question));
  }
  std::vector<std::string> said;
};

struct RpcEnd {
  RpcEnd(boost::asio::io_context& io, LocalSocket connected)
      : socket(MessageSocket::Adopt(
                   io.get_executor(), std::move(connected), 1u << 20,
                   [this] { Read(); }, nullptr)
                   .value()),
        rpc(*socket) {
    socket->WaitReadable();
  }
  void Read() {
    MessageSocket::Words words;
    auto input = MessageSocket::Input::kMessage;
    while ((input = socket->Next(words)) == MessageSocket::Input::kMessage) {
      status.Update(rpc.Receive(words, notes));
    }
    if (input == MessageSocket::Input::kNothingNow) socket->WaitReadable();
  }
  std::unique_ptr<MessageSocket> socket;
  PlainRpc rpc;
  Notes notes;
  absl::Status status;
};

struct RpcRig {
  // What `b` is told of all that `a` said.
  std::vector<std::string> Said() {
    a.socket->Flush();
    io.poll();
    return b.notes.said;
  }

  boost::asio::io_context io;
  std::pair<LocalSocket, LocalSocket> pair = LocalPair(io);
  RpcEnd a{io, std::move(pair.first)};
  RpcEnd b{io, std::move(pair.second)};
};

TEST_CASE("plain_rpc: messages say what they were told to",
          "[proto][plain_rpc]") {
  RpcRig rig;
  rig.a.rpc.SendBootstrap(0, "events");
  PlainRpc::Call call;
  call.question = 7;
  call.interface_id = capnp::typeId<EventControl>();
  call.method_id = 1;
  rig.a.rpc.SendCall(call, 8, [](capnp::AnyPointer::Builder content) {
    content.initAs<EventControl::FeedParams>().setWritten(true);
  });
  rig.a.rpc.SendBootstrapResult(3);
  rig.a.rpc.SendException(4, absl::InternalError("broken"));
  rig.a.rpc.FinishLater(5);
  CHECK(rig.Said() == std::vector<std::string>{"bootstrap 0 events",
                                               "call 7 of 1", "return 3",
                                               "return 4", "broken"});
  // It comes with what follows.
  rig.a.rpc.SendCanceled(6);
  const auto said = rig.Said();
  REQUIRE(said.size() == 7);
  CHECK(said[5] == "finish 5");
  CHECK(said[6] == "return 6");
  CHECK(rig.b.status.ok());
}

TEST_CASE("plain_rpc: tails are the data of the last structs",
          "[proto][plain_rpc]") {
  RpcRig rig;
  const std::size_t count = GENERATE(1, 3);
  std::vector<PlainRpc::Tail> tails;
  std::vector<std::string> expected = {"call 1 of 1"};
  for (std::size_t i = 0; i < count; ++i) {
    const auto bytes =
        std::make_shared<const std::string>(1 + 2500 * i, 'a' + char(i));
    expected.push_back(std::to_string(i) + ": " + *bytes);
    tails.push_back({*bytes, bytes});
  }
  PlainRpc::Call call;
  call.question = 1;
  call.target = 9;
  call.interface_id = capnp::typeId<RecordSink>();
  call.method_id = 1;
  rig.a.rpc.SendCallWithTails(
      call, 4 * count + 8,
      [&](capnp::AnyPointer::Builder content) {
        auto pieces = content.initAs<RecordSink::PushParams>().initPieces(
            static_cast<unsigned>(count));
        for (unsigned i = 0; i < count; ++i) pieces[i].setSource(i);
      },
      4, tails);
  CHECK(rig.Said() == expected);
  CHECK(rig.b.status.ok());
}

TEST_CASE("plain_rpc: what is no message of the protocol is refused",
          "[proto][plain_rpc][table]") {
  struct Row {
    const char* why;
    std::uint64_t words[2];  // Root pointer, and what follows.
  };
  const Row row = GENERATE(Row{"a pointer beyond the message", {0xfffc, 0}},
                           Row{"another kind", {1ull << 32, 12}});
  INFO(row.why);
  RpcRig rig;
  const std::uint64_t table = 2ull << 32;
  rig.a.socket->AddBytes({reinterpret_cast<const char*>(&table), sizeof table});
  rig.a.socket->AddBytes(
      {reinterpret_cast<const char*>(row.words), sizeof row.words});
  rig.Said();
  CHECK_FALSE(rig.b.status.ok());
}

TEST_CASE("plain_rpc: the general implementation understands it",
          "[proto][plain_rpc]") {
  struct Service final : control::EventControl::Server {
    kj::Promise<void> appendEvents(AppendEventsContext context) override {
      durable = context.getParams().getDurable();
      return kj::READY_NOW;
    }
    bool durable = false;
  };
  boost::asio::io_context io;
  auto [ours, theirs] = LocalPair(io);
  KjLoop loop(io.get_executor(), nullptr);
  auto service = kj::heap<Service>();
  const Service& served = *service;
  std::unique_ptr<RpcConnection> connection;
  loop.Enter([&] {
    RpcConnection::Options options;
    options.side = RpcConnection::Side::kServer;
    connection = std::make_unique<RpcConnection>(
        loop, NewAsioStream(loop, std::move(theirs)).value(),
        capnp::Capability::Client(kj::mv(service)), std::move(options));
  });
  RpcEnd client(io, std::move(ours));
  client.rpc.SendBootstrap(0, "");
  PlainRpc::Call call;
  call.question = 1;
  call.interface_id = capnp::typeId<EventControl>();
  client.rpc.SendCall(call, 4, [](capnp::AnyPointer::Builder content) {
    content.initAs<EventControl::AppendEventsParams>().setDurable(true);
  });
  client.socket->Flush();
  io.poll();
  CHECK(client.status.ok());
  CHECK(served.durable);
  const std::vector<std::string> expected = {"return 0", "return 1"};
  CHECK(client.notes.said == expected);
  loop.Enter([&] { connection.reset(); });
  io.poll();
}

}  // namespace
}  // namespace syncline::testing
