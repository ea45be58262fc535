// Projects and their mirrors.

#include "base/status.h"
#include "node/control_fill.h"
#include "node/control_service.h"
#include "node/control_texts.h"
#include "node/strategy_ops.h"

namespace syncline {
namespace {

kj::Promise<absl::StatusOr<NodeReport>> ReportOf(
    NodeCore& core, ControlBridge& bridge,
    const std::vector<std::string>& names) {
  return bridge.Await<NodeReport>(
      [&](auto done) { core.Report(names, false, std::move(done)); });
}

template <typename Context>
kj::Promise<void> AnswerProject(NodeCore& core, ControlBridge& bridge,
                                Context context, const std::string& name) {
  return AnswerLater(
      context, ReportOf(core, bridge, {name}),
      [](auto out, const NodeReport& in) { Fill(out, in.projects.front()); });
}

}  // namespace

kj::Promise<void> ControlService::createProject(CreateProjectContext context) {
  const std::string name = FromKj(context.getParams().getName());
  return bridge_
      .AwaitStatus([&](StatusCallback done) {
        core_.CreateProject(name, std::move(done));
      })
      .then([this, context,
             name](absl::StatusOr<bool> created) mutable -> kj::Promise<void> {
        if (created.ok()) {
          return AnswerProject(core_, bridge_, context, name);
        }
        FillFailure(context.getResults().initResult(), created.status());
        return kj::READY_NOW;
      });
}

kj::Promise<void> ControlService::projects(ProjectsContext context) {
  return AnswerLater(
      context, ReportOf(core_, bridge_, {}),
      [](auto out, const NodeReport& in) {
        auto list = out.initProjects(static_cast<unsigned>(in.projects.size()));
        for (unsigned i = 0; i < list.size(); ++i) {
          Fill(list[i], in.projects[i]);
        }
      });
}

kj::Promise<void> ControlService::project(ProjectContext context) {
  return AnswerProject(core_, bridge_, context,
                       FromKj(context.getParams().getName()));
}

kj::Promise<void> ControlService::removeProject(RemoveProjectContext context) {
  const std::string name = FromKj(context.getParams().getName());
  return AnswerLater(context, bridge_.AwaitStatus([&](StatusCallback done) {
    core_.RemoveProject(name, std::move(done));
  }),
                     kFillNothing);
}

kj::Promise<void> ControlService::strategy(StrategyContext context) {
  const absl::StatusOr<ProjectRuntime*> project =
      core_.Find(FromKj(context.getParams().getProject()));
  Answer(context, project, [](auto out, ProjectRuntime* runtime) {
    Fill(out, DescribeStrategies(*runtime->replica));
  });
  return kj::READY_NOW;
}

kj::Promise<void> ControlService::setStrategy(SetStrategyContext context) {
  const auto params = context.getParams();
  return AnswerLater(
      context,
      Change(params.getProject(),
             [&](Replica& replica, Callback<Written> done) {
               const std::string name = FromKj(params.getStrategy());
               const std::optional<Strategy> strategy = StrategyFromName(name);
               if (!name.empty() && !strategy) {
                 return done(InvalidArgument("'" + name + "' is no strategy"));
               }
               SetStrategy(replica, FromKj(params.getPath()), strategy,
                           std::move(done));
             }),
      [](auto out, const Written& in) { Fill(out, in); });
}

kj::Promise<void> ControlService::setAuthority(SetAuthorityContext context) {
  const auto params = context.getParams();
  return AnswerLater(
      context,
      Change(params.getProject(),
             [&](Replica& replica, Callback<Written> done) {
               const std::string text = FromKj(params.getDevice());
               std::optional<DeviceId> device;
               if (!text.empty()) {
                 const absl::StatusOr<DeviceId> found = core_.FindDevice(text);
                 if (!found.ok()) return done(found.status());
                 device = *found;
               }
               SetAuthority(replica, device, std::move(done));
             }),
      [](auto out, const Written& in) { Fill(out, in); });
}

kj::Promise<void> ControlService::addMirror(AddMirrorContext context) {
  const auto params = context.getParams();
  return AnswerLater(context, bridge_.Await<MirrorReport>([&](auto done) {
    core_.AddMirror(FromKj(params.getProject()), FromKj(params.getDir()),
                    params.getCreate(), std::move(done));
  }),
                     [](auto out, const MirrorReport& in) { Fill(out, in); });
}

kj::Promise<void> ControlService::mirrors(MirrorsContext context) {
  const std::string name = FromKj(context.getParams().getProject());
  const auto collect = [&]() -> absl::StatusOr<std::vector<MirrorReport>> {
    std::vector<std::string> names;
    if (!name.empty()) names.push_back(name);
    SYNCLINE_ASSIGN_OR_RETURN(std::vector<ProjectRuntime*> selected,
                              core_.Select(names));
    std::vector<MirrorReport> all;
    for (ProjectRuntime* runtime : selected) {
      for (MirrorReport& mirror : core_.Mirrors(*runtime)) {
        all.push_back(std::move(mirror));
      }
    }
    return all;
  };
  Answer(context, collect(), [](auto out, const auto& in) {
    auto list = out.initMirrors(static_cast<unsigned>(in.size()));
    for (unsigned i = 0; i < list.size(); ++i) Fill(list[i], in[i]);
  });
  return kj::READY_NOW;
}

kj::Promise<void> ControlService::removeMirror(RemoveMirrorContext context) {
  const auto params = context.getParams();
  return AnswerLater(context, bridge_.AwaitStatus([&](StatusCallback done) {
    core_.RemoveMirror(FromKj(params.getProject()), FromKj(params.getDir()),
                       std::move(done));
  }),
                     kFillNothing);
}

kj::Promise<void> ControlService::pauseMirror(PauseMirrorContext context) {
  const auto params = context.getParams();
  return AnswerLater(context, bridge_.AwaitStatus([&](StatusCallback done) {
    core_.PauseMirror(FromKj(params.getProject()), FromKj(params.getDir()),
                      params.getPaused(), std::move(done));
  }),
                     kFillNothing);
}

kj::Promise<void> ControlService::scanMirror(ScanMirrorContext context) {
  const auto params = context.getParams();
  return AnswerLater(context, bridge_.Await<ScanReport>([&](auto done) {
    core_.ScanMirrors(FromKj(params.getProject()), FromKj(params.getDir()),
                      std::move(done));
  }),
                     [](auto out, const ScanReport& in) { Fill(out, in); });
}

}  // namespace syncline
