#include "node/client/waiters_loop.h"

#include <boost/asio/post.hpp>

namespace syncline {

void WaitersLoop::Await(absl::FunctionRef<bool()> there) {
  std::unique_lock lock(mutex_);
  if (there()) return;
  Waiter self{there, {}};
  // Also when a handler throws, somebody else may run.
  struct Place {
    WaitersLoop& loop;
    const std::list<Waiter*>::iterator at;
    ~Place() {
      std::list<Waiter*>& waiters = loop.waiters_;
      waiters.erase(at);
      if (!loop.running_ && !waiters.empty()) {
        waiters.front()->woken.notify_one();
      }
    }
  };
  const Place place{*this, waiters_.insert(waiters_.end(), &self)};
  while (!there()) {
    if (running_) {
      self.woken.wait(lock);
    } else {
      RunSome(lock);
    }
  }
}

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
