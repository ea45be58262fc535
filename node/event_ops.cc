#include "node/event_ops.h"

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

// Nothing if all events are.
std::vector<EventView> Without(std::span<const EventView> events,
                               const Refused& refused) {
  std::vector<EventView> rest;
  if (refused.empty()) return rest;
  auto next = refused.begin();
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (next != refused.end() && next->first == i) {
      ++next;
    } else {
      rest.push_back(events[i]);
    }
  }
  return rest;
}

// All of `count` events are refused, those of before for their own reasons.
Refused WithRest(Refused refused, std::size_t count, const absl::Status& why) {
  Refused all;
  auto next = refused.begin();
  for (std::size_t i = 0; i < count; ++i) {
    if (next != refused.end() && next->first == i) {
      all.push_back(std::move(*next++));
    } else {
      all.emplace_back(i, why);
    }
  }
  return all;
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
  const std::vector<EventView> some = Without(events, out.refused);
  const std::span<const EventView> fit =
      out.refused.empty() ? events : std::span(some);
  if (fit.empty()) return out;
  const absl::StatusOr<Seq> first =
      replica.CommitEvents(fit, durability, std::move(done));
  if (first.ok()) {
    out.first = *first;
    out.taken = fit.size();
  } else {
    out.refused =
        WithRest(std::move(out.refused), events.size(), first.status());
  }
  return out;
}

}  // namespace syncline
