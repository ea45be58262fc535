#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "node/client/append_batch.h"
#include "node/event_append.h"
#include "proto/control.capnp.h"

namespace syncline {

// The runs of a call of appendEvents (proto/control.capnp), as views into its
// message.
class EventRuns {
 public:
  explicit EventRuns(capnp::List<control::EventRun>::Reader runs);
  EventRuns(const EventRuns&) = delete;
  EventRuns& operator=(const EventRuns&) = delete;

  [[nodiscard]] std::span<const EventRunView> views() const { return views_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }  // Of payloads.

 private:
  std::vector<EventView> events_;
  std::vector<EventRunView> views_;
  std::size_t bytes_ = 0;
};

void FillOutcome(control::EventsAppended::Builder out, const AppendOutcome& in);

}  // namespace syncline
