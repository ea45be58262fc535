#pragma once

#include <kj/async-io.h>

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "replication/peer/frame_guard.h"

namespace syncline {

// What a guarded stream tells about itself, also after it is gone.
struct StreamMeter {
  FrameGuard guard;
  absl::Status violation;  // Why the guard closed the stream, if it did.
  std::uint64_t sent_bytes = 0;
  std::uint64_t received_bytes = 0;
};

// `stream`, whose received bytes pass the guard of `meter`; a violation looks
// like a lost connection to the reader.
kj::Own<kj::AsyncIoStream> NewGuardedStream(kj::Own<kj::AsyncIoStream> stream,
                                            std::shared_ptr<StreamMeter> meter);

}  // namespace syncline
