#include "node/node.h"

#include <utility>

#include "base/status.h"
#include "node/control_socket.h"
#include "node/node_core.h"
#include "node/node_feed.h"

namespace syncline {
namespace {

absl::Status Closed() { return absl::CancelledError("the node was closed"); }

}  // namespace

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
  if (core_->closing()) return Closed();
  return core_->Serve(listen);
}

absl::Status Node::ServeControl() {
  if (core_->closing()) return Closed();
  SYNCLINE_ASSIGN_OR_RETURN(
      *control_, ControlSocket::Listen(io_, *core_, core_->options().home));
  return absl::OkStatus();
}

Starter<absl::Status> Node::Closer() {
  return [weak = std::weak_ptr<NodeCore>(core_),
          control = control_](std::function<void(absl::Status)> done) {
    const std::shared_ptr<NodeCore> core = weak.lock();
    if (!core || core->closing()) return done(Closed());
    control->reset();
    core->Close(std::move(done));
  };
}

Starter<absl::StatusOr<Project>> Node::Creator(std::string name) {
  return [io = &io_, weak = std::weak_ptr<NodeCore>(core_),
          name = std::move(name)](Callback<Project> done) {
    const std::shared_ptr<NodeCore> core = weak.lock();
    if (!core || core->closing()) return done(Closed());
    core->CreateProject(name,
                        [io, weak, name, done](const absl::Status& status) {
                          if (!status.ok()) return done(status);
                          done(Project(*io, weak, name));
                        });
  };
}

Starter<absl::Status> Node::Remover(std::string name) {
  return [weak = std::weak_ptr<NodeCore>(core_),
          name = std::move(name)](std::function<void(absl::Status)> done) {
    const std::shared_ptr<NodeCore> core = weak.lock();
    if (!core || core->closing()) return done(Closed());
    core->RemoveProject(name, std::move(done));
  };
}

Starter<absl::StatusOr<NodeReport>> Node::StatusReader() {
  return [weak = std::weak_ptr<NodeCore>(core_)](Callback<NodeReport> done) {
    const std::shared_ptr<NodeCore> core = weak.lock();
    if (!core || core->closing()) return done(Closed());
    core->Report({}, true, std::move(done));
  };
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
