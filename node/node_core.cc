#include "node/node_core.h"

#include <chrono>
#include <utility>

#include "base/status.h"
#include "kv/rocks_store.h"
#include "node/log_keeper.h"

namespace syncline {
namespace {

constexpr std::size_t kWorkers = 2;
// Twice what a sync of a fast disk takes: clients on a socket need about as
// long as that to be back.
constexpr std::chrono::microseconds kLinger{400};
constexpr std::chrono::microseconds kLingerRest{100};

}  // namespace

NodeCore::NodeCore(boost::asio::io_context& io, NodeOptions options)
    : io_(io), options_(std::move(options)), opened_at_ms_(time_.SteadyMs()) {}

NodeCore::~NodeCore() {
  stop_work_ = true;
  reads_.Close(std::nullopt);
  for (auto& [number, project] : projects_) project.mirrors.clear();
  peers_.reset();
  // What was acknowledged is on the disk; views are made again from the log.
  if (pool_) {
    pool_->stop();
    pool_->join();
  }
}

absl::StatusOr<std::shared_ptr<NodeCore>> NodeCore::Open(
    boost::asio::io_context& io, const NodeOptions& options) {
  std::shared_ptr<NodeCore> core(new NodeCore(io, options));
  const absl::Status opened = core->OpenAll();
  if (!opened.ok()) return opened;
  return core;
}

absl::Status NodeCore::OpenAll() {
  SYNCLINE_ASSIGN_OR_RETURN(lock_,
                            HomeLock::Take(options_.home, options_.create));
  SYNCLINE_ASSIGN_OR_RETURN(DeviceIdentity identity,
                            OpenIdentity(options_.home));
  SYNCLINE_ASSIGN_OR_RETURN(store_, RocksStore::Open(options_.home / "store"));
  SYNCLINE_ASSIGN_OR_RETURN(witness_, Witness::Open(options_.home, *store_));
  SYNCLINE_ASSIGN_OR_RETURN(
      chunks_, ChunkStore::Open(*store_, options_.home / "chunks"));
  sync_thread_ = std::make_unique<SyncThread>();
  commits_ = std::make_unique<CommitQueue>(
      *store_, *sync_thread_, io_.get_executor(),
      CommitQueue::Options{.linger = kLinger, .linger_rest = kLingerRest});
  pool_ = std::make_unique<boost::asio::thread_pool>(kWorkers);
  SYNCLINE_ASSIGN_OR_RETURN(
      settings_,
      Settings::Open(*store_, *sync_thread_, io_.get_executor(), random_,
                     options_.name.empty() ? MachineName() : options_.name));
  PeerHost::Self self = {
      std::move(identity), settings_->name(), settings_->origin(), {}};
  self_ = std::move(self);
  device_ = std::make_shared<const DeviceIdentity>(self_->identity);
  SYNCLINE_RETURN_IF_ERROR(settings_->AddNodeScope(NewLog()));
  for (const auto& [number, row] : settings_->projects()) {
    const absl::Status opened = OpenProject(row);
    if (absl::IsDataLoss(opened)) {
      damaged_.emplace(number, opened);
    } else if (!opened.ok()) {
      return opened;
    }
  }
  SYNCLINE_RETURN_IF_ERROR(CheckIdentity());
  loop_ =
      std::make_unique<KjLoop>(io_.get_executor(), [](const absl::Status&) {});
  peers_ = std::make_unique<PeerManager>(
      PeerManager::Environment{*this, *loop_, pool_->get_executor(), random_,
                               time_},
      PeerManager::Options());
  keeper_ = std::make_unique<LogKeeper>(*this);
  keeper_->Start();
  if (!options_.run_mirrors) return absl::OkStatus();
  for (auto& [number, project] : projects_) StartMirrors(project);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> NodeCore::Serve(
    const std::vector<std::string>& listen) {
  std::vector<std::string> bound;
  for (const std::string& address : listen) {
    SYNCLINE_ASSIGN_OR_RETURN(std::string endpoint, peers_->Listen(address));
    bound.push_back(endpoint);
    listening_.push_back(std::move(endpoint));
  }
  serving_ = true;
  keeper_->Serve();
  for (const auto& [id, row] : settings_->peers()) {
    peers_->AddPeer(RecordOf(row));
  }
  return bound;
}

void NodeCore::Trace(std::string_view step) const {
  if (options_.on_close_step) options_.on_close_step(step);
}

// The order: nothing new comes in; what others hold of us is given back; the
// folders stop; then what is in memory goes to the disk, and the disk is let
// go of. Each step in a turn of its own.
void NodeCore::Close(StatusCallback done) {
  closing_ = true;
  stop_work_ = true;
  serving_ = false;
  closed_ = std::move(done);
  Trace("accepting");
  reads_.Close(std::nullopt);
  keeper_->Stop();
  peers_->Close([self = shared_from_this()] {
    self->Later([self] {
      self->Trace("sessions");
      for (auto& [number, project] : self->projects_) project.mirrors.clear();
      self->Trace("mirrors");
      self->FlushViews();
    });
  });
}

void NodeCore::FlushViews() {
  closing_left_ = projects_.size() + 1;
  const auto one_done = [self =
                             shared_from_this()](const absl::Status& status) {
    self->close_error_.Update(status);
    if (--self->closing_left_ > 0) return;
    self->Later([self] {
      self->Trace("views");
      self->DrainCommits();
    });
  };
  for (auto& [number, project] : projects_) project.replica->Flush(one_done);
  one_done(absl::OkStatus());
}

void NodeCore::DrainCommits() {
  closing_left_ = projects_.size() + 1;
  const auto one_done = [self =
                             shared_from_this()](const absl::Status& status) {
    self->close_error_.Update(status);
    if (--self->closing_left_ > 0) return;
    self->Later([self] {
      self->Trace("commits");
      self->CloseStore();
    });
  };
  for (auto& [number, project] : projects_) {
    project.replica->log().Append(
        {}, {}, Durability::kDurable,
        [one_done](const absl::StatusOr<AppendLog::Appended>& appended) {
          one_done(appended.status());
        });
  }
  one_done(absl::OkStatus());
}

void NodeCore::CloseStore() {
  close_waits_ = !remade_.empty();
  if (close_waits_) return;
  peers_.reset();
  pool_->join();
  projects_.clear();
  settings_.reset();
  commits_.reset();
  sync_thread_.reset();
  pool_.reset();
  chunks_.reset();
  store_.reset();
  lock_.reset();
  Trace("store");
  // Behind what the workers have left to say, so that all calls are answered.
  Later([closed = std::exchange(closed_, nullptr), error = close_error_] {
    if (closed) closed(error);
  });
}

}  // namespace syncline
