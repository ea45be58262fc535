#include "proto/short_poll.h"

#include <algorithm>
#include <thread>

namespace syncline {
namespace {

// What comes within so much is worth looking for: as long as a sync of a fast
// disk takes.
constexpr std::chrono::microseconds kQuick{300};
// Where others want the core, most of a wait is theirs: so many looks at
// least.
constexpr int kLooks = 400;
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
  Clock::time_point now = begin;
  for (int looks = 0; looks < kLooks || now - begin <= kQuick; ++looks) {
    const std::size_t ran = io_.poll_one();
    now = Clock::now();
    if (ran > 0 || io_.stopped()) {
      woke_up_ = now;
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
