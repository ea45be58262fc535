// serve.

#include <csignal>
#include <memory>

#include <fmt/format.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include "base/status.h"
#include "node/cli/invocation.h"
#include "node/cli/json.h"
#include "node/cli/output.h"
#include "node/node.h"
#include "proto/short_poll.h"

namespace syncline::cli {
namespace {

constexpr char kDefaultListen[] = "127.0.0.1:22067";

struct ServeArgs {
  std::vector<std::string> listen;
  bool no_http = false;
};

void Announce(const Invocation& in, std::string_view what,
              const std::string& address) {
  if (in.json) {
    PrintJson({{"listening", what}, {"address", address}});
  } else {
    PrintLine(fmt::format("listening {} {}", what, address), true);
  }
}

// Serves until a signal; a second signal ends the process at once.
class Server {
 public:
  Server(const Invocation& in, const ServeArgs& args)
      : in_(in), args_(args), signals_(io_, SIGINT, SIGTERM) {}

  absl::StatusOr<ExitCode> Run() {
    NodeOptions options;
    options.home = in_.Home();
    absl::StatusOr<std::unique_ptr<Node>> node = Node::Open(io_, options);
    if (!node.ok()) return StoreError(node.status());
    node_ = *std::move(node);
    const absl::Status started = Start();
    if (!started.ok()) Stop();
    ShortPoll poll(io_);
    while (!io_.stopped()) poll.RunOne();
    SYNCLINE_RETURN_IF_ERROR(started);
    SYNCLINE_RETURN_IF_ERROR(StoreError(closed_));
    return ExitCode::kDone;
  }

 private:
  absl::Status Start() {
    const std::vector<std::string> listen =
        args_.listen.empty() ? std::vector<std::string>{kDefaultListen}
                             : args_.listen;
    SYNCLINE_ASSIGN_OR_RETURN(std::vector<std::string> bound,
                              node_->Serve(listen));
    SYNCLINE_RETURN_IF_ERROR(node_->ServeControl());
    signals_.async_wait([this](boost::system::error_code error, int) {
      if (error) return;
      std::signal(SIGINT, SIG_DFL);
      std::signal(SIGTERM, SIG_DFL);
      Stop();
    });
    for (const std::string& address : bound) Announce(in_, "peer", address);
    if (in_.json) {
      PrintJson({{"ready", true}});
    } else {
      PrintLine("ready", true);
    }
    return absl::OkStatus();
  }

  void Stop() {
    node_->AsyncClose([this](const absl::Status& status) {
      closed_ = status;
      signals_.cancel();
      io_.stop();
    });
  }

  const Invocation& in_;
  const ServeArgs& args_;
  boost::asio::io_context io_{1};  // One thread runs it.
  boost::asio::signal_set signals_;
  std::unique_ptr<Node> node_;
  absl::Status closed_;
};

absl::StatusOr<ExitCode> Serve(const Invocation& in, const ServeArgs& args) {
  return Server(in, args).Run();
}

}  // namespace

void AddServeCommand(CLI::App& app, Invocation& in) {
  CLI::App* serve =
      AddCommand(app, "serve", "Run the node until SIGINT or SIGTERM",
                 "syncline serve\n"
                 "syncline serve --listen 127.0.0.1:0");
  auto args = std::make_shared<ServeArgs>();
  serve
      ->add_option("--listen", args->listen,
                   "Where peers connect; port 0 picks a free one (default: "
                   "127.0.0.1:22067)")
      ->type_name("ADDR:PORT")
      ->allow_extra_args(false);
  serve->add_flag("--no-http", args->no_http,
                  "No HTTP gateway; this version has none");
  serve->callback([&in, args] {
    in.what = "serve";
    in.run = [&in, args] { return Serve(in, *args); };
  });
}

}  // namespace syncline::cli
