#pragma once

#include <string_view>

#include "replication/project_id.h"

namespace syncline {

// The node's own scope: documents and events that belong to no project, under
// a name that is always there. It is a project like any other; its id is the
// same on every node, so that devices invited to it share one scope, whatever
// each had in its own before. Listed among the projects once it is used.
inline constexpr std::string_view kNodeScope = "@node";
ProjectId NodeScopeId();

}  // namespace syncline
