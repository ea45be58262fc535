// This device, those it shares with, and how they meet.

#include "node/control_fill.h"
#include "node/control_service.h"
#include "node/control_texts.h"
#include "replication/state_intake.h"

namespace syncline {

kj::Promise<void> ControlService::device(DeviceContext context) {
  auto device = context.getResults().initResult().initValue();
  device.setId(ToKj(core_.self().identity.id().ToText()));
  device.setName(ToKj(core_.settings().name()));
  return kj::READY_NOW;
}

kj::Promise<void> ControlService::renameSelf(RenameSelfContext context) {
  const std::string name = FromKj(context.getParams().getName());
  return AnswerLater(context, bridge_.AwaitStatus([&](StatusCallback done) {
    core_.SetName(name, std::move(done));
  }),
                     kFillNothing);
}

kj::Promise<void> ControlService::devices(DevicesContext context) {
  const absl::StatusOr<std::vector<PeerReport>> peers = core_.Peers();
  Answer(context, peers, [](auto out, const auto& in) {
    auto list = out.initPeers(static_cast<unsigned>(in.size()));
    for (unsigned i = 0; i < list.size(); ++i) Fill(list[i], in[i]);
  });
  return kj::READY_NOW;
}

kj::Promise<void> ControlService::removeDevice(RemoveDeviceContext context) {
  const std::string id = FromKj(context.getParams().getId());
  return AnswerLater(context, bridge_.AwaitStatus([&](StatusCallback done) {
    core_.RemoveDevice(id, std::move(done));
  }),
                     kFillNothing);
}

kj::Promise<void> ControlService::renameDevice(RenameDeviceContext context) {
  const auto params = context.getParams();
  return AnswerLater(context, bridge_.AwaitStatus([&](StatusCallback done) {
    core_.RenameDevice(FromKj(params.getId()), FromKj(params.getName()),
                       std::move(done));
  }),
                     kFillNothing);
}

kj::Promise<void> ControlService::invite(InviteContext context) {
  const auto params = context.getParams();
  return AnswerLater(context, bridge_.Await<InvitationReport>([&](auto done) {
    core_.Invite(Texts(params.getProjects()), params.getExpiresMs(),
                 Texts(params.getAddresses()), std::move(done));
  }),
                     [](auto out, const InvitationReport& in) {
                       out.setCode(ToKj(in.code));
                       out.setExpiresMs(in.expires_ms);
                     });
}

kj::Promise<void> ControlService::join(JoinContext context) {
  const auto params = context.getParams();
  return AnswerLater(context, bridge_.Await<JoinReport>([&](auto done) {
    core_.Join(FromKj(params.getCode()), Texts(params.getDirs()),
               std::move(done));
  }),
                     [](auto out, const JoinReport& in) { Fill(out, in); });
}

kj::Promise<void> ControlService::acceptState(AcceptStateContext context) {
  const absl::StatusOr<ProjectRuntime*> project =
      core_.Find(FromKj(context.getParams().getProject()));
  const absl::Status accepted =
      project.ok() ? (*project)->replica->intake().Accept() : project.status();
  return AnswerLater(context, bridge_.AwaitStatus([&](StatusCallback done) {
    done(accepted);
  }),
                     kFillNothing);
}

}  // namespace syncline
