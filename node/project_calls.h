#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "node/async.h"
#include "node/node_core.h"

namespace syncline {

// An operation on the project `name` of a node that may be gone when it is
// started.
template <typename T>
Starter<absl::StatusOr<T>> OnProject(
    std::weak_ptr<NodeCore> weak, std::string name,
    std::function<void(NodeCore&, ProjectRuntime&, const Callback<T>&)> run) {
  return [weak = std::move(weak), name = std::move(name),
          run = std::move(run)](Callback<T> done) {
    const std::shared_ptr<NodeCore> core = weak.lock();
    if (!core || core->closing()) {
      return done(absl::CancelledError("the node was closed"));
    }
    const absl::StatusOr<ProjectRuntime*> project = core->Find(name);
    if (!project.ok()) return done(project.status());
    run(*core, **project, done);
  };
}

}  // namespace syncline
