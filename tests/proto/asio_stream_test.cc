#include "proto/asio_stream.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "tests/proto/kj_wait.h"
#include "tests/proto/stream_pair.h"

namespace syncline {
namespace {

using absl::StatusCode;
using testing::LocalPair;
using testing::LocalSocket;
using testing::Pattern;
using testing::RunUntil;
using testing::TcpPair;
using testing::TcpSocket;
using testing::Wait;
using testing::WaitValue;

// One end a stream under test, the other a plain socket.
template <typename Socket>
struct StreamFixture {
  boost::asio::io_context io;
  KjLoop loop{io.get_executor(), nullptr};
  Socket peer{io};
  kj::Own<kj::AsyncIoStream> stream;

  StreamFixture() {
    auto pair = [&] {
      if constexpr (std::is_same_v<Socket, TcpSocket>) {
        return TcpPair(io);
      } else {
        return LocalPair(io);
      }
    }();
    peer = std::move(pair.second);
    auto made = NewAsioStream(loop, std::move(pair.first));
    REQUIRE(made.ok());
    stream = *std::move(made);
  }
  ~StreamFixture() {
    loop.Enter([&] { stream = nullptr; });
  }

  void PeerSends(std::string_view bytes) {
    boost::asio::write(peer, boost::asio::buffer(bytes));
  }
  std::string PeerReads(std::size_t count) {
    std::string bytes(count, '\0');
    boost::asio::read(peer, boost::asio::buffer(bytes));
    return bytes;
  }
  // What arrives at the peer while the loop runs, until `count` bytes.
  std::string Drained(std::size_t count) {
    std::string got;
    peer.non_blocking(true);
    std::vector<char> buffer(1 << 20);
    const bool done = RunUntil(io, [&] {
      boost::system::error_code error;
      const std::size_t bytes =
          peer.read_some(boost::asio::buffer(buffer), error);
      got.append(buffer.data(), bytes);
      if (got.size() < count) boost::asio::post(io, [] {});
      return got.size() >= count;
    });
    REQUIRE(done);
    return got;
  }
  absl::StatusOr<std::string> Read(std::size_t min_bytes,
                                   std::size_t max_bytes) {
    std::string bytes(max_bytes, '\0');
    auto count = WaitValue<std::size_t>(io, loop, [&] {
      return stream->tryRead(bytes.data(), min_bytes, max_bytes);
    });
    if (!count.ok()) return count.status();
    bytes.resize(*count);
    return bytes;
  }
  absl::Status Write(std::string_view bytes) {
    return Wait(io, loop,
                [&] { return stream->write(bytes.data(), bytes.size()); });
  }
};

TEMPLATE_TEST_CASE("asio_stream: reads give what the peer sent", "[proto]",
                   TcpSocket, LocalSocket) {
  StreamFixture<TestType> f;
  f.PeerSends("header--and the body and the next");
  CHECK(*f.Read(8, 8) == "header--");
  CHECK(*f.Read(12, 12) == "and the body");
  CHECK(*f.Read(1, 100) == " and the next");  // From the read-ahead.
  boost::asio::post(f.io, [&] { f.PeerSends("late"); });
  CHECK(*f.Read(4, 4) == "late");
  boost::asio::post(f.io, [&] {
    f.PeerSends("cut");
    f.peer.close();
  });
  CHECK(*f.Read(10, 10) == "cut");
  CHECK(f.Read(1, 10)->empty());
}

// The stream knows that the first read emptied the socket, and so does not look
// before it waits: what has come since must end the wait.
TEMPLATE_TEST_CASE("asio_stream: bytes that came between two reads are read",
                   "[proto]", TcpSocket, LocalSocket) {
  StreamFixture<TestType> f;
  for (int round = 0; round < 3; ++round) {
    f.PeerSends("one");
    CHECK(*f.Read(1, 100) == "one");
    f.io.poll();
    f.PeerSends("two");
    f.io.poll();
    CHECK(*f.Read(3, 3) == "two");
  }
  f.PeerSends("last");
  CHECK(*f.Read(4, 4) == "last");
  f.peer.close();
  CHECK(f.Read(1, 1)->empty());
}

TEMPLATE_TEST_CASE("asio_stream: large reads and writes are whole", "[proto]",
                   TcpSocket, LocalSocket) {
  StreamFixture<TestType> f;
  const std::string bytes = Pattern(5'000'003);
  std::string in(bytes.size(), '\0');
  kj::Promise<void> task = nullptr;
  bool written = false;
  f.loop.Enter([&] {
    task = f.stream->write(bytes.data(), bytes.size())
               .then([&] { written = true; })
               .eagerlyEvaluate(nullptr);
  });
  CHECK_FALSE(written);  // More than the kernel holds.
  CHECK(f.Drained(bytes.size()) == bytes);
  REQUIRE(RunUntil(f.io, [&] { return written; }));
  f.loop.Enter([&] { task = nullptr; });

  bool sent = false;
  f.peer.non_blocking(false);
  boost::asio::async_write(f.peer, boost::asio::buffer(bytes),
                           [&](auto, auto) { sent = true; });
  const auto got = f.Read(bytes.size(), bytes.size());
  REQUIRE(got.ok());
  CHECK(*got == bytes);
  REQUIRE(RunUntil(f.io, [&] { return sent; }));
}

TEST_CASE("asio_stream: small writes leave together and in order", "[proto]") {
  StreamFixture<LocalSocket> f;
  std::string expected;
  f.loop.Enter([&] {
    for (int i = 0; i < 100; ++i) {
      const std::string piece = "message " + std::to_string(i) + ";";
      expected += piece;
      // Ready at once: the bytes were taken over.
      auto done = f.stream->write(piece.data(), piece.size());
      f.loop.Detach(kj::mv(done));
    }
    f.peer.non_blocking(true);
    char byte;
    boost::system::error_code error;
    f.peer.read_some(boost::asio::buffer(&byte, 1), error);
    CHECK(error == boost::asio::error::would_block);  // Not before the end.
  });
  CHECK(f.Drained(expected.size()) == expected);
}

TEST_CASE("asio_stream: writes of all sizes keep their order", "[proto]") {
  StreamFixture<TcpSocket> f;
  const std::string bytes = Pattern(4'000'000);
  std::vector<kj::ArrayPtr<const kj::byte>> pieces;
  std::size_t at = 0;
  bool done = false;
  // One write after the other: below, at and above what is gathered.
  const std::size_t sizes[] = {0, 1, 8192, 8193, 70'000, 5, 300'000, 8191};
  std::size_t round = 0;
  std::function<kj::Promise<void>()> next = [&]() -> kj::Promise<void> {
    if (at == bytes.size()) return kj::READY_NOW;
    const std::size_t size =
        std::min(sizes[round++ % std::size(sizes)], bytes.size() - at);
    const auto* data = reinterpret_cast<const kj::byte*>(bytes.data()) + at;
    at += size;
    pieces = {kj::arrayPtr(data, size / 3), nullptr,
              kj::arrayPtr(data + size / 3, size - size / 3)};
    return f.stream->write(kj::arrayPtr(pieces.data(), pieces.size()))
        .then([&] { return next(); });
  };
  f.loop.Enter([&] { f.loop.Detach(next().then([&] { done = true; })); });
  CHECK(f.Drained(bytes.size()) == bytes);
  CHECK(RunUntil(f.io, [&] { return done; }));
}

TEST_CASE("asio_stream: a stream destroyed sends what it gathered", "[proto]") {
  StreamFixture<LocalSocket> f;
  f.loop.Enter([&] {
    f.loop.Detach(f.stream->write("goodbye", 7));
    f.stream = nullptr;
  });
  CHECK(f.PeerReads(7) == "goodbye");
}

TEST_CASE("asio_stream: shutdownWrite comes after what was written",
          "[proto]") {
  StreamFixture<LocalSocket> f;
  f.loop.Enter([&] {
    f.loop.Detach(f.stream->write("last words", 10));
    f.stream->shutdownWrite();
  });
  CHECK(f.PeerReads(10) == "last words");
  char byte;
  boost::system::error_code error;
  f.peer.read_some(boost::asio::buffer(&byte, 1), error);
  CHECK(error == boost::asio::error::eof);
  f.PeerSends("still open");
  CHECK(*f.Read(10, 10) == "still open");
}

TEMPLATE_TEST_CASE("asio_stream: a read that was dropped touches nothing",
                   "[proto]", TcpSocket, LocalSocket) {
  StreamFixture<TestType> f;
  auto memory = std::make_unique<std::string>(8, '-');
  kj::Promise<void> read = nullptr;
  f.loop.Enter([&] {
    read = f.stream->tryRead(memory->data(), 8, 8)
               .ignoreResult()
               .eagerlyEvaluate(nullptr);
  });
  f.loop.Enter([&] { read = nullptr; });
  memory.reset();  // ASan watches it.
  f.PeerSends("12345678");
  f.io.poll();  // The wait for readiness ends; nobody reads.
  CHECK(*f.Read(8, 8) == "12345678");  // Nothing was lost.
}

TEST_CASE("asio_stream: a write that was dropped in part breaks the stream",
          "[proto]") {
  StreamFixture<LocalSocket> f;
  auto memory = std::make_unique<std::string>(Pattern(8 << 20));
  kj::Promise<void> write = nullptr;
  f.loop.Enter(
      [&] { write = f.stream->write(memory->data(), memory->size()); });
  f.loop.Enter([&] { write = nullptr; });
  memory.reset();
  CHECK(f.Write("x").code() == StatusCode::kInternal);
}

TEMPLATE_TEST_CASE("asio_stream: the peer's half close is no disconnect",
                   "[proto]", TcpSocket, LocalSocket) {
  StreamFixture<TestType> f;
  bool disconnected = false;
  kj::Promise<void> watch = nullptr;
  f.loop.Enter([&] {
    watch = f.stream->whenWriteDisconnected()
                .then([&] { disconnected = true; })
                .eagerlyEvaluate(nullptr);
  });
  f.PeerSends("done");
  f.peer.shutdown(TestType::shutdown_send);
  CHECK(*f.Read(4, 4) == "done");
  CHECK(f.Read(1, 1)->empty());
  CHECK(f.Write("answer").ok());
  CHECK(f.PeerReads(6) == "answer");
  f.io.poll();
  CHECK_FALSE(disconnected);
  // A reset is one.
  if constexpr (std::is_same_v<TestType, TcpSocket>) {
    f.peer.set_option(boost::asio::socket_base::linger(true, 0));
  }
  f.peer.close();
  CHECK(RunUntil(f.io, [&] { return disconnected; }));
  f.loop.Enter([&] { watch = nullptr; });
}

TEMPLATE_TEST_CASE("asio_stream: a lost peer is DISCONNECTED", "[proto]",
                   TcpSocket, LocalSocket) {
  StreamFixture<TestType> f;
  const std::string bytes = Pattern(20 << 20);
  f.loop.Enter([&] {});
  boost::asio::post(f.io, [&] {
    if constexpr (std::is_same_v<TestType, TcpSocket>) {
      f.peer.set_option(boost::asio::socket_base::linger(true, 0));
    }
    f.peer.close();
  });
  CHECK(f.Write(bytes).code() == StatusCode::kUnavailable);
  CHECK(f.Write("x").code() == StatusCode::kUnavailable);
  CHECK(Wait(f.io, f.loop, [&] {
          return f.stream->whenWriteDisconnected();
        }).ok());
}

TEST_CASE("asio_stream: destroying a stream fails what waits for it",
          "[proto]") {
  StreamFixture<LocalSocket> f;
  char byte;
  std::vector<kj::Exception::Type> failed;
  const auto fail = [&](kj::Exception&& e) { failed.push_back(e.getType()); };
  const std::string bytes = Pattern(8 << 20);
  kj::Promise<void> read = nullptr;
  kj::Promise<void> write = nullptr;
  f.loop.Enter([&] {
    read = f.stream->tryRead(&byte, 1, 1)
               .ignoreResult()
               .catch_(fail)
               .eagerlyEvaluate(nullptr);
    write = f.stream->write(bytes.data(), bytes.size())
                .catch_(fail)
                .eagerlyEvaluate(nullptr);
  });
  f.loop.Enter([&] { f.stream = nullptr; });
  CHECK(failed ==
        std::vector<kj::Exception::Type>(2, kj::Exception::Type::DISCONNECTED));
  f.loop.Enter([&] {
    read = nullptr;
    write = nullptr;
  });
}

TEST_CASE("asio_stream: options are answered", "[proto]") {
  boost::asio::io_context io;
  KjLoop loop(io.get_executor(), nullptr);
  auto pair = TcpPair(io);
  auto made = NewAsioStream(loop, std::move(pair.first),
                            AsioStreamOptions{.window_bytes = 12'345'678});
  REQUIRE(made.ok());
  loop.Enter([&] {
    int value = 0;
    kj::uint length = sizeof value;
    (*made)->getsockopt(SOL_SOCKET, SO_SNDBUF, &value, &length);
    CHECK(value == 12'345'678);
    (*made)->getsockopt(IPPROTO_TCP, TCP_NODELAY, &value, &length);
    CHECK(value == 1);
    *made = kj::Own<kj::AsyncIoStream>();
  });
}

TEST_CASE("asio_stream: a socket that is closed is refused", "[proto]") {
  boost::asio::io_context io;
  KjLoop loop(io.get_executor(), nullptr);
  CHECK_FALSE(NewAsioStream(loop, TcpSocket(io)).ok());
  CHECK_FALSE(NewAsioStream(loop, LocalSocket(io)).ok());
}

}  // namespace
}  // namespace syncline
