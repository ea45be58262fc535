#include "node/node_devices.h"

#include <utility>

#include "node/node_calls.h"
#include "node/node_core.h"

namespace syncline {

Node::Devices Node::devices() const { return {io_, core_}; }

Starter<Node::Devices::Listed> Node::Devices::ListAll() const {
  return OnNode<Listed>(
      core_, [](NodeCore& core, const auto& done) { done(core.Peers()); });
}

Starter<Node::Devices::Invited> Node::Devices::InviteTo(
    std::vector<std::string> projects, std::int64_t expires_ms,
    std::vector<std::string> addresses) const {
  return OnNode<Invited>(core_, [projects = std::move(projects), expires_ms,
                                 addresses = std::move(addresses)](
                                    NodeCore& core, const auto& done) {
    core.Invite(projects, expires_ms, addresses, done);
  });
}

Starter<Node::Devices::HasJoined> Node::Devices::JoinBy(
    std::string code, std::vector<std::string> dirs) const {
  return OnNode<HasJoined>(
      core_,
      [code = std::move(code), dirs = std::move(dirs)](
          NodeCore& core, const auto& done) { core.Join(code, dirs, done); });
}

Starter<absl::Status> Node::Devices::Remover(std::string device) const {
  return OnNode<absl::Status>(
      core_, [device = std::move(device)](NodeCore& core, const auto& done) {
        core.RemoveDevice(device, done);
      });
}

}  // namespace syncline
