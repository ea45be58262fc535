#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

namespace syncline::testing {

// Forwards TCP connections to `target`, and cuts each after a number of bytes
// (both directions together) that `budget` gives when it is accepted.
class CuttingProxy {
 public:
  CuttingProxy(boost::asio::io_context& io, const std::string& target,
               std::function<std::uint64_t()> budget);
  ~CuttingProxy();

  [[nodiscard]] std::string address() const;
  [[nodiscard]] int cuts() const { return cuts_; }

 private:
  struct Pipe;
  void Accept();

  boost::asio::io_context& io_;
  boost::asio::ip::tcp::endpoint target_;
  std::function<std::uint64_t()> budget_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::vector<std::weak_ptr<Pipe>> pipes_;
  int cuts_ = 0;
};

}  // namespace syncline::testing
