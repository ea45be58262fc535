#pragma once

#include <kj/async-io.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <cstddef>

#include "absl/status/statusor.h"
#include "proto/kj_loop.h"

namespace syncline {

struct AsioStreamOptions {
  // Answered to SO_SNDBUF, which Cap'n Proto takes as the window of
  // `-> stream` calls: the bytes that a slow peer can hold in our memory.
  std::size_t window_bytes = 2u << 20;
};

// A connected socket as a KJ stream on `loop`, on which everything about it
// must happen. Takes the socket over, also when it fails, and sets
// TCP_NODELAY.
//
// Reads and writes wait for readiness and then call the kernel themselves, so
// a promise may be dropped at any time: nothing ever points at its memory.
// After a dropped write that was sent in part the stream only fails.
// Writes of up to 8 KiB are gathered and leave together at the end of the
// turn, or with the destruction of the stream if the kernel takes them then.
// A lost peer is a DISCONNECTED exception; whenWriteDisconnected() is ready
// when the peer is gone, not when it has only finished sending.
//
//   kInternal, kResourceExhausted  the socket could not be taken over
absl::StatusOr<kj::Own<kj::AsyncIoStream>> NewAsioStream(
    KjLoop& loop, boost::asio::ip::tcp::socket socket,
    const AsioStreamOptions& options = {});
absl::StatusOr<kj::Own<kj::AsyncIoStream>> NewAsioStream(
    KjLoop& loop, boost::asio::local::stream_protocol::socket socket,
    const AsioStreamOptions& options = {});

}  // namespace syncline
