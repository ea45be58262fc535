#include "node/control_socket.h"

#include <capnp/common.h>
#include <kj/debug.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include <boost/asio/local/stream_protocol.hpp>

#include "base/status.h"
#include "node/client/control_address.h"
#include "node/control_service.h"
#include "node/event_connection.h"
#include "proto/asio_stream.h"
#include "proto/rpc_connection.h"

namespace syncline {
namespace {

using boost::asio::local::stream_protocol;

constexpr char kFreshName[] = "control.sock.new";
// More than the first message of an EventConnection has.
constexpr std::size_t kPeekWords = 32;

}  // namespace

struct ControlSocket::Impl {
  Impl(boost::asio::io_context& io, NodeCore& node, std::filesystem::path dir)
      : home(std::move(dir)),
        acceptor(io),
        core(node),
        loop(node.loop()),
        alive(std::make_shared<bool>(true)) {
    loop.Enter([&] {
      service = capnp::Capability::Client(kj::heap<ControlService>(node));
    });
  }

  ~Impl() {
    *alive = false;
    silent.clear();
    events.clear();
    loop.Enter([&] {
      connections.clear();
      service = nullptr;
    });
  }

  absl::Status Bind() {
    const DirHandle dir(home);
    if (!dir.ok()) return ErrnoStatus(errno, "open " + home.string());
    const std::string fresh = dir.PathOf(kFreshName);
    unlink(fresh.c_str());
    boost::system::error_code error;
    acceptor.open(stream_protocol(), error);
    if (!error) acceptor.bind(stream_protocol::endpoint(fresh), error);
    if (!error)
      acceptor.listen(boost::asio::socket_base::max_listen_connections, error);
    if (error) return ErrnoStatus(error.value(), "control socket");
    // Nobody can connect before the socket has its mode and its name.
    if (chmod(fresh.c_str(), S_IRUSR | S_IWUSR) != 0 ||
        rename(fresh.c_str(), dir.PathOf(kControlSocketName).c_str()) != 0) {
      return ErrnoStatus(errno, "control socket");
    }
    return absl::OkStatus();
  }

  void Accept() {
    acceptor.async_accept(
        [this, alive = alive](boost::system::error_code error,
                              stream_protocol::socket socket) {
          if (!*alive || error == boost::asio::error::operation_aborted) return;
          if (!error) Await(std::move(socket));
          if (acceptor.is_open()) Accept();
        });
  }

  // What the client wants is in its first message.
  void Await(stream_protocol::socket accepted) {
    const std::uint64_t id = next_id++;
    stream_protocol::socket& socket =
        silent.emplace(id, std::move(accepted)).first->second;
    socket.async_wait(stream_protocol::socket::wait_read,
                      [this, alive = alive, id](boost::system::error_code) {
                        if (!*alive) return;
                        auto found = silent.extract(id);
                        Serve(id, std::move(found.mapped()));
                      });
  }

  void Serve(std::uint64_t id, stream_protocol::socket socket) {
    std::array<capnp::word, kPeekWords> words;
    const ssize_t got = recv(socket.native_handle(), words.data(), sizeof words,
                             MSG_PEEK | MSG_DONTWAIT);
    const std::size_t size =
        got < 0 ? 0 : static_cast<std::size_t>(got) / sizeof(capnp::word);
    if (EventConnection::IsWanted({words.data(), size})) {
      auto connection = EventConnection::Start(core, std::move(socket), feeds,
                                               [this, id] { Forget(id); });
      if (connection.ok()) events.emplace(id, *std::move(connection));
      return;
    }
    loop.Enter([&] {
      absl::StatusOr<kj::Own<kj::AsyncIoStream>> stream =
          NewAsioStream(loop, std::move(socket));
      if (!stream.ok()) return;
      RpcConnection::Options options;
      options.side = RpcConnection::Side::kServer;
      options.limits.traversal_bytes_max = kControlMessageBytesMax;
      options.limits.unanswered_bytes_max = kControlMessageBytesMax;
      options.on_disconnect = [this, id] { Forget(id); };
      connections.emplace(
          id, std::make_unique<RpcConnection>(loop, *std::move(stream),
                                              KJ_ASSERT_NONNULL(service),
                                              std::move(options)));
    });
  }

  void Forget(std::uint64_t id) {
    loop.Post([this, alive = alive, id] {
      if (!*alive) return;
      connections.erase(id);
      events.erase(id);
    });
  }

  std::filesystem::path home;
  stream_protocol::acceptor acceptor;
  NodeCore& core;
  KjLoop& loop;
  std::shared_ptr<bool> alive;
  kj::Maybe<capnp::Capability::Client> service;
  // Each connection is in one of these.
  std::map<std::uint64_t, stream_protocol::socket> silent;
  std::map<std::uint64_t, std::unique_ptr<RpcConnection>> connections;
  std::map<std::uint64_t, std::unique_ptr<EventConnection>> events;
  // Feeds of all of them.
  const std::shared_ptr<std::size_t> feeds = std::make_shared<std::size_t>(0);
  std::uint64_t next_id = 0;
};

ControlSocket::ControlSocket(std::unique_ptr<Impl> impl)
    : impl_(std::move(impl)) {}

ControlSocket::~ControlSocket() { StopAccepting(); }

absl::StatusOr<std::unique_ptr<ControlSocket>> ControlSocket::Listen(
    boost::asio::io_context& io, NodeCore& core,
    const std::filesystem::path& home) {
  auto impl = std::make_unique<Impl>(io, core, home);
  SYNCLINE_RETURN_IF_ERROR(impl->Bind());
  impl->Accept();
  return std::unique_ptr<ControlSocket>(new ControlSocket(std::move(impl)));
}

void ControlSocket::StopAccepting() {
  if (!impl_->acceptor.is_open()) return;
  boost::system::error_code ignored;
  impl_->acceptor.close(ignored);
  unlink((impl_->home / kControlSocketName).c_str());
}

}  // namespace syncline
