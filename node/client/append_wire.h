#pragma once

#include <cstddef>

#include "absl/status/statusor.h"
#include "node/client/append_batch.h"
#include "proto/control.capnp.h"

// appendEvents of proto/control.capnp, as a client writes and reads it.

namespace syncline {

// Words that FillAppend() takes, at most.
std::size_t AppendWords(const AppendBatch& batch);
void FillAppend(control::EventControl::AppendEventsParams::Builder out,
                const AppendBatch& batch);
absl::StatusOr<AppendOutcome> OutcomeOf(
    control::Result<control::EventsAppended>::Reader result);

}  // namespace syncline
