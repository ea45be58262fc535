#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "absl/status/status.h"
#include "bench/harness.h"

namespace syncline::testing {

// Callers on one loop: each has one append in flight and issues its next from
// the completion of the one before.
class LoopCallers {
 public:
  // Starts append `number` (0, 1, 2, ...) of `caller`; Done() is to be called
  // on the loop when it completes, not from within.
  using Issue = std::function<void(std::size_t number, std::uint32_t caller)>;

  LoopCallers(boost::asio::io_context& io, std::uint32_t callers,
              std::size_t count)
      : io_(io), count_(count), started_(callers) {}

  void Done(std::uint32_t caller, const absl::Status& status) {
    Must(status);
    const std::uint64_t now = NowNs();
    latencies_.Add(now - started_[caller]);
    if (++done_ == count_) return io_.stop();
    if (issued_ < count_) Start(caller, now);
  }

  Outcome Run(Issue issue) {
    issue_ = std::move(issue);
    const std::uint64_t start = NowNs();
    for (std::uint32_t i = 0; i < started_.size() && issued_ < count_; ++i) {
      Start(i, start);
    }
    io_.restart();
    io_.run();
    return PerSecond(done_, start, NowNs(), latencies_);
  }

 private:
  void Start(std::uint32_t caller, std::uint64_t now) {
    started_[caller] = now;
    issue_(issued_++, caller);
  }

  boost::asio::io_context& io_;
  const std::size_t count_;
  std::vector<std::uint64_t> started_;  // Of each caller's append.
  Issue issue_;
  std::size_t issued_ = 0;
  std::size_t done_ = 0;
  Latencies latencies_;
};

}  // namespace syncline::testing
