#pragma once

#include <string>
#include <string_view>

#include <boost/asio/ip/tcp.hpp>

#include "absl/status/statusor.h"

namespace syncline {

// "127.0.0.1:22067", "[::1]:22067", "localhost:22067". Names are not looked
// up.
//   kInvalidArgument     not an address and a port
//   kFailedPrecondition  not on this machine: sessions are not encrypted yet,
//                        so nothing may leave the loopback interface
absl::StatusOr<boost::asio::ip::tcp::endpoint> ParseLoopbackEndpoint(
    std::string_view text);

std::string EndpointText(const boost::asio::ip::tcp::endpoint& endpoint);

}  // namespace syncline
