#pragma once

#include <kj/exception.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>

// The system calls of a stream on a non-blocking socket.

namespace syncline {

// readv(2) and sendmsg(2), again after a signal; -1 leaves the error in
// errno. Sending never blocks and never raises SIGPIPE.
ssize_t ReadVector(int fd, iovec* vectors, std::size_t count);
ssize_t SendVector(int fd, iovec* vectors, std::size_t count);

// How many are worth gathering for one SendVector().
inline constexpr std::size_t kPiecesPerSend = 64;

// The call would have blocked.
bool IsNotNow(int error_number);

// A lost or unreachable peer is DISCONNECTED, exhausted memory OVERLOADED,
// anything else FAILED.
kj::Exception ErrnoException(int error_number, const char* call);

}  // namespace syncline
