#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "node/async.h"
#include "node/node.h"
#include "node/types.h"

namespace syncline {

// The devices that a node shares projects with: one invites, the other joins,
// and from then on each dials the other by itself. See Node for how operations
// are called. A device is named by its id or the start of it.
class Node::Devices {
 public:
  Devices(boost::asio::io_context& io, std::weak_ptr<NodeCore> core)
      : io_(&io), core_(std::move(core)) {}

  // By id.
  template <typename Token>
  auto AsyncList(Token&& token) const {
    return InitiateAsync<Listed>(*io_, ListAll(), std::forward<Token>(token));
  }
  absl::StatusOr<std::vector<PeerReport>> List() const {
    return BlockOn<Listed>(*io_, ListAll());
  }

  // An invitation to `projects`, for one device: a text that is a secret. The
  // other reaches this node at `addresses`; none: where it listens now.
  //   kNotFound         no such project
  //   kInvalidArgument  what the invitation says is too long for one, or an
  //                     address is none
  //   kFailedPrecondition  an address is not on this machine
  template <typename Token>
  auto AsyncInvite(std::vector<std::string> projects, std::int64_t expires_ms,
                   std::vector<std::string> addresses, Token&& token) const {
    return InitiateAsync<Invited>(
        *io_, InviteTo(std::move(projects), expires_ms, std::move(addresses)),
        std::forward<Token>(token));
  }
  absl::StatusOr<InvitationReport> Invite(
      std::vector<std::string> projects, std::int64_t expires_ms = kDayMs,
      std::vector<std::string> addresses = {}) const {
    return BlockOn<Invited>(
        *io_, InviteTo(std::move(projects), expires_ms, std::move(addresses)));
  }

  // Takes what the invitation `code` offers; folder i, if there is one and it
  // is not empty, mirrors project i from then on. This node must serve. The
  // projects are here when it answers, what is in them comes later. Those that
  // the other does not have any more are told as missing.
  //   kInvalidArgument     no invitation, or more folders than projects
  //   kFailedPrecondition  it has expired, was used, or is this device's own;
  //                        a folder inside or around another, or a file
  //   kPermissionDenied    the other does not know it
  //   kUnavailable         the other cannot be reached
  template <typename Token>
  auto AsyncJoin(std::string code, std::vector<std::string> dirs,
                 Token&& token) const {
    return InitiateAsync<HasJoined>(*io_,
                                    JoinBy(std::move(code), std::move(dirs)),
                                    std::forward<Token>(token));
  }
  absl::StatusOr<JoinReport> Join(std::string code,
                                  std::vector<std::string> dirs = {}) const {
    return BlockOn<HasJoined>(*io_, JoinBy(std::move(code), std::move(dirs)));
  }

  // Nothing goes to it or comes from it any more; both keep what they have.
  template <typename Token>
  auto AsyncRemove(std::string device, Token&& token) const {
    return InitiateAsync<absl::Status>(*io_, Remover(std::move(device)),
                                       std::forward<Token>(token));
  }
  absl::Status Remove(std::string device) const {
    return BlockOn<absl::Status>(*io_, Remover(std::move(device)));
  }

 private:
  static constexpr std::int64_t kDayMs = 86'400'000;
  using Listed = absl::StatusOr<std::vector<PeerReport>>;
  using Invited = absl::StatusOr<InvitationReport>;
  using HasJoined = absl::StatusOr<JoinReport>;

  Starter<Listed> ListAll() const;
  Starter<Invited> InviteTo(std::vector<std::string> projects,
                            std::int64_t expires_ms,
                            std::vector<std::string> addresses) const;
  Starter<HasJoined> JoinBy(std::string code,
                            std::vector<std::string> dirs) const;
  Starter<absl::Status> Remover(std::string device) const;

  boost::asio::io_context* io_;
  std::weak_ptr<NodeCore> core_;
};

}  // namespace syncline
