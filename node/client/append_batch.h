#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "log/append_log.h"

namespace syncline {

// Events that go to a node together.
struct AppendBatch {
  // Events of one channel of one project that follow one another.
  struct Run {
    std::string project;
    std::string channel;
    std::size_t events = 0;
  };

  Durability durability = Durability::kDurable;
  std::vector<Run> runs;
  std::vector<std::uint32_t> sizes;  // Of each event's payload.
  std::string payloads;              // End to end.
};

// What came of them.
struct AppendOutcome {
  std::vector<Seq> firsts;  // By run; those appended follow without a hole.
  // By event, in order.
  std::vector<std::pair<std::size_t, absl::Status>> refused;
};

// The way to a node. `done` comes once, on the executor of whoever sends, and
// not from within the call.
using AppendAnswered = std::function<void(absl::StatusOr<AppendOutcome>)>;
using AppendSend =
    std::function<void(std::shared_ptr<const AppendBatch>, AppendAnswered)>;

}  // namespace syncline
