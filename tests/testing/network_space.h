#pragma once

#include <functional>

namespace syncline::testing {

// A network namespace with nothing but a loopback interface: what listens on
// 127.0.0.1 in one cannot be reached from another, nor from outside. It is
// gone with this object and the processes in it.
class NetworkSpace {
 public:
  NetworkSpace();
  ~NetworkSpace();
  NetworkSpace(const NetworkSpace&) = delete;
  NetworkSpace& operator=(const NetworkSpace&) = delete;

  // False where the user may not make one.
  [[nodiscard]] bool made() const { return handle_ >= 0; }
  // Of the namespace, for setns(2).
  [[nodiscard]] int handle() const { return handle_; }
  // Calls `what` from within: sockets that it makes belong to the namespace.
  void Within(const std::function<void()>& what) const;

 private:
  int handle_ = -1;
};

}  // namespace syncline::testing
