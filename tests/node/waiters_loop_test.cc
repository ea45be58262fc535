#include "node/client/waiters_loop.h"

#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

namespace syncline::testing {
namespace {

TEST_CASE("waiters_loop: a lone waiter runs what it waits for",
          "[node][client]") {
  WaitersLoop loop;
  const auto here = std::this_thread::get_id();
  bool done = false;
  boost::asio::post(loop.io(), [&] {
    CHECK(std::this_thread::get_id() == here);
    loop.Note([&] { done = true; });
  });
  CHECK_FALSE(done);
  loop.Await([&] { return done; });
  CHECK(done);
  int ran = 0;
  loop.Run([&] { ++ran; });
  CHECK(ran == 1);
}

TEST_CASE("waiters_loop: each of many waiters gets its turn",
          "[node][client]") {
  constexpr int kThreads = 8;
  constexpr int kRounds = 300;
  WaitersLoop loop;
  int handled = 0;  // By whoever runs the loop.
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < kRounds; ++round) {
        // Some of it is there at once, some later.
        bool done = false;
        boost::asio::steady_timer timer(
            loop.io(), std::chrono::microseconds(i % 2 == 0 ? 0 : 20));
        timer.async_wait([&](const boost::system::error_code&) {
          ++handled;
          loop.Note([&] { done = true; });
        });
        loop.Await([&] { return done; });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(handled == kThreads * kRounds);
}

TEST_CASE("waiters_loop: a handler that throws leaves the loop to others",
          "[node][client]") {
  WaitersLoop loop;
  boost::asio::post(loop.io(), [] { throw std::runtime_error("enough"); });
  CHECK_THROWS_AS(loop.Await([] { return false; }), std::runtime_error);
  bool done = false;
  std::thread other([&] { loop.Run([&] { done = true; }); });
  other.join();
  CHECK(done);
}

}  // namespace
}  // namespace syncline::testing
