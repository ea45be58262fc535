#include "proto/short_poll.h"

#include <algorithm>
#include <thread>

namespace syncline {
namespace {

// About 50 us of system calls.
constexpr int kPolls = 50;
// Without credit, one wait in so many is tried.
constexpr int kWaitsBetween = 64;

}  // namespace

std::size_t ShortPoll::RunOne(bool alone) {
  if (!alone || !IsWorthIt()) return io_.run_one();
  for (int i = 0; i < kPolls; ++i) {
    if (const std::size_t ran = io_.poll_one(); ran > 0 || io_.stopped()) {
      // What was there already says nothing about waiting.
      if (i > 0) credit_ = std::min(credit_ + 1, kCreditMax);
      return ran;
    }
    std::this_thread::yield();  // Others may have better things to do.
  }
  credit_ = std::max(credit_ - 1, 0);
  slept_ = 0;
  return io_.run_one();
}

bool ShortPoll::IsWorthIt() {
  if (credit_ > 0) return true;
  return ++slept_ % kWaitsBetween == 0;
}

}  // namespace syncline
