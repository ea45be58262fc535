// Who a node is: the origin of its entries, and when it takes another.

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "base/status.h"
#include "node/log_keeper.h"
#include "node/node_core.h"
#include "replication/mirror/base_table.h"
#include "replication/rebuild.h"

namespace syncline {
namespace {

absl::Status MapMirrors(const Store& store, ProjectNumber project,
                        const std::vector<MirrorRow>& mirrors,
                        const Reissue& reissue, WriteBatch& rows) {
  for (const MirrorRow& row : mirrors) {
    SYNCLINE_RETURN_IF_ERROR(BaseTable::MapTokens(
        store, project, row.id,
        [&](const Token& token) { return reissue.Map(token); }, rows));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status NodeCore::CheckIdentity() {
  std::string doubt = witness_->doubt();
  for (const auto& [number, project] : projects_) {
    const Replica& replica = *project.replica;
    if (witness_->Published(self_->origin, replica.identity().project) >
        replica.state().frontier().CounterOf(self_->origin)) {
      doubt = "this store lacks entries that others have had from it";
    }
  }
  // What was written since the copy was made is not known here, or other
  // entries under the same names will be: so it must be another origin.
  if (!doubt.empty()) {
    SYNCLINE_RETURN_IF_ERROR(TakeOrigin(doubt));
    SYNCLINE_RETURN_IF_ERROR(TakeNewLogIds());
  }
  SYNCLINE_RETURN_IF_ERROR(witness_->Renew(random_));
  self_->instance_nonce = witness_->nonce();
  return absl::OkStatus();
}

// What comes next is not what cursors of the logs expect there.
absl::Status NodeCore::TakeNewLogIds() {
  projects_.clear();
  for (const auto& [number, row] : settings_->projects()) {
    if (damaged_.contains(number)) continue;
    SYNCLINE_RETURN_IF_ERROR(TakeNewLogId(*store_, number, random_));
    SYNCLINE_RETURN_IF_ERROR(OpenProject(row));
  }
  return absl::OkStatus();
}

// The file is written on a worker, one write at a time: what is left out
// meanwhile comes with the next call. It may lag behind what others hold.
void NodeCore::NotePublished(const ProjectId& project,
                             const VersionVector& frontier) {
  const Origin& origin = self_->origin;
  const std::uint64_t counter = frontier.CounterOf(origin);
  if (witnessing_ || closing_ ||
      counter <= witness_->Published(origin, project)) {
    return;
  }
  witnessing_ = true;
  OnPool<bool>(
      [this, origin, project, counter]() -> absl::StatusOr<bool> {
        SYNCLINE_RETURN_IF_ERROR(
            witness_->NotePublished(origin, project, counter));
        return true;
      },
      [weak = weak_from_this()](const absl::StatusOr<bool>&) {
        if (const auto self = weak.lock()) self->witnessing_ = false;
      });
}

// What this node wrote since is told from what others hold only project by
// project, and maybe not before it comes up again.
absl::Status NodeCore::DoubtOrigin() {
  for (const auto& [number, project] : projects_) {
    Replica& replica = *project.replica;
    if (replica.log().frontier().CounterOf(self_->origin) == 0) continue;
    SYNCLINE_RETURN_IF_ERROR(replica.Doubt(self_->origin));
  }
  return absl::OkStatus();
}

absl::Status NodeCore::TakeOrigin(const std::string& why) {
  SYNCLINE_RETURN_IF_ERROR(
      settings_->TakeOrigin(random_, {why, time_.NowMs()}));
  self_->origin = settings_->origin();
  self_->instance_nonce = random_.Bytes(kNonceBytes);
  for (auto& [number, project] : projects_) {
    project.replica->TakeOrigin(self_->origin);
  }
  if (peers_) peers_->StartOver("the node took another origin");
  return absl::OkStatus();
}

void NodeCore::GiveUp(const ProjectId& project, const Fork& fork) {
  const ProjectRow* row = settings_->FindProject(project);
  ProjectRuntime* runtime = row == nullptr ? nullptr : Find(row->number);
  if (closing_ || runtime == nullptr || runtime->verifying) return;
  const std::vector<SettledFork>& settled = runtime->replica->settled();
  if (std::any_of(settled.begin(), settled.end(), [&](const auto& done) {
        return done.fork.origin == fork.origin;
      })) {
    return;  // Asked before it was done.
  }
  // A state that is being installed is let in first: it decides whether the
  // log still says all.
  if (runtime->replica->installing()) {
    return runtime->replica->WhenReady(
        [weak = weak_from_this(), project, fork] {
          const auto self = weak.lock();
          if (!self) return;
          self->Later([weak, project, fork] {
            if (const auto core = weak.lock()) core->GiveUp(project, fork);
          });
        });
  }
  // Then people must decide; it stays fenced, and is found again in every
  // session.
  Replica& replica = *runtime->replica;
  const AppendLog& log = replica.log();
  const bool stuck = !CanRebuild(log, fork);
  // What is issued anew needs an origin that has not been used here.
  const bool used = fork.origin == self_->origin ||
                    log.frontier().CounterOf(self_->origin) > 0;
  if (stuck && fork.origin != self_->origin) {
    // Unless they have: then it holds what it was given, and the others know
    // by this device's word who of them is to give way.
    if (replica.IsOwn(fork.origin) && !replica.FoundForked(fork.origin) &&
        replica.SettleAsIs(fork).ok()) {
      peers_->StartOver("the node has settled a fork");
    }
    return;
  }
  absl::Status taken;
  if (fork.origin == self_->origin) taken = DoubtOrigin();
  if (taken.ok() && used) {
    taken = TakeOrigin(
        "project '" + row->name +
        "': this node's store was set back, or a copy of it was in use, and "
        "others hold other entries of it; what only this node had " +
        (stuck ? "stays here alone, as logs were truncated (" +
                     std::string(kStuckAdvice) + ")"
               : "is kept, under a new origin"));
  }
  // If it failed so does the store, which stops all projects.
  if (taken.ok() && !stuck) Remake(*runtime, fork);
}

// Not more often than a copy can be the reason: a peer must not make this node
// fill everybody's frontier with origins.
void NodeCore::CopyFound() {
  constexpr std::int64_t kPauseMs = 600'000;
  const std::int64_t now = time_.SteadyMs();
  if (closing_ || (copy_found_ms_ && now - *copy_found_ms_ < kPauseMs)) return;
  copy_found_ms_ = now;
  // If it fails so does the store, which stops all projects.
  if (!DoubtOrigin().ok()) return;
  TakeOrigin(
      "a copy of this home was met by another device (end it, or give it a "
      "device key of its own)")
      .IgnoreError();
}

// As when a project is removed: who uses it lets go of it, then it is drained.
void NodeCore::Remake(ProjectRuntime& project, const Fork& fork) {
  const ProjectNumber number = project.number;
  reads_.Close(number);
  project.mirrors.clear();
  keeper_->Forget(number);
  Replica& draining = *(remade_[number] = std::move(project.replica));
  projects_.erase(number);
  damaged_[number] = absl::UnavailableError(
      "it is being made anew without entries that other devices contradict "
      "(try again later)");
  peers_->ProjectsChanged();
  draining.Flush([weak = weak_from_this(), number, fork](const absl::Status&) {
    const auto self = weak.lock();
    if (!self) return;
    self->remade_.at(number)->log().Append(
        {}, {}, Durability::kDurable,
        [weak, number, fork](const absl::StatusOr<AppendLog::Appended>&) {
          const auto core = weak.lock();
          if (!core) return;
          // Not within the replica's own call.
          core->Later([weak, number, fork] {
            if (const auto last = weak.lock()) {
              last->RebuildClosed(number, fork);
            }
          });
        });
  });
}

void NodeCore::RebuildClosed(ProjectNumber number, const Fork& fork) {
  remade_.at(number).reset();
  const auto found = settings_->projects().find(number);
  if (closing_ || found == settings_->projects().end()) {
    return Reopen(number, absl::CancelledError("the node is closing"));
  }
  std::vector<MirrorRow> mirrors;
  for (const auto& [id, row] : settings_->mirrors()) {
    if (row.project == number) mirrors.push_back(row);
  }
  const Replica::Identity identity{found->second.id, number,
                                   settings_->origin(),
                                   self_->identity.public_key(), device_};
  OnPool<bool>(
      [this, identity, fork, mirrors]() -> absl::StatusOr<bool> {
        Replica::Environment environment{*store_, *commits_, *chunks_, random_,
                                         time_};
        SYNCLINE_RETURN_IF_ERROR(
            Rebuild(environment, identity, fork,
                    [&](const Reissue& reissue, WriteBatch& rows) {
                      return MapMirrors(*store_, identity.number, mirrors,
                                        reissue, rows);
                    })
                .status());
        return true;
      },
      [weak = weak_from_this(), number](const absl::StatusOr<bool>& rebuilt) {
        const auto self = weak.lock();
        if (self) self->Reopen(number, rebuilt.status());
      });
}

void NodeCore::Reopen(ProjectNumber number, absl::Status status) {
  remade_.erase(number);
  if (close_waits_ && remade_.empty()) {
    return Later([self = shared_from_this()] { self->CloseStore(); });
  }
  if (closing_) return;
  const auto row = settings_->projects().find(number);
  if (row == settings_->projects().end()) return;
  if (status.ok()) status = OpenProject(row->second);
  if (!status.ok()) {
    damaged_[number] = status;
    return;
  }
  damaged_.erase(number);
  if (options_.run_mirrors) StartMirrors(projects_.at(number));
  peers_->ProjectsChanged();
}

}  // namespace syncline
