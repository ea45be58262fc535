// The node as a whole: version, status, wait, verify.

#include <kj/common.h>

#include <functional>
#include <utility>

#include "node/control_fill.h"
#include "node/control_service.h"
#include "node/control_texts.h"

namespace syncline {

kj::Promise<void> ControlService::version(VersionContext context) {
  auto value = context.getResults().initResult().initValue();
  value.setProgram(ToKj(ProgramVersion()));
  value.setFormat(Settings::kFormat);
  return kj::READY_NOW;
}

kj::Promise<void> ControlService::status(StatusContext context) {
  const std::vector<std::string> names =
      Texts(context.getParams().getProjects());
  return AnswerLater(context, bridge_.Await<NodeReport>([&](auto done) {
    core_.Report(names, true, std::move(done));
  }),
                     [](auto out, const NodeReport& in) { Fill(out, in); });
}

kj::Promise<void> ControlService::wait(WaitContext context) {
  const std::vector<std::string> names =
      Texts(context.getParams().getProjects());
  const std::int64_t timeout_ms = context.getParams().getTimeoutMs();
  std::function<void()> stop;
  kj::Promise<absl::StatusOr<WaitReport>> report =
      bridge_.Await<WaitReport>([&](auto done) {
        stop = core_.Wait(names, timeout_ms, std::move(done));
      });
  // It may take for ever: it ends with who asked.
  context.allowCancellation();
  return AnswerLater(context, kj::mv(report),
                     [](auto out, const WaitReport& in) {
                       out.setConflicts(in.conflicts);
                       out.setFailed(in.failed);
                       out.setPaused(in.paused);
                     })
      .attach(kj::defer(std::move(stop)));
}

kj::Promise<void> ControlService::verify(VerifyContext context) {
  const std::vector<std::string> names =
      Texts(context.getParams().getProjects());
  const bool repair = context.getParams().getRepair();
  return AnswerLater(context, bridge_.Await<VerifyReport>([&](auto done) {
    core_.Verify(names, repair, std::move(done));
  }),
                     [](auto out, const VerifyReport& in) { Fill(out, in); });
}

}  // namespace syncline
