#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>

namespace syncline {

// Runs an io_context, looking for work a moment longer before it sleeps: to
// wake a thread, all the more on an idle core, takes longer than many answers
// do. Only in a quick conversation, in which that pays; a loop that wakes up
// now and then sleeps at once, and one that looked in vain does so from then
// on. Who looks gives way to whoever else wants the core.
//
// For the one thread that runs the io_context.
class ShortPoll final {
 public:
  explicit ShortPoll(boost::asio::io_context& io) : io_(io) {}

  // As io_context::run_one(). `alone`: nobody waits for this thread.
  std::size_t RunOne(bool alone = true);

 private:
  using Clock = std::chrono::steady_clock;

  void NoteWakeUp(Clock::time_point now);

  boost::asio::io_context& io_;
  Clock::time_point woke_up_;  // Last.
  int quick_ = 0;              // Wake-ups in a row that came quickly.
};

}  // namespace syncline
