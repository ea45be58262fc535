#include "tests/sim/sim_node.h"

#include <utility>

#include "base/status.h"
#include "replication/peer/handshake.h"
#include "tests/sim/sim_user.h"

namespace syncline::testing {
namespace {

const ProjectId& TheProject() {
  static const ProjectId kProject{std::string(16, 'p')};
  return kProject;
}

}  // namespace

SimNode::SimNode(SimClock& clock, int number)
    : clock_(clock),
      number_(number),
      self_{*DeviceIdentity::FromSecret(
                Sha256("device", std::to_string(number)).view()),
            "node" + std::to_string(number),
            *Origin::FromBytes(
                Sha256("origin", std::to_string(number)).view().substr(0, 16)),
            {}},
      random_(clock.random().Next()),
      time_(clock),
      sync_(clock) {}

SimNode::~SimNode() {
  if (running()) Crash(std::nullopt);
}

std::string SimNode::Boot() {
  self_.instance_nonce = random_.Bytes(kNonceBytes);
  absl::StatusOr<std::unique_ptr<ChunkStore>> chunks =
      ChunkStore::Open(faulty_, directory_ / "chunks");
  if (!chunks.ok()) return chunks.status().ToString();
  chunks_ = *std::move(chunks);
  Replica::Identity identity{
      TheProject(), {1}, self_.origin, self_.identity.public_key()};
  Replica::Options options;
  options.strategy = strategy_;
  options.dirty_bytes_max = 4'000;  // Flushes often.
  absl::StatusOr<std::unique_ptr<Replica>> replica = Replica::Open(
      {faulty_, sync_, *chunks_, random_, time_, clock_.io().get_executor()},
      identity, options);
  if (!replica.ok()) {
    chunks_.reset();
    return replica.status().ToString();
  }
  replica_ = *std::move(replica);
  return {};
}

void SimNode::Crash(std::optional<std::size_t> keep) {
  sync_.Drop();
  replica_.reset();
  chunks_.reset();
  faulty_.Heal();
  if (keep) disk_.Crash(*keep);
}

void SimNode::SetStrategy(Strategy strategy) {
  strategy_ = strategy;
  if (running()) replica_->SetStrategy(strategy);
}

void SimNode::Edit(std::uint64_t seed) {
  SeededRandom random(seed);
  const Durability durability =
      random.Below(2) == 0 ? Durability::kBuffered : Durability::kDurable;
  if (random.Below(12) == 0) {
    const EventView event{"channel", "payload"};
    replica_->CommitEvents({&event, 1}, durability, {}).status().IgnoreError();
    return;
  }
  absl::StatusOr<std::vector<Effect>> effects =
      UserEffects(replica_->state(), *chunks_, random);
  // Refused: the user is told, nothing happens.
  if (effects.ok() && !effects->empty()) {
    Commit(*std::move(effects), durability);
  }
}

void SimNode::Commit(std::vector<Effect> effects, Durability durability) {
  auto dot = std::make_shared<Dot>();
  const absl::StatusOr<Replica::Committed> committed =
      replica_->Commit(std::move(effects), "user", durability,
                       [this, dot, durability](const absl::Status& status) {
                         if (status.ok() && durability == Durability::kDurable)
                           Remember(*dot);
                       });
  if (committed.ok()) *dot = committed->dot;
}

void SimNode::Remember(const Dot& dot) {
  const auto seq = replica_->log().Find(dot);
  if (!seq.ok() || !*seq) return;
  auto reader = replica_->log().Read(
      {.since = {(*seq)->value - 1}, .until = **seq, .reverse = false});
  if (reader->Valid()) {
    acknowledged_[dot] = Sha256(reader->record().entry);
  } else {
    acknowledged_[dot] = Hash();  // Not to be read: the oracle will tell.
  }
}

std::unique_ptr<PeerSession> SimNode::NewSession(
    SimNode& other, PeerCalls& peer, std::function<std::uint64_t()> received,
    std::function<void(absl::Status)> ended) {
  PeerSession::Environment environment{
      *this,
      peer,
      clock_.io().get_executor(),
      clock_.io().get_executor(),
      random_,
      time_,
      clock_.Timers(),
      std::move(received),
      [] { return std::vector<std::string>(); },
      [](const PeerRecord&) {},
      std::move(ended)};
  return std::make_unique<PeerSession>(
      environment,
      PeerIdentity{MakeHello(other.self(), random_, time_),
                   other.self().identity.id()},
      PeerSession::Options());
}

std::optional<std::vector<ProjectInfo>> SimNode::ProjectsFor(
    const DeviceId&) const {
  return std::vector<ProjectInfo>{{TheProject(), "p"}};
}

absl::StatusOr<std::string> SimNode::InvitationSecret(std::string_view) const {
  return NotFound("no invitations here");
}

}  // namespace syncline::testing
