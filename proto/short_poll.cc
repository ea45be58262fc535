#include "proto/short_poll.h"

#include <algorithm>
#include <thread>

namespace syncline {
namespace {

// What comes within so much is worth looking for: as long as a sync of a fast
// disk takes.
constexpr std::chrono::microseconds kQuick{300};
// A conversation, not the two or three messages of one call among many pauses:
// while this thread looks, the system wakes others on another core, which
// costs those more than this one gains.
constexpr int kConversation = 16;

}  // namespace

std::size_t ShortPoll::RunOne(bool alone) {
  if (!alone || quick_ < kConversation) {
    const std::size_t ran = io_.run_one();
    NoteWakeUp(Clock::now());
    return ran;
  }
  const Clock::time_point begin = Clock::now();
  for (Clock::time_point now = begin; now - begin <= kQuick;) {
    const std::size_t ran = io_.poll_one();
    now = Clock::now();
    if (ran > 0 || io_.stopped()) {
      NoteWakeUp(now);
      return ran;
    }
    std::this_thread::yield();
  }
  quick_ = 0;
  const std::size_t ran = io_.run_one();
  woke_up_ = Clock::now();
  return ran;
}

void ShortPoll::NoteWakeUp(Clock::time_point now) {
  quick_ = now - woke_up_ <= kQuick ? std::min(quick_ + 1, kConversation) : 0;
  woke_up_ = now;
}

}  // namespace syncline
