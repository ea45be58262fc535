#include "proto/socket_calls.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace syncline {
namespace {

kj::Exception::Type TypeOf(int error_number) {
  switch (error_number) {
    case ECONNABORTED:
    case ECONNREFUSED:
    case ECONNRESET:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENETDOWN:
    case ENETRESET:
    case ENETUNREACH:
    case ENOTCONN:
    case EPIPE:
    case ETIMEDOUT:
      return kj::Exception::Type::DISCONNECTED;
    case ENOBUFS:
    case ENOMEM:
      return kj::Exception::Type::OVERLOADED;
    default:
      return kj::Exception::Type::FAILED;
  }
}

}  // namespace

ssize_t ReadVector(int fd, iovec* vectors, std::size_t count) {
  ssize_t result;
  do {
    result = ::readv(fd, vectors, static_cast<int>(count));
  } while (result < 0 && errno == EINTR);
  return result;
}

ssize_t SendVector(int fd, iovec* vectors, std::size_t count) {
  msghdr message{};
  message.msg_iov = vectors;
  message.msg_iovlen = count;
  ssize_t result;
  do {
    result = ::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (result < 0 && errno == EINTR);
  return result;
}

bool IsNotNow(int error_number) {
  return error_number == EAGAIN || error_number == EWOULDBLOCK;
}

kj::Exception ErrnoException(int error_number, const char* call) {
  return kj::Exception(TypeOf(error_number), __FILE__, __LINE__,
                       kj::str(call, ": ", strerror(error_number)));
}

}  // namespace syncline
