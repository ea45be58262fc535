#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "node/async.h"
#include "node/node_core.h"

namespace syncline {

// An operation on a node that may be gone when it is started. `Result` as in
// node/async.h.
template <typename Result>
Starter<Result> OnNode(
    std::weak_ptr<NodeCore> weak,
    std::function<void(NodeCore&, const std::function<void(Result)>&)> run) {
  return [weak = std::move(weak),
          run = std::move(run)](const std::function<void(Result)>& done) {
    const std::shared_ptr<NodeCore> core = weak.lock();
    if (!core || core->closing()) return done(NodeClosed());
    run(*core, done);
  };
}

// One on the project `name` of it.
template <typename T>
Starter<absl::StatusOr<T>> OnProject(
    std::weak_ptr<NodeCore> weak, std::string name,
    std::function<void(NodeCore&, ProjectRuntime&, const Callback<T>&)> run) {
  return OnNode<absl::StatusOr<T>>(
      std::move(weak), [name = std::move(name), run = std::move(run)](
                           NodeCore& core, const Callback<T>& done) {
        const absl::StatusOr<ProjectRuntime*> project = core.Find(name);
        if (!project.ok()) return done(project.status());
        run(core, **project, done);
      });
}

}  // namespace syncline
