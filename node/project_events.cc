#include "node/project_events.h"

#include <memory>

#include "base/status.h"
#include "node/event_ops.h"
#include "node/node_calls.h"

namespace syncline {
namespace {

using Appended = Project::Events::Appended;

void AppendAll(Replica& replica,
               const std::vector<Project::Events::Event>& events,
               Durability durability, const Callback<Appended>& done) {
  if (events.empty()) return done(InvalidArgument("no events to append"));
  std::vector<EventView> views;
  views.reserve(events.size());
  for (const Project::Events::Event& event : events) {
    views.push_back({event.channel, event.payload});
  }
  const absl::Status fit = CheckEvents(views);
  if (!fit.ok()) return done(fit);
  const Seq first = replica.log().head().next();
  const Appended appended = {first, {first.value + events.size() - 1}};
  const absl::StatusOr<Seq> committed = replica.CommitEvents(
      views, durability, [appended, done](const absl::Status& status) {
        if (!status.ok()) return done(status);
        done(appended);
      });
  if (!committed.ok()) done(committed.status());
}

}  // namespace

Project::Events Project::events() const { return Events(*this); }

Starter<absl::StatusOr<Appended>> Project::Events::AppendOf(
    std::vector<Event> events, Durability durability) const {
  return OnProject<Appended>(
      core_, name_,
      [events = std::move(events), durability](
          NodeCore&, ProjectRuntime& project, const Callback<Appended>& done) {
        AppendAll(*project.replica, events, durability, done);
      });
}

}  // namespace syncline
