// Conflicts, open and resolved.

#include "base/status.h"
#include "node/conflict_detail.h"
#include "node/conflict_ops.h"
#include "node/control_fill.h"
#include "node/control_service.h"

namespace syncline {

kj::Promise<void> ControlService::conflicts(ConflictsContext context) {
  const auto params = context.getParams();
  const std::string name = FromKj(params.getProject());
  ConflictQuery query;
  query.path = FromKj(params.getPath());
  query.resolved = params.getResolved();
  query.after = Seq{params.getAfter()};
  const auto collect = [&]() -> absl::StatusOr<std::vector<ConflictInfo>> {
    std::vector<std::string> names;
    if (!name.empty()) names.push_back(name);
    SYNCLINE_ASSIGN_OR_RETURN(std::vector<ProjectRuntime*> selected,
                              core_.Select(names));
    std::vector<ConflictInfo> all;
    for (ProjectRuntime* runtime : selected) {
      SYNCLINE_ASSIGN_OR_RETURN(
          std::vector<ConflictInfo> some,
          ListConflicts(*runtime->replica, core_.NameOf(*runtime), query));
      for (ConflictInfo& one : some) all.push_back(std::move(one));
    }
    return all;
  };
  Answer(context, collect(), [](auto out, const auto& in) {
    auto list = out.initConflicts(static_cast<unsigned>(in.size()));
    for (unsigned i = 0; i < list.size(); ++i) Fill(list[i], in[i]);
  });
  return kj::READY_NOW;
}

kj::Promise<void> ControlService::resolve(ResolveContext context) {
  const auto params = context.getParams();
  return AnswerLater(context,
                     Change(params.getProject(),
                            [&](Replica& replica, Callback<Written> done) {
                              ResolveConflict(replica, FromKj(params.getPath()),
                                              FromKj(params.getTake()),
                                              std::move(done));
                            }),
                     [](auto out, const Written& in) { Fill(out, in); });
}

kj::Promise<void> ControlService::showConflict(ShowConflictContext context) {
  const auto params = context.getParams();
  return AnswerLater(
      context,
      bridge_.Await<ConflictDetail>([&](Callback<ConflictDetail> done) {
        const absl::StatusOr<ProjectRuntime*> project =
            core_.Find(FromKj(params.getProject()));
        if (!project.ok()) return done(project.status());
        ShowConflict(core_, (*project)->number, FromKj(params.getPath()),
                     std::move(done));
      }),
      [](auto out, const ConflictDetail& in) { Fill(out, in); });
}

}  // namespace syncline
