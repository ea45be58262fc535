#include "tests/testing/network_space.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "base/check.h"

namespace syncline::testing {
namespace {

// Of the calling thread's namespace.
bool RaiseLoopback() {
  const int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (any < 0) return false;
  ifreq request = {};
  std::strcpy(request.ifr_name, "lo");
  bool raised = ioctl(any, SIOCGIFFLAGS, &request) == 0;
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  raised = raised && ioctl(any, SIOCSIFFLAGS, &request) == 0;
  close(any);
  return raised;
}

}  // namespace

NetworkSpace::NetworkSpace() {
  // Namespaces are of threads: this one's end leaves the caller where it is.
  std::thread([this] {
    if (unshare(CLONE_NEWNET) != 0 || !RaiseLoopback()) return;
    handle_ = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  }).join();
}

NetworkSpace::~NetworkSpace() {
  if (handle_ >= 0) close(handle_);
}

void NetworkSpace::Within(const std::function<void()>& what) const {
  std::thread([&] {
    SYNCLINE_CHECK(setns(handle_, CLONE_NEWNET) == 0, "cannot enter");
    what();
  }).join();
}

}  // namespace syncline::testing
