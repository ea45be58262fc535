#include "proto/kj_loop.h"

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <catch2/catch.hpp>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "tests/proto/kj_wait.h"

namespace syncline {
namespace {

using testing::RunUntil;
using testing::Wait;

struct LoopFixture {
  boost::asio::io_context io;
  std::vector<absl::Status> errors;
  KjLoop loop{io.get_executor(),
              [this](const absl::Status& status) { errors.push_back(status); }};
};

TEST_CASE("kj_loop: a fulfilled promise runs in the same handler", "[proto]") {
  LoopFixture f;
  int ran = 0;
  f.loop.Enter([&] {
    f.loop.Detach(kj::evalLater([&] { ++ran; }).then([&] { ++ran; }));
  });
  CHECK(ran == 2);
  CHECK(f.io.poll() == 0);
}

TEST_CASE("kj_loop: a promise fulfilled outside the loop wakes it", "[proto]") {
  LoopFixture f;
  // Repeated because KJ reports only changes of state: a wake-up that is
  // lost shows at the second or later round.
  for (int round = 0; round < 5; ++round) {
    bool done = false;
    kj::Own<kj::PromiseFulfiller<void>> fulfiller;
    f.loop.Enter([&] {
      auto pair = kj::newPromiseAndFulfiller<void>();
      fulfiller = kj::mv(pair.fulfiller);
      f.loop.Detach(pair.promise.then([&] { done = true; }));
    });
    boost::asio::post(f.io, [&] { fulfiller->fulfill(); });
    REQUIRE(RunUntil(f.io, [&] { return done; }));
  }
}

TEST_CASE("kj_loop: work left over by one handler is taken up by the next",
          "[proto]") {
  LoopFixture f;
  int turns = 0;
  std::function<kj::Promise<void>()> step = [&]() -> kj::Promise<void> {
    if (++turns == 10'000) return kj::READY_NOW;
    return kj::evalLater(step);
  };
  bool other_ran = false;
  int turns_at_other = 0;
  f.loop.Enter([&] { f.loop.Detach(step()); });
  CHECK(turns < 10'000);  // Bounded, so other handlers get in between.
  boost::asio::post(f.io, [&] {
    other_ran = true;
    turns_at_other = turns;
  });
  REQUIRE(RunUntil(f.io, [&] { return turns == 10'000; }));
  CHECK(other_ran);
  CHECK(turns_at_other < 10'000);
}

TEST_CASE("kj_loop: a fulfiller used on another thread wakes the loop",
          "[proto]") {
  LoopFixture f;
  auto work = boost::asio::make_work_guard(f.io);
  for (int round = 0; round < 20; ++round) {
    int value = 0;
    bool after = false;
    kj::Own<kj::CrossThreadPromiseFulfiller<int>> fulfiller;
    kj::Own<kj::PromiseFulfiller<void>> plain;
    f.loop.Enter([&] {
      auto pair = kj::newPromiseAndCrossThreadFulfiller<int>();
      fulfiller = kj::mv(pair.fulfiller);
      f.loop.Detach(pair.promise.then([&](int got) { value = got; }));
      auto plain_pair = kj::newPromiseAndFulfiller<void>();
      plain = kj::mv(plain_pair.fulfiller);
      f.loop.Detach(plain_pair.promise.then([&] { after = true; }));
    });
    std::thread other([&] { fulfiller->fulfill(round + 1); });
    CHECK(RunUntil(f.io, [&] { return value == round + 1; }));
    other.join();
    // KJ's poll() forgets to say that it is idle again. Uncorrected, that
    // costs a needless handler, or the wake-up of the next event.
    CHECK(f.io.poll() == 0);
    boost::asio::post(f.io, [&] { plain->fulfill(); });
    REQUIRE(RunUntil(f.io, [&] { return after; }));
  }
}

TEST_CASE("kj_loop: an executor runs work of another loop on its thread",
          "[proto]") {
  LoopFixture a;
  auto work = boost::asio::make_work_guard(a.io);
  const kj::Executor* executor = nullptr;
  a.loop.Enter([&] { executor = &kj::getCurrentThreadExecutor(); });
  std::atomic<bool> done = false;
  std::thread::id ran_on;
  std::thread other([&] {
    LoopFixture b;
    auto keep = boost::asio::make_work_guard(b.io);
    const absl::Status status = Wait(b.io, b.loop, [&] {
      return executor->executeAsync(
          [&] { ran_on = std::this_thread::get_id(); });
    });
    done = status.ok();
    boost::asio::post(a.io, [] {});
  });
  CHECK(RunUntil(a.io, [&] { return done.load(); }));
  other.join();
  CHECK(ran_on == std::this_thread::get_id());
}

TEST_CASE("kj_loop: a timer is ready after its delay and can be dropped",
          "[proto]") {
  LoopFixture f;
  CHECK(Wait(f.io, f.loop, [&] {
          return f.loop.After(std::chrono::milliseconds(1));
        }).ok());
  kj::Promise<void> dropped = nullptr;
  f.loop.Enter([&] { dropped = f.loop.After(std::chrono::hours(1)); });
  f.loop.Enter([&] { dropped = nullptr; });
  f.io.restart();
  f.io.run();  // Ends: the timer is not waited for.
  SUCCEED();
}

TEST_CASE("kj_loop: closing with a posted pump leaves nothing behind",
          "[proto]") {
  boost::asio::io_context io;
  int ran = 0;
  int destroyed = 0;
  {
    auto loop = std::make_unique<KjLoop>(io.get_executor(), nullptr);
    kj::Own<kj::PromiseFulfiller<void>> fulfiller;
    loop->Enter([&] {
      auto pair = kj::newPromiseAndFulfiller<void>();
      fulfiller = kj::mv(pair.fulfiller);
      loop->Detach(pair.promise.then([&] { ++ran; }).attach(kj::defer([&] {
        ++destroyed;
      })));
      loop->Detach(loop->After(std::chrono::hours(1)));
    });
    loop->Post([&, cleanup = kj::defer([&] { ++destroyed; })] { ++ran; });
    fulfiller->fulfill();  // Posts a pump that will find the loop gone.
  }
  CHECK(destroyed == 2);
  CHECK(io.run() > 0);  // The handlers outlive the loop and do nothing.
  CHECK(ran == 0);
}

TEST_CASE("kj_loop: an exception thrown inside Enter leaves the loop usable",
          "[proto]") {
  LoopFixture f;
  bool later = false;
  CHECK_THROWS_AS(f.loop.Enter([&] {
    f.loop.Detach(kj::evalLater([&] { later = true; }));
    throw std::runtime_error("from the application");
  }),
                  std::runtime_error);
  CHECK_FALSE(f.loop.IsEntered());
  // What was made ready before it still runs, and the loop can be entered.
  REQUIRE(RunUntil(f.io, [&] { return later; }));
  bool entered = false;
  f.loop.Enter([&] { entered = f.loop.IsEntered(); });
  CHECK(entered);
}

TEST_CASE("kj_loop: a failed task is reported and an exception in it caught",
          "[proto]") {
  LoopFixture f;
  f.loop.Enter([&] {
    f.loop.Detach(kj::evalLater([] { throw std::runtime_error("oops"); }));
    f.loop.Detach(kj::Promise<void>(
        KjFromStatus(absl::UnavailableError("the peer left"))));
  });
  REQUIRE(f.errors.size() == 2);
  CHECK(f.errors[0].code() == absl::StatusCode::kInternal);
  CHECK(f.errors[1].code() == absl::StatusCode::kUnavailable);
  CHECK(f.errors[1].message() == "the peer left");
}

TEST_CASE("kj_loop: several loops share one thread", "[proto]") {
  LoopFixture a;
  KjLoop b(a.io.get_executor(), nullptr);
  std::vector<std::string> order;
  a.loop.Enter([&] {
    // From inside one loop another is reached by Post().
    b.Post([&] {
      CHECK(b.IsEntered());
      CHECK_FALSE(a.loop.IsEntered());
      order.push_back("b");
      a.loop.Post([&] { order.push_back("a"); });
    });
    order.push_back("first");
  });
  REQUIRE(RunUntil(a.io, [&] { return order.size() == 3; }));
  CHECK(order == std::vector<std::string>{"first", "b", "a"});
}

TEST_CASE("kj_loop: posted functions run in order and may post again",
          "[proto]") {
  LoopFixture f;
  std::vector<int> order;
  f.loop.Post([&] {
    order.push_back(1);
    f.loop.Post([&] { order.push_back(3); });
  });
  f.loop.Post([&] { order.push_back(2); });
  CHECK(order.empty());
  REQUIRE(RunUntil(f.io, [&] { return order.size() == 3; }));
  CHECK(order == std::vector<int>{1, 2, 3});
}

TEST_CASE("kj_loop: what leaves the loop runs outside in the same handler",
          "[proto]") {
  LoopFixture f;
  std::vector<int> order;
  boost::asio::post(f.io, [&] {
    f.loop.Handle([&] {
      f.loop.Leave([&] {
        CHECK_FALSE(f.loop.IsEntered());
        CHECK(f.loop.MayEnter());
        order.push_back(2);
        f.loop.Leave([&] { order.push_back(4); });
      });
      f.loop.Leave([&] { order.push_back(3); });
      f.loop.Detach(kj::evalLater([&] { order.push_back(1); }));
    });
  });
  REQUIRE(f.io.run_one() == 1);
  CHECK(order == std::vector<int>{1, 2, 3});  // The last one waits its turn.
  f.io.poll();
  CHECK(order == std::vector<int>{1, 2, 3, 4});
}

TEST_CASE("kj_loop: what leaves outside of a handler comes in a later one",
          "[proto]") {
  LoopFixture f;
  int ran = 0;
  f.loop.Leave([&] { ++ran; });
  f.loop.Enter([&] { f.loop.Leave([&] { ++ran; }); });
  CHECK(ran == 0);
  CHECK(f.io.poll() == 1);
  CHECK(ran == 2);
}

TEST_CASE("kj_loop: a function that leaves may destroy the loop", "[proto]") {
  boost::asio::io_context io;
  auto loop = std::make_unique<KjLoop>(io.get_executor(), nullptr);
  bool second = false;
  bool dropped = false;
  boost::asio::post(io, [&] {
    loop->Handle([&] {
      loop->Leave([&] { loop.reset(); });
      loop->Leave([&, guard = std::shared_ptr<bool>(&dropped, [](bool* gone) {
                        *gone = true;
                      })] { second = true; });
    });
  });
  io.poll();
  CHECK(loop == nullptr);
  CHECK_FALSE(second);
  CHECK(dropped);
}

TEST_CASE("kj_loop: an exception of one that leaves keeps back no other",
          "[proto]") {
  LoopFixture f;
  bool second = false;
  boost::asio::post(f.io, [&] {
    f.loop.Handle([&] {
      f.loop.Leave([] { throw std::runtime_error("mine"); });
      f.loop.Leave([&] { second = true; });
    });
  });
  CHECK_THROWS_AS(f.io.run_one(), std::runtime_error);
  CHECK_FALSE(second);
  f.io.restart();
  CHECK(f.io.poll() == 1);
  CHECK(second);
}

TEST_CASE("kj_loop: a loop works on a strand over several threads", "[proto]") {
  boost::asio::thread_pool pool(4);
  std::atomic<int> rounds = 0;
  auto strand = boost::asio::make_strand(pool);
  auto loop = std::make_unique<KjLoop>(strand, nullptr);
  std::atomic<bool> closed = false;
  std::function<kj::Promise<void>()> step = [&]() -> kj::Promise<void> {
    if (++rounds == 200) {
      boost::asio::post(strand, [&] {
        loop = nullptr;
        closed = true;
      });
      return kj::NEVER_DONE;
    }
    return loop->After(std::chrono::milliseconds(0)).then(step);
  };
  boost::asio::post(strand,
                    [&] { loop->Enter([&] { loop->Detach(step()); }); });
  pool.join();
  CHECK(closed);
  CHECK(rounds == 200);
}

TEST_CASE("kj_loop: an idle loop runs no handlers", "[proto]") {
  LoopFixture f;
  f.loop.Enter([&] { f.loop.Detach(kj::NEVER_DONE); });
  CHECK(f.io.poll() == 0);
}

}  // namespace
}  // namespace syncline
