#pragma once

#include <kj/async.h>
#include <kj/function.h>

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <functional>
#include <memory>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

namespace syncline {

// A KJ event loop that lives on an application's io_context: KJ code runs only
// inside handlers of `executor`, so a node fits into a program that already
// has a loop. Idle, it costs nothing: no thread, no timer, no wake-up.
//
// KJ code is entered by Enter() or Post() and by nothing else. Promises,
// capabilities and streams belong to one loop and must be created, used and
// destroyed inside it, and be gone before it.
//
// Loop-bound: every member is called on `executor` (from a handler, or while
// nobody runs the io_context). If several threads run the io_context,
// `executor` is a strand. Several loops may share an executor. Other threads
// reach a loop by boost::asio::post, a kj::Executor, or
// kj::newPromiseAndCrossThreadFulfiller.
class KjLoop final {
 public:
  using ErrorHandler = std::function<void(const absl::Status&)>;

  // `on_error` hears of failed Detach()ed tasks, inside the loop; it must not
  // destroy the loop.
  KjLoop(boost::asio::any_io_executor executor, ErrorHandler on_error);
  // Destroys the detached tasks and what was posted but has not run. The
  // io_context may go on running. Requires (checked): not called from inside
  // a loop. Promises that were kept past this point end the process.
  ~KjLoop();
  KjLoop(const KjLoop&) = delete;
  KjLoop& operator=(const KjLoop&) = delete;

  // Runs `function` at once as KJ code, then the events that it made ready (a
  // bounded number; a posted handler takes up the rest). Inside this loop
  // already: just runs it. What it throws passes through.
  // Requires (checked): the thread is not inside another KjLoop.
  void Enter(absl::FunctionRef<void()> function);

  // Enter(), for a handler of `executor` that does nothing after it: in the
  // end calls what is to Leave(), which may destroy the loop.
  void Handle(absl::FunctionRef<void()> function);

  // Calls `function` outside the loop, in the order of the calls: at the end
  // of the handler that the loop is in, or in a later one. The way to call
  // code of others, which may do anything, without a handler for each.
  void Leave(std::function<void()> function);

  // Enters `function` in a later handler, in the order of the calls. The way
  // to reach another loop from inside one, and to destroy what is executing.
  void Post(kj::Function<void()> function);

  // Runs `task` to its end. Requires (checked): inside this loop.
  void Detach(kj::Promise<void> task);

  // Ready after `delay`; dropping the promise cancels it. Inside this loop.
  kj::Promise<void> After(std::chrono::milliseconds delay);

  // True in code that this loop runs on this thread.
  [[nodiscard]] bool IsEntered() const;
  // True where Enter() is allowed: this thread is not inside another loop.
  [[nodiscard]] bool MayEnter() const;
  [[nodiscard]] const boost::asio::any_io_executor& executor() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace syncline
