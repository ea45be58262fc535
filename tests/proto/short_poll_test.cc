#include "proto/short_poll.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <catch2/catch.hpp>
#include <chrono>

namespace syncline::testing {
namespace {

TEST_CASE("short_poll: runs one handler after the other", "[proto]") {
  boost::asio::io_context io;
  ShortPoll poll(io);
  int ran = 0;
  for (int i = 0; i < 3; ++i) boost::asio::post(io, [&] { ++ran; });
  for (int i = 1; i <= 3; ++i) {
    CHECK(poll.RunOne(i != 2) == 1);
    CHECK(ran == i);
  }
  CHECK(poll.RunOne() == 0);  // Nothing is left to wait for.
  CHECK(io.stopped());
}

TEST_CASE("short_poll: sleeps when looking was in vain", "[proto]") {
  boost::asio::io_context io;
  const auto work = boost::asio::make_work_guard(io);
  ShortPoll poll(io);
  for (int i = 0; i < 200; ++i) {
    bool rang = false;
    boost::asio::steady_timer timer(io, std::chrono::microseconds(300));
    timer.async_wait([&](const boost::system::error_code&) { rang = true; });
    while (!rang) REQUIRE(poll.RunOne() == 1);
  }
}

TEST_CASE("short_poll: a stopped loop ends it", "[proto]") {
  boost::asio::io_context io;
  const auto work = boost::asio::make_work_guard(io);
  ShortPoll poll(io);
  boost::asio::post(io, [&] { io.stop(); });
  CHECK(poll.RunOne() == 1);
  CHECK(poll.RunOne() == 0);
}

}  // namespace
}  // namespace syncline::testing
