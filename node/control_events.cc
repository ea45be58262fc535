// Events, for those who do without a connection of their own for them.

#include <utility>

#include "base/status.h"
#include "node/control_service.h"
#include "node/event_append.h"
#include "node/event_runs.h"
#include "proto/kj_status.h"

namespace syncline {

kj::Promise<void> ControlService::appendEvents(AppendEventsContext context) {
  const auto params = context.getParams();
  const Durability durability =
      params.getDurable() ? Durability::kDurable : Durability::kBuffered;
  auto promise = bridge_.Await<AppendOutcome>(
      [&](Callback<AppendOutcome> done) {
        AppendRuns(core_, EventRuns(params.getRuns()).views(), durability,
                   std::move(done));
      },
      ControlBridge::Tell::kAtOnce);
  context.releaseParams();
  return AnswerLater(
      context, kj::mv(promise),
      [](auto out, const AppendOutcome& in) { FillOutcome(out, in); });
}

kj::Promise<void> ControlService::feed(FeedContext) {
  return KjFromStatus(
      MakeStatus(absl::StatusCode::kUnimplemented,
                 "feeds need a connection that asked for events"));
}

}  // namespace syncline
