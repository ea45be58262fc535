#include "node/client/waiters_loop.h"

#include <boost/asio/post.hpp>

namespace syncline {

void WaitersLoop::Await(absl::FunctionRef<bool()> there) {
  std::unique_lock lock(mutex_);
  if (there()) return;
  Waiter self{there, {}};
  const auto place = waiters_.insert(waiters_.end(), &self);
  while (!there()) {
    if (running_) {
      self.woken.wait(lock);
    } else {
      RunSome(lock);
    }
  }
  waiters_.erase(place);
  if (!running_ && !waiters_.empty()) waiters_.front()->woken.notify_one();
}

// Also when a handler throws, somebody else may run.
void WaitersLoop::RunSome(std::unique_lock<std::mutex>& lock) {
  struct Running {
    WaitersLoop& loop;
    std::unique_lock<std::mutex>& lock;
    ~Running() {
      lock.lock();
      loop.running_ = false;
    }
  };
  running_ = true;
  const bool alone = waiters_.size() == 1;
  lock.unlock();
  const Running running{*this, lock};
  poll_.RunOne(alone);
}

void WaitersLoop::Note(absl::FunctionRef<void()> change) {
  const std::scoped_lock lock(mutex_);
  change();
  for (Waiter* waiter : waiters_) {
    if (waiter->there()) waiter->woken.notify_one();
  }
}

void WaitersLoop::Run(absl::FunctionRef<void()> function) {
  bool ran = false;
  boost::asio::post(io_, [&] {
    function();
    Note([&] { ran = true; });
  });
  Await([&] { return ran; });
}

}  // namespace syncline
