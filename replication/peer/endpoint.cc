#include "replication/peer/endpoint.h"

#include <boost/asio/ip/address.hpp>
#include <charconv>
#include <cstdint>

#include "base/status.h"

namespace syncline {

absl::StatusOr<boost::asio::ip::tcp::endpoint> ParseLoopbackEndpoint(
    std::string_view text) {
  const std::string quoted = "'" + std::string(text) + "'";
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos)
    return InvalidArgument(quoted + " is not HOST:PORT");
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc() || end != digits.data() + digits.size())
    return InvalidArgument(quoted + " has no valid port");
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  if (host == "localhost") host = "127.0.0.1";
  boost::system::error_code parse_error;
  const auto address =
      boost::asio::ip::make_address(std::string(host), parse_error);
  if (parse_error)
    return InvalidArgument(quoted +
                           " is not a numeric address and port (names are "
                           "not looked up)");
  if (!address.is_loopback())
    return FailedPrecondition(
        quoted +
        " is not on this machine: connections are not encrypted in this "
        "version, so only loopback addresses are allowed (127.0.0.1, ::1)");
  return boost::asio::ip::tcp::endpoint(address, port);
}

std::string EndpointText(const boost::asio::ip::tcp::endpoint& endpoint) {
  const std::string port = ":" + std::to_string(endpoint.port());
  const std::string address = endpoint.address().to_string();
  return (endpoint.address().is_v6() ? "[" + address + "]" : address) + port;
}

}  // namespace syncline
