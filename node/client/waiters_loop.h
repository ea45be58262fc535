#pragma once

#include <condition_variable>
#include <list>
#include <mutex>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "absl/functional/function_ref.h"
#include "proto/short_poll.h"

namespace syncline {

// An io_context without a thread of its own: who waits for something of it
// runs it. A lone caller so does everything itself; of several, one runs it,
// and each of the others is woken when what it waits for is there, or when it
// is its turn to run.
//
// Thread-safe. Handlers must not wait.
class WaitersLoop {
 public:
  WaitersLoop() = default;
  WaitersLoop(const WaitersLoop&) = delete;
  WaitersLoop& operator=(const WaitersLoop&) = delete;

  boost::asio::io_context& io() { return io_; }

  // Returns when `there()`, which is called under the lock, is true.
  void Await(absl::FunctionRef<bool()> there);

  // Changes under the lock what somebody may wait for, on any thread.
  void Note(absl::FunctionRef<void()> change);

  // Runs `function` as a handler and waits for that.
  void Run(absl::FunctionRef<void()> function);

 private:
  struct Waiter {
    absl::FunctionRef<bool()> there;
    std::condition_variable woken;
  };

  // Lets go of the lock meanwhile.
  void RunSome(std::unique_lock<std::mutex>& lock);

  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type>
      guard_{io_.get_executor()};
  ShortPoll poll_{io_};  // Of who runs.

  std::mutex mutex_;
  std::list<Waiter*> waiters_;  // Guarded by `mutex_`, as are the rest.
  bool running_ = false;
};

}  // namespace syncline
