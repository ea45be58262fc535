#include "tests/testing/relay.h"

#include <array>
#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <functional>
#include <list>
#include <memory>
#include <thread>

#include "base/random.h"
#include "tests/testing/network_space.h"

namespace syncline::testing {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using std::chrono::milliseconds;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

tcp::endpoint EndpointOf(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  return {asio::ip::make_address(address.substr(0, colon)),
          static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1)))};
}

void Within(const NetworkSpace* space, const std::function<void()>& what) {
  space != nullptr ? space->Within(what) : what();
}

struct Line {
  tcp::socket near;
  tcp::socket far;

  void Close() {
    boost::system::error_code ignored;
    near.close(ignored);
    far.close(ignored);
  }
};

}  // namespace

struct Relay::Impl {
  Impl(const std::string& where, const NetworkSpace* from,
       const NetworkSpace* to)
      : target(EndpointOf(where)), to_space(to), acceptor(io) {
    Within(from, [this] {
      acceptor = {io, {asio::ip::address_v4::loopback(), 0}};
    });
    address = "127.0.0.1:" + std::to_string(acceptor.local_endpoint().port());
    asio::co_spawn(io, Accept(), asio::detached);
    thread = std::thread([this] { io.run(); });
  }

  ~Impl() {
    io.stop();
    thread.join();
  }

  asio::awaitable<void> Accept() {
    for (;;) {
      auto [error, socket] = co_await acceptor.async_accept(kTuple);
      if (error) co_return;
      asio::co_spawn(io, Connect(std::move(socket)), asio::detached);
    }
  }

  asio::awaitable<void> Connect(tcp::socket near) {
    auto line = std::make_shared<Line>(std::move(near), tcp::socket(io));
    Within(to_space, [&] { line->far.open(tcp::v4()); });
    auto [error] = co_await line->far.async_connect(target, kTuple);
    if (error) co_return;
    line->near.set_option(tcp::no_delay(true));
    line->far.set_option(tcp::no_delay(true));
    std::erase_if(lines, [](const auto& each) { return each.expired(); });
    lines.push_back(line);
    asio::co_spawn(io, Pass(line, Way::kForth), asio::detached);
    asio::co_spawn(io, Pass(line, Way::kBack), asio::detached);
  }

  asio::awaitable<void> Pass(std::shared_ptr<Line> line, Way way) {
    tcp::socket& from = way == Way::kForth ? line->near : line->far;
    tcp::socket& to = way == Way::kForth ? line->far : line->near;
    const auto index = static_cast<std::size_t>(way);
    std::array<char, 64 * 1024> buffer;
    for (;;) {
      auto [error, size] =
          co_await from.async_read_some(asio::buffer(buffer), kTuple);
      if (error) break;
      co_await Delay(index);
      auto [failed, written] =
          co_await asio::async_write(to, asio::buffer(buffer, size), kTuple);
      if (failed) break;
      bytes[index] += written;
    }
    line->Close();
  }

  asio::awaitable<void> Delay(std::size_t way) {
    asio::steady_timer timer(io);
    milliseconds late(most_ms == 0 ? 0 : random.Below(most_ms));
    if (lost_one_in != 0 && random.Below(lost_one_in) == 0) {
      late += milliseconds(200);
    }
    while (late.count() > 0 || held[way]) {
      timer.expires_after(late.count() > 0 ? late : milliseconds(5));
      co_await timer.async_wait(kTuple);
      late = milliseconds(0);
    }
  }

  asio::io_context io;
  const tcp::endpoint target;
  const NetworkSpace* const to_space;
  tcp::acceptor acceptor;
  std::string address;
  std::list<std::weak_ptr<Line>> lines;  // Of the thread.
  SeededRandom random{1};                // Of the thread.
  std::atomic<bool> held[2] = {false, false};
  std::atomic<std::uint64_t> most_ms = 0;
  std::atomic<std::uint64_t> lost_one_in = 0;
  std::atomic<std::uint64_t> bytes[2] = {0, 0};
  std::thread thread;
};

Relay::Relay(const std::string& target, const NetworkSpace* from,
             const NetworkSpace* to)
    : impl_(std::make_unique<Impl>(target, from, to)) {}

Relay::~Relay() = default;

const std::string& Relay::address() const { return impl_->address; }

void Relay::Hold(Way way, bool held) {
  impl_->held[static_cast<std::size_t>(way)] = held;
}

void Relay::Disturb(milliseconds most, std::uint64_t lost_one_in) {
  impl_->most_ms = static_cast<std::uint64_t>(most.count());
  impl_->lost_one_in = lost_one_in;
}

void Relay::Cut() {
  asio::post(impl_->io, [impl = impl_.get()] {
    for (const auto& each : impl->lines) {
      if (const auto line = each.lock()) line->Close();
    }
  });
}

std::uint64_t Relay::Bytes(Way way) const {
  return impl_->bytes[static_cast<std::size_t>(way)];
}

}  // namespace syncline::testing
