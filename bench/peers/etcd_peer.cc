// etcd over gRPC: an entry is a key below the log's prefix, a subscriber a
// watch of that prefix.

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "bench/peers/backend.h"
#include "bench/peers/server_process.h"
#include "etcd.grpc.pb.h"

namespace syncline::testing {
namespace {

using etcdserverpb::KV;
using etcdserverpb::PutRequest;
using etcdserverpb::PutResponse;
using etcdserverpb::TxnRequest;
using etcdserverpb::TxnResponse;
using etcdserverpb::Watch;
using etcdserverpb::WatchRequest;
using etcdserverpb::WatchResponse;

constexpr std::size_t kConnectionsMax = 16;  // Of subscribers.
constexpr std::size_t kTransactionPuts = 100;
constexpr std::size_t kTransactionsInFlight = 16;

void Check(const grpc::Status& status, const char* what) {
  if (!status.ok()) PeerFailed(what, status.error_message());
}

// A connection of its own: channels share one otherwise.
std::shared_ptr<grpc::Channel> ConnectTo(int port) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(-1);
  return grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(port),
                                   grpc::InsecureChannelCredentials(),
                                   arguments);
}

std::string LogPrefix(std::size_t log) {
  return "log/" + std::to_string(log) + "/";
}

class EtcdClient final : public PeerClient {
 public:
  EtcdClient(int port, std::atomic<std::uint64_t>& seq)
      : stub_(KV::NewStub(ConnectTo(port))), seq_(seq) {}

  void Append(const PeerEntry& entry) override {
    PutRequest request;
    Fill(request, entry);
    PutResponse response;
    grpc::ClientContext context;
    Check(stub_->Put(&context, request, &response), "etcd put");
  }

  void AppendMany(std::size_t count, const NextEntry& next) override {
    grpc::CompletionQueue queue;
    std::size_t sent = 0;
    std::size_t in_flight = 0;
    while (sent < count || in_flight > 0) {
      while (sent < count && in_flight < kTransactionsInFlight) {
        const std::size_t end = std::min(count, sent + kTransactionPuts);
        Begin(queue, sent, end, next);
        sent = end;
        ++in_flight;
      }
      void* tag = nullptr;
      bool ok = false;
      queue.Next(&tag, &ok);
      const std::unique_ptr<Call> call(static_cast<Call*>(tag));
      Check(call->status, "etcd txn");
      --in_flight;
    }
  }

  void Replay(std::size_t) override { PeerFailed("etcd", "no replay"); }

 private:
  struct Call {
    grpc::ClientContext context;
    TxnResponse response;
    grpc::Status status;
    std::unique_ptr<grpc::ClientAsyncResponseReader<TxnResponse>> reader;
  };

  void Fill(PutRequest& request, const PeerEntry& entry) {
    char seq[24];
    std::snprintf(seq, sizeof seq, "%016llx",
                  static_cast<unsigned long long>(++seq_));
    request.set_key(LogPrefix(entry.log) + seq);
    request.set_value(entry.payload.data(), entry.payload.size());
  }

  void Begin(grpc::CompletionQueue& queue, std::size_t from, std::size_t to,
             const NextEntry& next) {
    TxnRequest request;
    for (std::size_t i = from; i < to; ++i) {
      Fill(*request.add_success()->mutable_request_put(), next(i));
    }
    auto call = std::make_unique<Call>();
    call->reader = stub_->AsyncTxn(&call->context, request, &queue);
    Call* tag = call.release();
    tag->reader->Finish(&tag->response, &tag->status, tag);
  }

  const std::unique_ptr<KV::Stub> stub_;
  std::atomic<std::uint64_t>& seq_;
};

// Some watches on one stream, read by a thread.
class Watcher {
 public:
  Watcher(int port, std::size_t watches, const Deliver& deliver,
          std::atomic<std::size_t>& ready)
      : stub_(Watch::NewStub(ConnectTo(port))),
        stream_(stub_->Watch(&context_)) {
    for (std::size_t i = 0; i < watches; ++i) {
      WatchRequest request;
      auto& create = *request.mutable_create_request();
      create.set_key(LogPrefix(0));
      std::string end = LogPrefix(0);
      ++end.back();
      create.set_range_end(end);
      stream_->Write(request);
    }
    thread_ = std::thread([this, &deliver, &ready] {
      WatchResponse response;
      while (stream_->Read(&response)) {
        if (response.created()) ++ready;
        if (response.canceled()) PeerFailed("etcd watch", "cancelled");
        const int events = response.events_size();
        if (events == 0) continue;
        deliver(static_cast<std::size_t>(events),
                response.events(events - 1).kv().value());
      }
    });
  }
  ~Watcher() {
    context_.TryCancel();
    thread_.join();
    stream_->Finish();
  }
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

 private:
  grpc::ClientContext context_;
  const std::unique_ptr<Watch::Stub> stub_;
  const std::unique_ptr<grpc::ClientReaderWriter<WatchRequest, WatchResponse>>
      stream_;
  std::thread thread_;
};

class EtcdServer final : public PeerServer {
 public:
  explicit EtcdServer(const PeerSetup& setup) : process_(Begin(setup)) {}

  std::unique_ptr<PeerClient> Connect(bool) override {
    return std::make_unique<EtcdClient>(process_->port(), seq_);
  }

  void RunSubscribers(std::size_t count, const Deliver& deliver,
                      const std::atomic<bool>& stop,
                      std::atomic<std::size_t>& ready) override {
    const std::size_t connections = std::min(count, kConnectionsMax);
    std::vector<std::unique_ptr<Watcher>> watchers;
    for (std::size_t i = 0; i < connections; ++i) {
      const std::size_t watches =
          count / connections + (i < count % connections ? 1 : 0);
      watchers.push_back(
          std::make_unique<Watcher>(process_->port(), watches, deliver, ready));
    }
    while (!stop) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }

  [[nodiscard]] int pid() const override { return process_->pid(); }

 private:
  static std::unique_ptr<ServerProcess> Begin(const PeerSetup& setup) {
    const int port = FreePort();
    const std::string client = "http://127.0.0.1:" + std::to_string(port);
    const std::string peer = "http://127.0.0.1:" + std::to_string(FreePort());
    std::vector<std::string> command = {
        "etcd",
        "--data-dir=" + (setup.dir / "data").string(),
        "--listen-client-urls=" + client,
        "--advertise-client-urls=" + client,
        "--listen-peer-urls=" + peer,
        "--initial-advertise-peer-urls=" + peer,
        "--initial-cluster=default=" + peer,
        "--quota-backend-bytes=8000000000",
        "--log-level=error"};
    if (!setup.durable) command.emplace_back("--unsafe-no-fsync");
    return std::make_unique<ServerProcess>(command, port,
                                           setup.dir / "server.log");
  }

  std::atomic<std::uint64_t> seq_ = 0;
  std::unique_ptr<ServerProcess> process_;
};

}  // namespace

std::unique_ptr<PeerServer> StartEtcd(const PeerSetup& setup) {
  return std::make_unique<EtcdServer>(setup);
}

}  // namespace syncline::testing
