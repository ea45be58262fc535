#pragma once

#include <functional>
#include <future>
#include <memory>
#include <utility>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "absl/status/status.h"
#include "base/check.h"
#include "node/types.h"

// How an operation that takes a callback becomes an Asio-style asynchronous
// call and a blocking one. `Result` is an absl::Status or absl::StatusOr.

namespace syncline {

template <typename Result>
using Starter = std::function<void(std::function<void(Result)>)>;

// Runs `start` on `io` and completes `token` (a callback, use_future,
// use_awaitable, ...) with its result, on the token's executor.
template <typename Result, typename Token>
auto InitiateAsync(boost::asio::io_context& io, Starter<Result> start,
                   Token&& token) {
  return boost::asio::async_initiate<Token, void(Result)>(
      [&io](auto handler, Starter<Result> begin) {
        auto work = boost::asio::make_work_guard(
            boost::asio::get_associated_executor(handler, io.get_executor()));
        auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        boost::asio::post(io, [begin = std::move(begin), shared, work] {
          begin([shared, work](Result result) {
            boost::asio::dispatch(
                work.get_executor(),
                [shared, result = std::move(result)]() mutable {
                  std::move (*shared)(std::move(result));
                });
          });
        });
      },
      token, std::move(start));
}

// Runs `start` on `io`, which another thread runs, and waits for its result;
// kCancelled if the node goes away first.
// Requires (checked): not called on the thread that runs `io`.
template <typename Result>
Result BlockOn(boost::asio::io_context& io, Starter<Result> start) {
  SYNCLINE_CHECK(!io.get_executor().running_in_this_thread(),
                 "a blocking call on the node's own loop never returns");
  // Fulfilled by whichever comes first: the result, or the end of the last
  // copy of the callback.
  struct Answer {
    std::promise<Result> promise;
    bool given = false;
    ~Answer() {
      if (!given) {
        promise.set_value(NodeClosed());
      }
    }
  };
  auto answer = std::make_shared<Answer>();
  std::future<Result> future = answer->promise.get_future();
  boost::asio::post(
      io, [start = std::move(start), answer = std::move(answer)]() mutable {
        start([answer = std::move(answer)](Result result) {
          answer->given = true;
          answer->promise.set_value(std::move(result));
        });
      });
  return future.get();
}

}  // namespace syncline
