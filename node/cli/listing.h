#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "node/cli/session.h"

namespace syncline::cli {

// Calls `visit` for each child of directory `path`, by name, page by page.
absl::Status ListAll(
    Session& session, const std::string& project, const std::string& path,
    const std::function<absl::Status(control::FileInfo::Reader)>& visit);

// What is at `path`.
using StatAnswer = InLoop<capnp::Response<control::FileControl::StatResults>>;
absl::StatusOr<StatAnswer> Stat(Session& session, const std::string& project,
                                const std::string& path);

}  // namespace syncline::cli
