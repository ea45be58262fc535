#include "bench/node_rigs.h"

#include "bench/harness.h"

namespace syncline::testing {

CoreRig::CoreRig(const std::filesystem::path& dir) {
  NodeOptions options;
  options.home = dir / "home";
  options.name = "bench";
  core_ = Must(NodeCore::Open(io_, options));
}

CoreRig::~CoreRig() {
  bool closed = false;
  core_->Close([&](const absl::Status& status) {
    Must(status);
    closed = true;
  });
  RunUntil([&] { return closed; });
}

Replica& CoreRig::MakeProject(const std::string& name) {
  bool made = false;
  core_->CreateProject(name, [&](const absl::Status& status) {
    Must(status);
    made = true;
  });
  RunUntil([&] { return made; });
  return project(name);
}

std::vector<Replica*> CoreRig::MakeProjects(std::size_t count) {
  std::size_t made = 0;
  for (std::size_t i = 0; i < count; ++i) {
    core_->CreateProject("project" + std::to_string(i),
                         [&](const absl::Status& status) {
                           Must(status);
                           ++made;
                         });
  }
  RunUntil([&] { return made == count; });
  std::vector<Replica*> replicas;
  for (auto& [number, runtime] : core_->projects()) {
    replicas.push_back(runtime.replica.get());
  }
  return replicas;
}

Replica& CoreRig::project(const std::string& name) {
  return *Must(core_->Find(name))->replica;
}

void CoreRig::RunUntil(const std::function<bool()>& done) {
  const auto work = boost::asio::make_work_guard(io_);
  io_.restart();
  while (!done()) io_.run_one();
}

NodeRig::NodeRig(const std::filesystem::path& dir)
    : work_(boost::asio::make_work_guard(io_)) {
  NodeOptions options;
  options.home = dir / "home";
  options.name = "bench";
  node_ = Must(Node::Open(io_, options));
  thread_ = std::thread([this] { io_.run(); });
}

NodeRig::~NodeRig() {
  Must(node_->Close());
  work_.reset();
  io_.stop();
  thread_.join();
}

}  // namespace syncline::testing
