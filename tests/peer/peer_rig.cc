#include "tests/peer/peer_rig.h"

#include <boost/asio/post.hpp>
#include <catch2/catch.hpp>
#include <chrono>

#include "base/status.h"
#include "log/append_log.h"
#include "replication/rebuild.h"

namespace syncline::testing {
namespace {

using namespace std::chrono_literals;

constexpr int kPatienceTurns = 3000;  // Of at most 10 ms.

PeerHost::Self MakeSelf(std::string_view name) {
  // The device key follows from the name, and so do ids and their order.
  return {*DeviceIdentity::FromSecret(Sha256("key", name).view()),
          std::string(name),
          *Origin::FromBytes(Sha256(name).view().substr(0, 16)),
          SystemRandom().Bytes(kNonceBytes)};
}

}  // namespace

PeerWorld::PeerWorld()
    : loop(std::make_unique<KjLoop>(io.get_executor(),
                                    [](const absl::Status&) {})) {}

PeerWorld::~PeerWorld() {
  // What is posted to the loop belongs to nodes that are gone.
  worker.join();
  loop.reset();
}

void PeerWorld::RunUntil(const std::function<bool()>& done) {
  const auto work = boost::asio::make_work_guard(io);
  io.restart();
  for (int turn = 0; turn < kPatienceTurns; ++turn) {
    if (done()) return;
    io.run_one_for(10ms);
    io.poll();
  }
  FAIL("it did not happen");
}

void PeerWorld::RunAWhile() {
  const auto work = boost::asio::make_work_guard(io);
  io.restart();
  for (int turn = 0; turn < 20; ++turn) {
    io.run_one_for(5ms);
    io.poll();
  }
}

PeerManager::Options PeerNode::FastOptions() {
  PeerManager::Options options;
  options.backoff = {5, 40};
  options.connection.session.backoff = {5, 40};
  options.copy_turn_ms = 100;
  return options;
}

PeerNode::PeerNode(PeerWorld& world, std::string_view name,
                   PeerManager::Options options)
    : self_(MakeSelf(name)),
      world_(world),
      options_(options),
      rig_(world.io, store_, name) {
  open[TheProject()] = &*rig_;
  Restart();
}

PeerNode::~PeerNode() {
  manager_.reset();
  world_.worker.wait();
}

void PeerNode::Restart() {
  manager_.reset();
  self_.instance_nonce = random_.Bytes(kNonceBytes);
  manager_ = std::make_unique<PeerManager>(
      PeerManager::Environment{*this, *world_.loop,
                               world_.worker.get_executor(), random_, time_},
      options_);
  for (const auto& [id, record] : remembered) manager_->AddPeer(record);
}

PeerRecord PeerNode::Record() const {
  PeerRecord record{self_.identity.public_key(), id(), self_.name, {}};
  if (!address_.empty()) record.addresses.push_back(address_);
  return record;
}

void PeerNode::Trust(PeerNode& other) {
  authorised[other.id()].insert(TheProject());
  remembered[other.id()] = other.Record();
  manager_->AddPeer(other.Record());
}

std::string PeerNode::Listen() {
  const absl::StatusOr<std::string> endpoint =
      manager_->Listen(address_.empty() ? "127.0.0.1:0" : address_);
  INFO(endpoint.status().ToString());
  REQUIRE(endpoint.ok());
  address_ = *endpoint;
  return address_;
}

Invitation PeerNode::Invite() {
  Invitation invitation;
  invitation.device = id();
  invitation.device_name = self_.name;
  invitation.addresses = {address_};
  invitation.projects = {{TheProject(), "the project"}};
  invitation.secret = NewInvitationSecret(random_);
  invitations[InvitationIdOf(invitation.secret)] = {invitation.secret};
  return invitation;
}

bool PeerNode::InSyncWith(PeerNode& other) {
  return rig_->log().durable_frontier() ==
             other.rig()->log().durable_frontier() &&
         rig_->state().frontier() == other.rig()->state().frontier() &&
         rig_->wants().size() == 0 && other.rig()->wants().size() == 0;
}

PeerStatus PeerNode::StatusOf(PeerNode& other) {
  for (const PeerStatus& status : manager_->Status())
    if (status.id == other.id()) return status;
  FAIL("no such peer");
  return {};
}

ProjectLink::Status PeerNode::LinkTo(PeerNode& other) {
  const PeerStatus status = StatusOf(other);
  if (status.projects.empty()) return {};
  return status.projects.front();
}

std::optional<std::vector<ProjectInfo>> PeerNode::ProjectsFor(
    const DeviceId& device) const {
  const auto at = authorised.find(device);
  if (at == authorised.end()) return std::nullopt;
  std::vector<ProjectInfo> projects;
  for (const ProjectId& id : at->second) projects.push_back({id, "a project"});
  return projects;
}

Replica* PeerNode::FindReplica(const ProjectId& project) {
  const auto at = open.find(project);
  return at == open.end() ? nullptr : at->second;
}

absl::StatusOr<std::string> PeerNode::InvitationSecret(
    std::string_view invitation_id) const {
  const auto at = invitations.find(std::string(invitation_id));
  if (at == invitations.end()) return NotFound("no such invitation");
  if (at->second.used) return FailedPrecondition("used");
  if (at->second.expired)
    return MakeStatus(absl::StatusCode::kDeadlineExceeded, "expired");
  return at->second.secret;
}

void PeerNode::RedeemInvitation(
    std::string_view invitation_id, const PeerRecord& joiner,
    std::function<void(absl::StatusOr<std::vector<ProjectInfo>>)> done) {
  Invited& invited = invitations[std::string(invitation_id)];
  if (invited.used) return done(FailedPrecondition("used"));
  invited.used = true;
  authorised[joiner.id].insert(TheProject());
  remembered[joiner.id] = joiner;
  boost::asio::post(world_.io, [done = std::move(done)] {
    done(std::vector<ProjectInfo>{{TheProject(), "the project"}});
  });
}

void PeerNode::AcceptProjects(const PeerRecord& inviter,
                              const std::vector<ProjectInfo>& projects,
                              std::function<void(absl::Status)> done) {
  boost::asio::post(world_.io,
                    [this, inviter, projects, done = std::move(done)] {
                      accepted = projects;
                      remembered[inviter.id] = inviter;
                      for (const ProjectInfo& project : projects)
                        authorised[inviter.id].insert(project.id);
                      done(absl::OkStatus());
                    });
}

void PeerNode::RememberPeer(const PeerRecord& peer) {
  remembered[peer.id] = peer;
}

void PeerNode::RememberFrontier(const DeviceId& device,
                                const ProjectId& project,
                                const VersionVector& frontier) {
  if (project == TheProject()) frontiers[device] = frontier;
}

void PeerNode::GiveUp(const ProjectId&, const Fork& fork) {
  forks.push_back(fork);
  if (!gives_up || manager_ == nullptr || fork.counter == Fork::kUnknown)
    return;
  open.clear();
  manager_->ProjectsChanged();
  // Not within a call of the manager.
  boost::asio::post(world_.io, [this, fork] {
    manager_.reset();
    self_.origin = Origin::Random(random_);
    Replica::Identity identity = rig_->identity();
    identity.self = self_.origin;
    rig_.Reopen(self_.origin, [&](const Replica::Environment& environment) {
      const auto rebuilt = Rebuild(environment, identity, fork, {});
      INFO(rebuilt.status().ToString());
      REQUIRE(rebuilt.ok());
    });
    open[TheProject()] = &*rig_;
    Restart();
    if (!address_.empty()) Listen();
  });
}

void PeerNode::CopyFound() {
  ++copies_found;
  self_.origin = Origin::Random(random_);
  self_.instance_nonce = random_.Bytes(kNonceBytes);
  rig_->TakeOrigin(self_.origin);
  manager_->StartOver("another origin");
}

void RequireEqual(PeerNode& left, PeerNode& right) {
  REQUIRE(left.rig()->log().durable_frontier() ==
          right.rig()->log().durable_frontier());
  REQUIRE(left.rig()->state().Digest() == right.rig()->state().Digest());
  REQUIRE(left.rig()->wants().size() == 0);
  REQUIRE(right.rig()->wants().size() == 0);
  REQUIRE(left.rig().Names("") == right.rig().Names(""));
  for (const std::string& name : left.rig().Names(""))
    REQUIRE(left.rig().Show(name) == right.rig().Show(name));
}

}  // namespace syncline::testing
