#pragma once

#include <span>
#include <string_view>

#include "node/client/append_batch.h"
#include "node/node_core.h"
#include "proto/event_reader.h"

namespace syncline {

// Events of one project that follow one another.
struct EventRunView {
  std::string_view project;
  std::span<const EventView> events;
};

// Appends events of any projects, each as an entry of its own, all in this
// turn of the node's loop: what is refused does not keep back the rest. `done`
// is called once they are as safe as `durability` says; from within the call
// where nothing has to be waited for. The views are not used after it.
void AppendRuns(NodeCore& core, std::span<const EventRunView> runs,
                Durability durability, Callback<AppendOutcome> done);

}  // namespace syncline
