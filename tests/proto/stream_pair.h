#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <cstdint>
#include <string>
#include <utility>

namespace syncline::testing {

using TcpSocket = boost::asio::ip::tcp::socket;
using LocalSocket = boost::asio::local::stream_protocol::socket;

// Two ends of a connection: over the loopback, or a pair of Unix sockets.
inline std::pair<TcpSocket, TcpSocket> TcpPair(boost::asio::io_context& io) {
  using boost::asio::ip::tcp;
  tcp::acceptor acceptor(io, {boost::asio::ip::address_v4::loopback(), 0});
  TcpSocket client(io);
  client.connect(acceptor.local_endpoint());
  return {std::move(client), acceptor.accept()};
}

inline std::pair<LocalSocket, LocalSocket> LocalPair(
    boost::asio::io_context& io) {
  std::pair<LocalSocket, LocalSocket> pair{LocalSocket(io), LocalSocket(io)};
  boost::asio::local::connect_pair(pair.first, pair.second);
  return pair;
}

// Bytes that differ from place to place.
inline std::string Pattern(std::size_t count) {
  std::string bytes(count, '\0');
  std::uint64_t state = 1;
  for (char& byte : bytes) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    byte = static_cast<char>(state >> 56);
  }
  return bytes;
}

}  // namespace syncline::testing
