#include "log/append_log.h"

#include <optional>
#include <string>
#include <utility>

#include "base/status.h"
#include "log/log_core.h"
#include "log/log_rows.h"
#include "log/log_subscription.h"
#include "log/log_tables.h"

namespace syncline {
namespace {

class LogWaiter final : public AppendLog::Waiter {
 public:
  LogWaiter(const std::shared_ptr<LogCore>& core, std::uint64_t waiter)
      : core_(core), waiter_(waiter) {}
  ~LogWaiter() override {
    if (const auto core = core_.lock()) core->RemoveWaiter(waiter_);
  }

 private:
  const std::weak_ptr<LogCore> core_;
  const std::uint64_t waiter_;
};

absl::StatusOr<LogTables> OpenTables(Store& store, ProjectNumber project,
                                     RandomSource& random) {
  SYNCLINE_ASSIGN_OR_RETURN(std::optional<LogTables> tables,
                            LoadLogTables(store, project));
  if (tables) {
    // What is there may have been written without a sync.
    if (tables->head > Seq()) SYNCLINE_RETURN_IF_ERROR(store.Sync());
    return *std::move(tables);
  }
  WriteBatch batch;
  AppendLog::Create(project, random, batch);
  SYNCLINE_RETURN_IF_ERROR(store.Write(batch, true));
  absl::StatusOr<std::optional<LogTables>> made = LoadLogTables(store, project);
  if (!made.ok()) return made.status();
  return **std::move(made);
}

}  // namespace

struct AppendLog::Impl {
  std::shared_ptr<LogCore> core;
};

void AppendLog::Create(ProjectNumber project, RandomSource& random,
                       WriteBatch& batch) {
  batch.Put(Column::kProjects, HeadKey(project),
            EncodeHead({{random.Bytes(kLogIdBytes)}, {0}}));
}

absl::StatusOr<std::unique_ptr<AppendLog>> AppendLog::Open(
    CommitQueue& commits, ProjectNumber project, RandomSource& random,
    const Options& options) {
  absl::StatusOr<LogTables> tables =
      OpenTables(commits.store(), project, random);
  if (!tables.ok()) {
    return Annotate(tables.status(),
                    "log of project " + std::to_string(project.value));
  }
  auto impl = std::make_unique<Impl>();
  impl->core =
      std::make_shared<LogCore>(commits, project, options, *std::move(tables));
  return std::unique_ptr<AppendLog>(new AppendLog(std::move(impl)));
}

AppendLog::AppendLog(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

AppendLog::~AppendLog() { impl_->core->Close(); }

void AppendLog::Append(std::span<const Draft> drafts, const WriteBatch& rows,
                       Durability durability, AppendDone done) {
  impl_->core->Append(drafts, rows, durability, std::move(done));
}

void AppendLog::AppendJoin(const Draft& last, std::span<const ChainHead> theirs,
                           const WriteBatch& rows, AppendDone done) {
  impl_->core->AppendJoin(last, theirs, rows, std::move(done));
}

absl::Status AppendLog::TruncateThrough(Seq through) {
  return impl_->core->TruncateThrough(through);
}

std::unique_ptr<AppendLog::Reader> AppendLog::Read(
    const ReadOptions& options) const {
  return impl_->core->Read(options);
}

CursorState AppendLog::Check(const LogId& log, Seq since) const {
  if (log != id() || since > head()) return CursorState::kInvalid;
  return since < horizon() ? CursorState::kBehindHorizon : CursorState::kValid;
}

std::unique_ptr<Subscription> AppendLog::Subscribe(
    Seq since, Visibility visibility, std::function<void()> on_ready) {
  return std::make_unique<LogSubscription>(impl_->core, since, visibility,
                                           std::move(on_ready));
}

std::unique_ptr<AppendLog::Waiter> AppendLog::Wait(
    std::function<void()> on_durable) {
  return std::make_unique<LogWaiter>(
      impl_->core, impl_->core->AddWaiter(std::move(on_durable)));
}

absl::StatusOr<std::optional<Seq>> AppendLog::Find(const Dot& dot) const {
  return impl_->core->Find(dot);
}

Hash AppendLog::ChainOf(const Origin& origin) const {
  return impl_->core->ChainOf(origin);
}

absl::StatusOr<Hash> AppendLog::ChainAt(const Dot& dot) const {
  return impl_->core->ChainAt(dot);
}

const LogId& AppendLog::id() const { return impl_->core->id(); }
Seq AppendLog::head() const { return impl_->core->head(); }
Seq AppendLog::durable() const { return impl_->core->durable(); }
Seq AppendLog::horizon() const { return impl_->core->horizon(); }

const VersionVector& AppendLog::frontier() const {
  return impl_->core->frontier();
}

const VersionVector& AppendLog::durable_frontier() const {
  return impl_->core->durable_frontier();
}

const VersionVector& AppendLog::truncated() const {
  return impl_->core->truncated();
}

absl::Status AppendLog::health() const { return impl_->core->health(); }

}  // namespace syncline
