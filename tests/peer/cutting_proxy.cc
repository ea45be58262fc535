#include "tests/peer/cutting_proxy.h"

#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/write.hpp>

#include "replication/peer/endpoint.h"

namespace syncline::testing {

using boost::asio::ip::tcp;

struct CuttingProxy::Pipe : std::enable_shared_from_this<Pipe> {
  Pipe(CuttingProxy& proxy, tcp::socket accepted, std::uint64_t bytes)
      : owner(&proxy),
        near(std::move(accepted)),
        far(proxy.io_),
        budget(bytes) {}

  void Forward(tcp::socket& from, tcp::socket& to,
               std::array<char, 4096>& buffer) {
    from.async_read_some(
        boost::asio::buffer(buffer),
        [self = shared_from_this(), &from, &to, &buffer](
            const boost::system::error_code& error, std::size_t count) {
          if (error) return self->Close();
          const std::uint64_t passed =
              std::min<std::uint64_t>(count, self->budget);
          self->budget -= passed;
          boost::system::error_code ignored;
          boost::asio::write(to, boost::asio::buffer(buffer, passed), ignored);
          if (self->budget == 0) return self->Cut();
          self->Forward(from, to, buffer);
        });
  }

  void Cut() {
    if (owner && near.is_open()) {
      ++owner->cuts_;
    }
    Close();
  }
  void Close() {
    boost::system::error_code ignored;
    near.close(ignored);
    far.close(ignored);
  }

  CuttingProxy* owner;
  tcp::socket near;
  tcp::socket far;
  std::uint64_t budget;
  std::array<char, 4096> from_near;
  std::array<char, 4096> from_far;
};

CuttingProxy::CuttingProxy(boost::asio::io_context& io,
                           const std::string& target,
                           std::function<std::uint64_t()> budget)
    : io_(io),
      target_(*ParseLoopbackEndpoint(target)),
      budget_(std::move(budget)),
      acceptor_(io, tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)) {
  Accept();
}

CuttingProxy::~CuttingProxy() {
  for (const std::weak_ptr<Pipe>& weak : pipes_)
    if (const std::shared_ptr<Pipe> pipe = weak.lock()) {
      pipe->owner = nullptr;
      pipe->Close();
    }
}

std::string CuttingProxy::address() const {
  return EndpointText(acceptor_.local_endpoint());
}

void CuttingProxy::Accept() {
  acceptor_.async_accept(
      [this](const boost::system::error_code& error, tcp::socket socket) {
        if (error) return;
        auto pipe = std::make_shared<Pipe>(*this, std::move(socket), budget_());
        boost::system::error_code refused;
        pipe->far.connect(target_, refused);
        if (refused) {
          pipe->Close();
        } else {
          pipes_.push_back(pipe);
          pipe->Forward(pipe->near, pipe->far, pipe->from_near);
          pipe->Forward(pipe->far, pipe->near, pipe->from_far);
        }
        Accept();
      });
}

}  // namespace syncline::testing
