#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "log/entry.h"
#include "replication/state/causal_state.h"
#include "replication/state/names.h"

namespace syncline {

// Limits of rule A5: an entry beyond one of them is void everywhere.
inline constexpr std::size_t kEffectsMax = 1024;
inline constexpr std::size_t kSupersededMax = 8192;
inline constexpr std::size_t kChainMax = 1024;

// What is wrong with a location whoever wrote it; nothing if it can be right.
std::optional<std::string> LocationFault(const Location& at);

}  // namespace syncline
