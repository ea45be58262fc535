#pragma once

#include <vector>

#include "absl/status/status.h"
#include "node/feed.h"
#include "proto/control.capnp.h"

// What feeds say to one another (node/feed.h) in messages of
// proto/control.capnp, as a client writes and reads it.

namespace syncline {

absl::Status StatusOf(control::Failure::Reader failure);

void FillSource(control::FeedSource::Builder out, const FeedSource& in);
FeedEnd EndOf(control::FeedEnd::Reader in);
std::vector<FeedStart> StartsOf(capnp::List<control::FeedStart>::Reader in);
// Views into the message.
void ReadPieces(capnp::List<control::FeedPiece>::Reader in,
                std::vector<FeedRecords>& out);

}  // namespace syncline
