#include "replication/peer/peer_session.h"

#include <boost/asio/post.hpp>
#include <utility>

#include "base/status.h"

namespace syncline {
namespace {

Stop NotShared() { return {Stop::Reason::kNotShared, ""}; }

}  // namespace

PeerSession::PeerSession(const Environment& environment, PeerIdentity peer,
                         const Options& options)
    : env_(environment),
      peer_(std::move(peer)),
      options_(options),
      ping_(environment.make_timer()) {}

PeerSession::~PeerSession() { RememberFrontiers(); }

void PeerSession::Start() {
  started_ = true;
  heard_at_ms_ = env_.time.SteadyMs();
  if (record_) env_.remember(*record_);
  ProjectsChanged();
  SchedulePing();
}

void PeerSession::ProjectsChanged() {
  if (!started_) return;
  const std::optional<std::vector<ProjectInfo>> projects =
      env_.host.ProjectsFor(peer_.id);
  ours_.clear();
  for (const ProjectInfo& project :
       projects.value_or(std::vector<ProjectInfo>()))
    if (env_.host.FindReplica(project.id) != nullptr)
      ours_[project.id] = project.name;
  if (!projects) {
    Reconcile();
    return End(MakeStatus(absl::StatusCode::kPermissionDenied,
                          "the device is no longer authorised"));
  }
  // First: the peer must know of a project before it is asked about it.
  SendAnnouncement();
  Reconcile();
}

std::vector<ProjectLink::Status> PeerSession::projects() const {
  std::vector<ProjectLink::Status> all;
  all.reserve(links_.size());
  for (const auto& [project, link] : links_) all.push_back(link->status());
  return all;
}

ProjectLink* PeerSession::Find(const ProjectId& project) {
  const auto at = links_.find(project);
  return at == links_.end() ? nullptr : at->second.get();
}

void PeerSession::Reconcile() {
  std::erase_if(links_, [this](const auto& link) {
    return !ours_.contains(link.first) || !theirs_.contains(link.first);
  });
  for (const auto& [project, name] : ours_) {
    if (!theirs_.contains(project)) continue;
    std::unique_ptr<ProjectLink>& link = links_[project];
    if (!link) {
      ProjectLink::Environment environment{
          env_.peer,
          env_.loop,
          env_.worker,
          env_.random,
          env_.time,
          env_.make_timer,
          {peer_.hello.origin, peer_.hello.device_key},
          peer_.id.ToText(),
          (peer_.hello.features & kFeatureLacking) != 0,
          options_.backoff,
          alive_.Guard([this](absl::Status why) { End(std::move(why)); }),
          [this, id = project](const Fork& fork) {
            env_.host.GiveUp(id, fork);
          }};
      link = std::make_unique<ProjectLink>(*env_.host.FindReplica(project),
                                           environment);
    }
    link->Start();
  }
}

void PeerSession::SendAnnouncement() {
  Announcement announcement;
  for (const auto& [id, name] : ours_)
    announcement.projects.push_back({id, name});
  announcement.addresses = env_.addresses();
  env_.peer.Announce(std::move(announcement), [](const absl::Status&) {});
}

void PeerSession::RememberFrontiers() const {
  for (const auto& [project, link] : links_) {
    if (const VersionVector* theirs = link->theirs(); theirs != nullptr)
      env_.host.RememberFrontier(peer_.id, project, *theirs);
  }
}

void PeerSession::SchedulePing() {
  ping_->Start(options_.ping_ms, [this] { OnPingTime(); });
}

void PeerSession::OnPingTime() {
  RememberFrontiers();
  const std::int64_t now_ms = env_.time.SteadyMs();
  if (const std::uint64_t heard = env_.received_bytes();
      heard != heard_bytes_) {
    heard_bytes_ = heard;
    heard_at_ms_ = now_ms;
  }
  if (now_ms - heard_at_ms_ >= options_.dead_ms)
    return End(
        MakeStatus(absl::StatusCode::kDeadlineExceeded, "the peer is silent"));
  if (!ping_under_way_) {
    ping_under_way_ = true;
    env_.peer.Ping(alive_.Guard([this, now_ms](const absl::Status& status) {
      ping_under_way_ = false;
      if (status.ok()) rtt_ms_ = env_.time.SteadyMs() - now_ms;
    }));
  }
  SchedulePing();
}

void PeerSession::End(absl::Status why) {
  if (ended_) return;
  ended_ = true;
  ping_->Cancel();
  boost::asio::post(
      env_.loop,
      alive_.Guard([hook = env_.ended, why = std::move(why)] { hook(why); }));
}

void PeerSession::Announce(Announcement announcement, Called done) {
  theirs_.clear();
  for (const ProjectInfo& project : announcement.projects)
    theirs_.insert(project.id);
  record_ =
      PeerRecord{peer_.hello.device_key, peer_.id, peer_.hello.device_name,
                 std::move(announcement.addresses)};
  if (started_) env_.remember(*record_);
  done(absl::OkStatus());
  Reconcile();
}

void PeerSession::Compare(const ProjectId& project, Position position,
                          Done<CompareAnswer> done) {
  ProjectLink* link = Find(project);
  if (link == nullptr) return done(CompareAnswer(NotShared()));
  link->OnCompare(position, std::move(done));
}

void PeerSession::History(const ProjectId& project, const Origin& origin,
                          std::vector<std::uint64_t> counters,
                          Done<HistoryAnswer> done) {
  ProjectLink* link = Find(project);
  if (link == nullptr) return done(HistoryAnswer(NotShared()));
  link->OnHistory(origin, counters, std::move(done));
}

void PeerSession::Pull(PullRequest request, Done<PullAnswer> done) {
  ProjectLink* link = Find(request.project);
  if (link == nullptr) return done(PullAnswer(NotShared()));
  link->OnPull(request, std::move(done));
}

void PeerSession::Push(Segment segment, Done<PushAnswer> done) {
  ProjectLink* link = Find(segment.project);
  if (link == nullptr) return done(PushAnswer(NotShared()));
  link->OnPush(std::move(segment), std::move(done));
}

void PeerSession::PushState(StatePush piece, Done<PushAnswer> done) {
  ProjectLink* link = Find(piece.project);
  if (link == nullptr) return done(PushAnswer(NotShared()));
  link->OnPushState(piece, std::move(done));
}

void PeerSession::Ended(const ProjectId& project, std::uint32_t stream,
                        Stop stop, Called done) {
  done(absl::OkStatus());
  if (ProjectLink* link = Find(project)) link->OnEnded(stream, stop);
}

void PeerSession::Chunks(const ProjectId& project, std::vector<Hash> hashes,
                         Done<ChunksAnswer> done) {
  ProjectLink* link = Find(project);
  if (link == nullptr) return done(ChunksAnswer(NotShared()));
  link->OnChunks(hashes, std::move(done));
}

void PeerSession::MoreContent(const ProjectId& project, Called done) {
  done(absl::OkStatus());
  if (ProjectLink* link = Find(project)) link->OnMoreContent();
}

void PeerSession::Lacking(const ProjectId& project, std::uint64_t pieces,
                          Called done) {
  done(absl::OkStatus());
  if (ProjectLink* link = Find(project)) link->OnLacking(pieces);
}

void PeerSession::Copied(const Origin& origin, Called done) {
  done(absl::OkStatus());
  // Otherwise it speaks of what was before.
  if (origin != env_.host.self().origin) return;
  boost::asio::post(env_.loop, alive_.Guard([this] { env_.host.CopyFound(); }));
}

void PeerSession::TellCopied() {
  env_.peer.Copied(peer_.hello.origin, [](const absl::Status&) {});
}

void PeerSession::Ping(Called done) { done(absl::OkStatus()); }

void PeerSession::Goodbye(std::string reason, Called done) {
  done(absl::OkStatus());
  End(MakeStatus(absl::StatusCode::kUnavailable,
                 reason.empty() ? "the peer said goodbye"
                                : "the peer said goodbye: " + reason));
}

}  // namespace syncline
