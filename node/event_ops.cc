#include "node/event_ops.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/status.h"
#include "node/client/event_limits.h"

namespace syncline {
namespace {

using Refused = std::vector<std::pair<std::size_t, absl::Status>>;

// A channel that is the very bytes of the event before is not checked again.
Refused Unfit(std::span<const EventView> events) {
  Refused refused;
  std::string_view channel;
  absl::Status channel_status = CheckChannel(channel);
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (events[i].channel.data() != channel.data() ||
        events[i].channel.size() != channel.size()) {
      channel = events[i].channel;
      channel_status = CheckChannel(channel);
    }
    absl::Status status = channel_status;
    if (status.ok()) status = CheckPayload(events[i].payload);
    if (!status.ok()) refused.emplace_back(i, std::move(status));
  }
  return refused;
}

absl::StatusOr<Replica::Committed> CommitEvent(Replica& replica,
                                               const EventView& event,
                                               Durability durability,
                                               Replica::CommitDone done) {
  std::vector<Effect> effects;
  effects.emplace_back(
      EventEffect{std::string(event.channel), std::string(event.payload)});
  return replica.Commit(std::move(effects), "user", durability,
                        std::move(done));
}

// Behind the others: the log acknowledges in order.
void AnswerBehind(Replica& replica, Durability durability,
                  StatusCallback done) {
  replica.log().Append(
      {}, {}, durability,
      [done = std::move(done)](
          const absl::StatusOr<AppendLog::Appended>& appended) {
        done(appended.status());
      });
}

}  // namespace

absl::Status CheckEvents(std::span<const EventView> events) {
  const Refused refused = Unfit(events);
  if (refused.empty()) return absl::OkStatus();
  return Annotate(refused.front().second,
                  "event " + std::to_string(refused.front().first + 1));
}

EventsTaken AppendEvents(Replica& replica, std::span<const EventView> events,
                         Durability durability, StatusCallback done) {
  EventsTaken out;
  out.refused = Unfit(events);
  const std::size_t unfit = out.refused.size();
  // The commit of the last event answers for all.
  std::size_t last = events.size();
  for (std::size_t i = unfit; i > 0 && out.refused[i - 1].first + 1 == last;
       --i) {
    --last;
  }
  bool answered = false;
  std::size_t next_unfit = 0;
  for (std::size_t i = 0; i < last; ++i) {
    if (next_unfit < unfit && out.refused[next_unfit].first == i) {
      ++next_unfit;
      continue;
    }
    const bool answers = i + 1 == last;
    const auto committed =
        CommitEvent(replica, events[i], durability,
                    answers ? Replica::CommitDone(done) : nullptr);
    if (committed.ok()) {
      if (out.taken++ == 0) out.first = committed->seq;
      answered |= answers;
    } else {
      out.refused.emplace_back(i, committed.status());
    }
  }
  std::sort(out.refused.begin(), out.refused.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  // The replica broke on the way.
  if (out.taken > 0 && !answered) {
    AnswerBehind(replica, durability, std::move(done));
  }
  return out;
}

}  // namespace syncline
