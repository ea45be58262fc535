#include "proto/message_socket.h"

#include <capnp/any.h>
#include <capnp/serialize.h>

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/proto/stream_pair.h"

namespace syncline::testing {
namespace {

constexpr std::size_t kMessageBytesMax = 8u << 20;

// One end, which keeps the texts of all messages that came.
class SocketEnd {
 public:
  SocketEnd(boost::asio::io_context& io, LocalSocket socket)
      : socket_(MessageSocket::Adopt(
                    io.get_executor(), std::move(socket), kMessageBytesMax,
                    [this] { Read(); }, [this] { ++drained; })
                    .value()) {
    socket_->WaitReadable();
  }

  void Send(const std::string& text, unsigned first_words = 16) {
    capnp::MallocMessageBuilder message(first_words,
                                        capnp::AllocationStrategy::FIXED_SIZE);
    message.getRoot<capnp::AnyPointer>().setAs<capnp::Text>(text.c_str());
    socket_->Add(message);
  }
  MessageSocket& socket() { return *socket_; }
  void Drop() { socket_.reset(); }

  std::vector<std::string> texts;
  bool lost = false;
  int drained = 0;

 private:
  void Read() {
    MessageSocket::Words words;
    for (;;) {
      switch (socket_->Next(words)) {
        case MessageSocket::Input::kMessage: {
          capnp::FlatArrayMessageReader reader(
              words, capnp::ReaderOptions{kMessageBytesMax, 8});
          const auto text =
              reader.getRoot<capnp::AnyPointer>().getAs<capnp::Text>();
          texts.emplace_back(text.begin(), text.size());
          break;
        }
        case MessageSocket::Input::kNothingNow:
          return socket_->WaitReadable();
        case MessageSocket::Input::kLost:
          lost = true;
          return;
      }
    }
  }

  std::unique_ptr<MessageSocket> socket_;
};

struct SocketRig {
  boost::asio::io_context io;
  std::pair<LocalSocket, LocalSocket> pair = LocalPair(io);
  SocketEnd a{io, std::move(pair.first)};
  SocketEnd b{io, std::move(pair.second)};
};

TEST_CASE("message_socket: messages of all sizes arrive in order",
          "[proto][message_socket]") {
  SocketRig rig;
  std::vector<std::string> sent;
  for (const std::size_t size :
       {0, 1, 7, 8, 100, 5000, 70'000, 3, 1'000'000, 2'500'000, 9}) {
    std::string text = Pattern(size);
    for (char& c : text) c = static_cast<char>('a' + (c & 15));
    sent.push_back(text);
    rig.a.Send(text);
    rig.a.Send(text, 4);  // Of several segments.
    rig.a.socket().Flush();
  }
  while (rig.b.texts.size() < 2 * sent.size()) rig.io.run_one();
  for (std::size_t i = 0; i < sent.size(); ++i) {
    REQUIRE(rig.b.texts[2 * i] == sent[i]);
    REQUIRE(rig.b.texts[2 * i + 1] == sent[i]);
  }
  CHECK(rig.a.socket().unsent_bytes() == 0);
  CHECK(rig.a.drained > 0);
}

TEST_CASE("message_socket: shared bytes leave in their place",
          "[proto][message_socket]") {
  SocketRig rig;
  // A message by hand: its text is somebody else's bytes.
  const auto text = std::make_shared<const std::string>(400'000, 's');
  const std::uint64_t words = 1 + 400'000 / 8 + 1;
  const std::uint64_t head[] = {words << 32, 1 | 2ull << 32 | 400'001ull << 35};
  rig.a.Send("before");
  rig.a.socket().AddBytes({reinterpret_cast<const char*>(head), sizeof head});
  rig.a.socket().AddShared(*text, text);
  rig.a.socket().AddBytes(std::string(8, '\0'));
  rig.a.Send("behind");
  rig.a.socket().FlushLater();
  while (rig.b.texts.size() < 3) rig.io.run_one();
  CHECK(rig.b.texts[0] == "before");
  CHECK(rig.b.texts[1] == *text);
  CHECK(rig.b.texts[2] == "behind");
  CHECK(text.use_count() == 1);
}

TEST_CASE("message_socket: a peer that goes is told to both directions",
          "[proto][message_socket]") {
  SocketRig rig;
  SECTION("while reading") {
    rig.b.Drop();
    while (!rig.a.lost) rig.io.run_one();
  }
  SECTION("while writing") {
    rig.a.Send(std::string(3'000'000, 'x'));
    rig.a.socket().Flush();
    CHECK(rig.a.socket().unsent_bytes() > 0);
    rig.b.Drop();
    while (!rig.a.lost) rig.io.run_one();
    rig.a.Send("x");
    rig.a.socket().Flush();
    CHECK(rig.a.socket().unsent_bytes() == 0);
  }
}

TEST_CASE("message_socket: what is no message ends the connection",
          "[proto][message_socket][table]") {
  struct Row {
    const char* why;
    std::uint32_t words[2];
  };
  const Row row = GENERATE(Row{"a message beyond the limit", {0, 1u << 24}},
                           Row{"endless segments", {0x0fffffff, 1}});
  INFO(row.why);
  SocketRig rig;
  rig.a.socket().AddBytes(
      {reinterpret_cast<const char*>(row.words), sizeof row.words});
  rig.a.socket().Flush();
  while (!rig.b.lost) rig.io.run_one();
}

}  // namespace
}  // namespace syncline::testing
