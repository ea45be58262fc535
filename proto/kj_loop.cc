#include "proto/kj_loop.h"

#include <kj/debug.h>

#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <optional>
#include <utility>

#include "base/check.h"
#include "proto/kj_status.h"

namespace syncline {
namespace {

// KJ turns per handler: long enough to finish what one message starts, short
// enough that a busy connection lets the application's other handlers in.
constexpr unsigned kTurnsPerHandler = 1000;

class Timer {
 public:
  Timer(kj::PromiseFulfiller<void>& fulfiller, KjLoop& loop,
        std::chrono::milliseconds delay)
      : timer_(loop.executor()) {
    timer_.expires_after(delay);
    timer_.async_wait([&loop, &fulfiller, alive = std::weak_ptr(alive_)](
                          const boost::system::error_code&) {
      if (alive.expired()) return;
      loop.Enter([&] { fulfiller.fulfill(); });
    });
  }

 private:
  boost::asio::steady_timer timer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

// The port tells when the loop has work; all work is done in Run(), in a
// handler. Pitfalls that this class exists for: KJ reports only changes of
// "runnable", so what is left over after a bounded run must be posted from our
// own flag; WaitScope::poll() forgets to update that state, so a run(0)
// follows it; run() never looks at events from other threads, only poll()
// does, so wake() posts a handler that polls.
class KjLoop::Impl final : public kj::EventPort,
                           public kj::TaskSet::ErrorHandler {
 public:
  Impl(boost::asio::any_io_executor executor, KjLoop::ErrorHandler on_error)
      : executor_(std::move(executor)),
        on_error_(std::move(on_error)),
        loop_(*this) {
    Scope scope(*this);
    tasks_ = kj::heap<kj::TaskSet>(*this);
  }

  ~Impl() {
    Scope scope(*this);
    closing_ = true;
    while (!posted_.empty()) std::exchange(posted_, {}).clear();
    while (!outside_.empty()) std::exchange(outside_, {}).clear();
    tasks_ = nullptr;
  }

  void Enter(absl::FunctionRef<void()> function) {
    if (IsEntered()) return function();
    Scope scope(*this);
    function();
    loop_.run(kTurnsPerHandler);
  }

  void Handle(absl::FunctionRef<void()> function) {
    if (IsEntered()) return function();
    const Rest rest(*this);
    {
      Scope scope(*this);
      scope.LeavesByItself();
      function();
      loop_.run(kTurnsPerHandler);
    }
    RunOutside();
  }

  void Leave(std::function<void()> function) {
    if (closing_) return;
    outside_.push_back(std::move(function));
    if (!IsEntered()) SchedulePump();
  }

  void Post(kj::Function<void()> function) {
    if (closing_) return;
    posted_.push_back(kj::mv(function));
    if (!IsEntered()) SchedulePump();
  }

  void Detach(kj::Promise<void> task) {
    SYNCLINE_CHECK(IsEntered(), "a task belongs to the loop that it is in");
    if (!closing_) tasks_->add(kj::mv(task));
  }

  bool IsEntered() const { return current_ == this; }
  bool MayEnter() const { return current_ == nullptr || current_ == this; }
  const boost::asio::any_io_executor& executor() const { return executor_; }

 private:
  // Makes the loop the thread's own, and leaves it again also when an
  // exception passes through.
  class Scope {
   public:
    explicit Scope(Impl& impl) : impl_(impl) {
      SYNCLINE_CHECK(current_ == nullptr, "inside a loop: use Post()");
      wait_scope_.emplace(impl.loop_);
      current_ = &impl;
    }
    ~Scope() {
      wait_scope_.reset();
      current_ = nullptr;
      if (!leaves_) impl_.SchedulePump();
    }
    // A Rest follows, which schedules.
    void LeavesByItself() { leaves_ = true; }
    kj::WaitScope& wait_scope() { return *wait_scope_; }

   private:
    Impl& impl_;
    std::optional<kj::WaitScope> wait_scope_;
    bool leaves_ = false;
  };

  // What a handler leaves undone, also when an exception passes through, is
  // taken up by another; unless the loop is gone.
  class Rest {
   public:
    explicit Rest(Impl& impl) : impl_(impl), alive_(impl.alive_) {}
    ~Rest() {
      if (!alive_.expired()) impl_.SchedulePump();
    }
    Rest(const Rest&) = delete;
    Rest& operator=(const Rest&) = delete;

   private:
    Impl& impl_;
    const std::weak_ptr<bool> alive_;
  };

  // Only those that are there now, for the sake of other handlers. Any of them
  // may destroy the loop.
  void RunOutside() {
    if (outside_.empty()) return;
    const std::weak_ptr<bool> alive = alive_;
    for (std::size_t left = outside_.size(); left > 0; --left) {
      const std::function<void()> function = std::move(outside_.front());
      outside_.pop_front();
      function();
      if (alive.expired() || outside_.empty()) return;
    }
  }

  void SchedulePump() {
    if (scheduled_ || closing_) return;
    if (!runnable_ && posted_.empty() && outside_.empty()) return;
    scheduled_ = true;
    boost::asio::post(executor_, [this, alive = std::weak_ptr(alive_)] {
      if (!alive.expired()) Pump();
    });
  }

  void Pump() {
    scheduled_ = false;
    Handle([this] {
      // Only those that are there now: what they post waits for the next pump.
      for (std::size_t left = posted_.size(); left > 0; --left) {
        kj::Function<void()> function = kj::mv(posted_.front());
        posted_.pop_front();
        function();
      }
    });
  }

  void setRunnable(bool runnable) override {
    runnable_ = runnable;
    if (!IsEntered()) SchedulePump();
  }

  void wake() const override {  // Any thread.
    if (woken_.exchange(true)) return;
    boost::asio::post(executor_, [this, alive = std::weak_ptr(alive_)] {
      if (alive.expired()) return;
      auto* self = const_cast<Impl*>(this);
      Scope scope(*self);
      scope.wait_scope().poll();
      self->loop_.run(0);
    });
  }

  bool poll() override { return woken_.exchange(false); }

  bool wait() override {
    KJ_FAIL_REQUIRE("a KjLoop never blocks: no promise.wait()");
  }

  void taskFailed(kj::Exception&& exception) override {
    if (on_error_) on_error_(StatusFromKj(exception));
  }

  static thread_local const Impl* current_;

  const boost::asio::any_io_executor executor_;
  const KjLoop::ErrorHandler on_error_;
  // Handlers that outlive the loop find this expired.
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  mutable std::atomic<bool> woken_ = false;
  bool runnable_ = false;   // KJ has events.
  bool scheduled_ = false;  // A pump is posted.
  bool closing_ = false;
  std::deque<kj::Function<void()>> posted_;
  std::deque<std::function<void()>> outside_;
  kj::EventLoop loop_;
  kj::Own<kj::TaskSet> tasks_;
};

thread_local const KjLoop::Impl* KjLoop::Impl::current_ = nullptr;

KjLoop::KjLoop(boost::asio::any_io_executor executor, ErrorHandler on_error)
    : impl_(std::make_unique<Impl>(std::move(executor), std::move(on_error))) {}

KjLoop::~KjLoop() = default;

void KjLoop::Enter(absl::FunctionRef<void()> function) {
  impl_->Enter(function);
}

void KjLoop::Handle(absl::FunctionRef<void()> function) {
  impl_->Handle(function);
}

void KjLoop::Leave(std::function<void()> function) {
  impl_->Leave(std::move(function));
}

void KjLoop::Post(kj::Function<void()> function) {
  impl_->Post(kj::mv(function));
}

void KjLoop::Detach(kj::Promise<void> task) { impl_->Detach(kj::mv(task)); }

kj::Promise<void> KjLoop::After(std::chrono::milliseconds delay) {
  return kj::newAdaptedPromise<void, Timer>(*this, delay);
}

bool KjLoop::IsEntered() const { return impl_->IsEntered(); }

bool KjLoop::MayEnter() const { return impl_->MayEnter(); }

const boost::asio::any_io_executor& KjLoop::executor() const {
  return impl_->executor();
}

}  // namespace syncline
