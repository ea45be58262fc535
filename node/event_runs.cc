#include "node/event_runs.h"

#include <string_view>

#include "node/control_bridge.h"

namespace syncline {

EventRuns::EventRuns(capnp::List<control::EventRun>::Reader runs) {
  std::size_t count = 0;
  for (const auto run : runs) count += run.getPayloads().size();
  events_.reserve(count);  // So that they stay where they are.
  views_.reserve(runs.size());
  for (const auto run : runs) {
    const auto project = run.getProject();
    const auto channel = run.getChannel();
    const EventView* const first = events_.data() + events_.size();
    for (const auto payload : run.getPayloads()) {
      events_.push_back(
          {{channel.begin(), channel.size()},
           {reinterpret_cast<const char*>(payload.begin()), payload.size()}});
      bytes_ += payload.size();
    }
    views_.push_back({{project.begin(), project.size()},
                      {first, events_.data() + events_.size()}});
  }
}

void FillOutcome(control::EventsAppended::Builder out,
                 const AppendOutcome& in) {
  auto firsts = out.initFirsts(static_cast<unsigned>(in.firsts.size()));
  for (unsigned i = 0; i < firsts.size(); ++i) {
    firsts.set(i, in.firsts[i].value);
  }
  auto refused = out.initRefused(static_cast<unsigned>(in.refused.size()));
  for (unsigned i = 0; i < refused.size(); ++i) {
    const auto& [event, status] = in.refused[i];
    refused[i].setEvent(static_cast<std::uint32_t>(event));
    FillFailure(refused[i].initFailure(), status);
  }
}

}  // namespace syncline
