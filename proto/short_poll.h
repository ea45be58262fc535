#pragma once

#include <boost/asio/io_context.hpp>
#include <cstddef>

namespace syncline {

// Runs an io_context, looking for work a moment longer before it sleeps: to
// wake a thread takes longer than many answers do. Only while that pays: a
// loop that waits in vain soon sleeps at once, and tries again seldom.
//
// For the one thread that runs the io_context.
class ShortPoll final {
 public:
  explicit ShortPoll(boost::asio::io_context& io) : io_(io) {}

  // As io_context::run_one(). `alone`: nobody waits for this thread.
  std::size_t RunOne(bool alone = true);

 private:
  bool IsWorthIt();

  boost::asio::io_context& io_;
  int credit_ = kCreditMax;
  int slept_ = 0;  // Waits since it was last tried.

  static constexpr int kCreditMax = 4;
};

}  // namespace syncline
