#include "proto/short_poll.h"

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

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

// As long as a conversation goes on, and behind it.
TEST_CASE("short_poll: hears what others post, quickly or not", "[proto]") {
  boost::asio::io_context io;
  const auto work = boost::asio::make_work_guard(io);
  ShortPoll poll(io);
  constexpr int kMessages = 400;
  std::atomic<int> heard = 0;
  std::thread other([&] {
    for (int i = 0; i < kMessages; ++i) {
      while (heard < i) std::this_thread::yield();
      if (i % 100 == 99) {  // Longer than it looks.
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
      }
      boost::asio::post(io, [&] { ++heard; });
    }
  });
  while (heard < kMessages) REQUIRE(poll.RunOne() == 1);
  other.join();
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
