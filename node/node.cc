#include "node/node.h"

#include <utility>

#include "base/status.h"
#include "node/control_socket.h"
#include "node/node_calls.h"
#include "node/node_core.h"
#include "node/node_feed.h"

namespace syncline {

Node::Node(boost::asio::io_context& io, std::shared_ptr<NodeCore> core)
    : io_(io),
      core_(std::move(core)),
      control_(std::make_shared<std::unique_ptr<ControlSocket>>()) {}

Node::~Node() { control_->reset(); }

absl::StatusOr<std::unique_ptr<Node>> Node::Open(boost::asio::io_context& io,
                                                 const NodeOptions& options) {
  SYNCLINE_ASSIGN_OR_RETURN(std::shared_ptr<NodeCore> core,
                            NodeCore::Open(io, options));
  return std::unique_ptr<Node>(new Node(io, std::move(core)));
}

absl::StatusOr<std::vector<std::string>> Node::Serve(
    const std::vector<std::string>& listen) {
  if (core_->closing()) return NodeClosed();
  return core_->Serve(listen);
}

absl::Status Node::ServeControl() {
  if (core_->closing()) return NodeClosed();
  SYNCLINE_ASSIGN_OR_RETURN(
      *control_, ControlSocket::Listen(io_, *core_, core_->options().home));
  return absl::OkStatus();
}

Starter<absl::Status> Node::Closer() {
  return OnNode<absl::Status>(
      core_, [control = control_](NodeCore& core, const StatusCallback& done) {
        control->reset();
        core.Close(done);
      });
}

Starter<absl::StatusOr<Project>> Node::Creator(std::string name) {
  return OnNode<absl::StatusOr<Project>>(
      core_, [project = this->project(name)](NodeCore& core,
                                             const Callback<Project>& done) {
        core.CreateProject(project.name(),
                           [project, done](const absl::Status& status) {
                             if (!status.ok()) return done(status);
                             done(project);
                           });
      });
}

Starter<absl::Status> Node::Remover(std::string name) {
  return OnNode<absl::Status>(
      core_,
      [name = std::move(name)](NodeCore& core, const StatusCallback& done) {
        core.RemoveProject(name, done);
      });
}

Starter<absl::StatusOr<NodeReport>> Node::StatusReader() {
  return OnNode<absl::StatusOr<NodeReport>>(
      core_, [](NodeCore& core, const Callback<NodeReport>& done) {
        core.Report({}, true, done);
      });
}

std::unique_ptr<FeedSubscription> Node::Subscribe(
    std::vector<FeedSource> sources, Visibility visibility,
    FeedHandlers handlers) {
  return SubscribeHere(io_, core_, std::move(sources), visibility,
                       std::move(handlers));
}

Project Node::project(std::string name) const {
  return Project(io_, core_, std::move(name));
}

std::string Node::device_id() const {
  return core_->self().identity.id().ToText();
}

}  // namespace syncline
