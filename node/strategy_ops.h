#pragma once

#include <optional>
#include <string>

#include "node/types.h"
#include "replication/device_identity.h"
#include "replication/replica.h"

// How conflicts of one project are resolved: settings that all its devices
// share (replication/project_settings.h). Runs on the replica's executor;
// callbacks come there, once the change is durable.

namespace syncline {

StrategyReport DescribeStrategies(const Replica& replica);

// Sets the strategy of paths that match `glob`, or, if that is empty, of all
// that no pattern speaks for. Nothing takes the setting away.
//   kNotFound         nothing to take away
//   kInvalidArgument  no pattern that may be
void SetStrategy(Replica& replica, const std::string& glob,
                 std::optional<Strategy> strategy, Callback<Written> done);

// Lets one device alone resolve; nothing: all of them.
void SetAuthority(Replica& replica, const std::optional<DeviceId>& device,
                  Callback<Written> done);

}  // namespace syncline
