#include "tests/sim/sim_node.h"

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "kv/file_content.h"
#include "replication/peer/handshake.h"
#include "replication/rebuild.h"
#include "replication/state/edits.h"
#include "tests/state/naive_view.h"

namespace syncline::testing {
namespace {

const ProjectId& TheProject() {
  static const ProjectId kProject{std::string(16, 'p')};
  return kProject;
}

bool HasEntry(const SimNode::Entries& entries,
              const std::pair<const Dot, Hash>& entry) {
  const auto at = entries.find(entry.first);
  return at != entries.end() && Sha256(at->second) == entry.second;
}

}  // namespace

SimNode::SimNode(SimClock& clock, SimArchive& archive, int number)
    : clock_(clock),
      archive_(archive),
      number_(number),
      self_{*DeviceIdentity::FromSecret(
                Sha256("device", std::to_string(number)).view()),
            "node" + std::to_string(number),
            *Origin::FromBytes(
                Sha256("origin", std::to_string(number)).view().substr(0, 16)),
            {}},
      random_(clock.random().Next()),
      time_(clock),
      damage_(*this, static_cast<std::uint64_t>(number)),
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
  CommitQueue::Options queue_options;
  queue_options.away_bytes = 1024;  // There is little data: both ways are gone.
  commits_ = std::make_unique<CommitQueue>(
      faulty_, sync_, clock_.io().get_executor(), queue_options);
  if (const absl::Status rebuilt = RebuildFirst(); !rebuilt.ok()) {
    commits_.reset();
    chunks_.reset();
    return rebuilt.ToString();
  }
  Replica::Identity identity{
      TheProject(),
      {1},
      self_.origin,
      self_.identity.public_key(),
      std::make_shared<const DeviceIdentity>(self_.identity)};
  Replica::Options options;
  options.strategy = strategy_;
  options.dirty_bytes_max = 4'000;  // Flushes often.
  absl::StatusOr<std::unique_ptr<Replica>> replica = Replica::Open(
      {faulty_, *commits_, *chunks_, random_, time_}, identity, options);
  if (!replica.ok()) {
    commits_.reset();
    chunks_.reset();
    return replica.status().ToString();
  }
  replica_ = *std::move(replica);
  for (const Dot& dot : std::exchange(reissued_, {})) Remember(dot);
  Follow();
  return {};
}

absl::Status SimNode::RebuildFirst() {
  if (!fork_) return absl::OkStatus();
  const Fork fork = *std::exchange(fork_, std::nullopt);
  ++forks_;
  faulty_.Heal();
  self_.origin = Origin::Random(random_);
  const Replica::Identity identity{
      TheProject(),
      {1},
      self_.origin,
      self_.identity.public_key(),
      std::make_shared<const DeviceIdentity>(self_.identity)};
  SYNCLINE_ASSIGN_OR_RETURN(
      const Reissue reissue,
      Rebuild({faulty_, *commits_, *chunks_, random_, time_}, identity, fork,
              {}));
  for (const auto& [dot, bytes] : follower_.entries) {
    const bool wrong = dot.origin == fork.origin && dot.counter > fork.counter;
    if (wrong) given_up_.insert(Sha256(bytes));
  }
  for (auto at = acknowledged_.begin(); at != acknowledged_.end();) {
    const std::optional<Dot> now = reissue.Map(at->first);
    if (now == at->first) {
      ++at;
      continue;
    }
    // One that is not issued anew stays here, and will be missed: unless it
    // said only what became of things that others had made and issue anew.
    const bool gone = now || reissue.left_out().contains(at->first);
    if (now) reissued_.push_back(*now);
    at = gone ? acknowledged_.erase(at) : std::next(at);
  }
  return absl::OkStatus();
}

void SimNode::GiveUp(const ProjectId& project, const Fork& fork) {
  const std::vector<SettledFork>& settled = replica_->settled();
  const bool done = std::any_of(
      settled.begin(), settled.end(),
      [&](const auto& each) { return each.fork.origin == fork.origin; });
  if (fork_ || done) return;
  if (replica_->installing()) {
    return replica_->WhenReady([this, project, fork] {
      clock_.After(0, [this, project, fork] {
        if (running()) GiveUp(project, fork);
      });
    });
  }
  if (CanRebuild(replica_->log(), fork)) {
    fork_ = fork;
    return on_give_up_();
  }
  if (fork.origin != self_.origin && replica_->IsOwn(fork.origin) &&
      !replica_->FoundForked(fork.origin)) {
    replica_->SettleAsIs(fork).IgnoreError();
    return on_give_up_();
  }
  stuck_ = true;
  if (fork.origin != self_.origin) return;
  replica_->Doubt(self_.origin).IgnoreError();
  self_.origin = Origin::Random(random_);
  replica_->TakeOrigin(self_.origin);
  on_give_up_();
}

void SimNode::KeepImage() {
  image_ = Image{disk_.Image(), self_.origin, follower_};
}

bool SimNode::SetBack(const std::vector<Entries>& others) {
  if (!image_) return false;
  Restore(*image_->disk, image_->origin, others);
  follower_ = image_->follower;
  return true;
}

void SimNode::Wipe(const std::vector<Entries>& others) {
  image_.reset();
  faulty_.Heal();
  Restore(MemoryStore(), Origin::Random(random_), others);
  follower_ = {};
}

void SimNode::Restore(const MemoryStore& disk, const Origin& origin,
                      const std::vector<Entries>& others) {
  // Content stays: what only this node had of it could never be had again.
  WriteBatch chunks;
  {
    const auto rows = disk_.NewIterator(Column::kChunks);
    for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
      chunks.Put(Column::kChunks, rows->key(), rows->value());
    }
  }
  disk_.SetBack(disk);
  disk_.Write(chunks, true).IgnoreError();
  self_.origin = origin;
  given_up_.clear();
  fork_.reset();
  stuck_ = false;
  std::erase_if(acknowledged_, [&](const auto& entry) {
    return std::none_of(others.begin(), others.end(), [&](const Entries& has) {
      return HasEntry(has, entry);
    });
  });
}

void SimNode::Forget(const Entries& gone, const std::vector<Entries>& others) {
  std::erase_if(acknowledged_, [&](const auto& entry) {
    return HasEntry(gone, entry) &&
           std::none_of(others.begin(), others.end(), [&](const Entries& has) {
             return HasEntry(has, entry);
           });
  });
}

SimNode::Entries SimNode::Holds() {
  TakeRecords();
  Entries entries;
  const AppendLog& log = replica_->log();
  for (const VersionVector::Slot& slot : log.durable_frontier().slots()) {
    const Dot dot{slot.origin, slot.counter};
    const auto hash = log.ChainAt(dot);
    if (!hash.ok() || !archive_.Collect({dot, *hash}, entries)) {
      fault_ = "archive: " + dot.ToText() + " is not known";
    }
  }
  return entries;
}

SimNode::Copy SimNode::TakeCopy() const {
  Copy copy;
  for (const auto& [path, row] : ListAll(replica_->state())) {
    if (row.IsDirectory()) {
      copy.files.emplace(path, std::nullopt);
      continue;
    }
    // One the content of which has not come yet is not in the folder.
    const std::string& payload = row.shown_sibling().payload();
    const auto content = FileContent::Decode(payload);
    const auto skip = [](std::string_view) { return absl::OkStatus(); };
    if (content.ok() && ReadContent(*chunks_, *content, skip).ok()) {
      copy.files.emplace(path, payload);
    }
  }
  const auto documents =
      replica_->state().ListDocsFrom("", "", false, 1u << 20);
  for (const auto& [name_space, key, row] : *documents) {
    copy.documents.emplace(std::pair(name_space, key),
                           row.shown_sibling().payload());
  }
  return copy;
}

void SimNode::PutBack(const Copy& copy) {
  const auto put = [this](absl::StatusOr<std::vector<Effect>> effects) {
    absl::Status status = effects.status();
    if (status.ok()) status = Commit(*std::move(effects), Durability::kDurable);
    if (!status.ok()) fault_ = "put back: " + status.ToString();
  };
  const CausalState& state = replica_->state();
  for (const auto& [path, payload] : copy.files) {
    const ItemKind kind = payload ? ItemKind::kFile : ItemKind::kDirectory;
    put(CreateEffects(state, path, kind, payload.value_or(""), {}, 0));
  }
  for (const auto& [name, value] : copy.documents) {
    put(DocEffects(state, name.first, name.second, value));
  }
}

void SimNode::Remove(const SimNode& other) {
  removed_.insert(other.id());
  if (!running()) return;
  const Entries held = Holds();
  for (const auto& entry : other.acknowledged_) {
    if (HasEntry(held, entry)) acknowledged_.insert(entry);
  }
}

void SimNode::Follow() {
  AppendLog& log = replica_->log();
  // Another log: it is told so, and begins anew.
  if (log.id() != follower_.log) {
    follower_ = {};
    follower_.log = log.id();
    if (log.Check(log.id(), {}) == CursorState::kBehindHorizon) {
      // With what the project shows now.
      follower_.since = log.head();
      follower_.feed = SimFeed(replica_->state());
    }
  }
  if (log.Check(log.id(), Cursor()) != CursorState::kValid) {
    fault_ = "follower: what it was given is not in the log any more";
    return;
  }
  subscription_ =
      log.Subscribe(Cursor(), Visibility::kDurable, [this] { TakeRecords(); });
  TakeRecords();
}

void SimNode::TakeRecords() {
  RecordSpan span;
  for (;;) {
    const absl::Status taken = subscription_->Borrow(4'000, span);
    if (!taken.ok()) fault_ = "follower: " + taken.ToString();
    if (!taken.ok() || span.empty()) return;
    for (RecordWalk walk(span); walk.Valid(); walk.Next()) {
      if (walk.record().seq != Cursor().next()) {
        fault_ = "follower: a gap or a duplicate";
      }
      TakeRecord(walk.record());
    }
    if (!subscription_->more()) return;
  }
}

void SimNode::TakeRecord(const RecordView& record) {
  follower_.records.push_back(HashOf(record));
  if (given_up_.contains(follower_.records.back())) {
    fault_ = "given up: it came in again";
  }
  const auto changes = DecodePathChanges(record.changes);
  if (!changes.ok()) {
    fault_ = "follower: " + changes.status().ToString();
    return;
  }
  follower_.feed.Follow(*changes);
  if (record.joined()) {
    ++follower_.joined;
  } else if (!follower_.entries.emplace(record.dot, record.entry).second) {
    fault_ = "follower: an entry twice";
  } else {
    Archive(record);
  }
}

void SimNode::Archive(const RecordView& record) {
  ChainHead& head = follower_.heads[record.dot.origin];
  const Dot before{record.dot.origin, record.dot.counter - 1};
  if (before.counter > 0 && head.dot != before) {
    // Those between came with a state.
    const auto hash = replica_->log().ChainAt(before);
    if (!hash.ok()) return;
    head.hash = *hash;
  }
  archive_.Add(head.hash, record.entry);
  head = {record.dot, Sha256(head.hash.view(), record.entry), {}};
}

void SimNode::Truncate(std::uint64_t thousandths,
                       const std::vector<VersionVector>& others) {
  AppendLog& log = replica_->log();
  const std::uint64_t read =
      std::min<std::uint64_t>(Cursor().value, log.durable().value);
  Seq through = log.horizon();
  const auto reader =
      log.Read({.since = through, .until = Seq{read * thousandths / 1'000}});
  for (; reader->Valid(); reader->Next()) {
    const RecordView& record = reader->record();
    const auto has = [&](const VersionVector& other) {
      return record.joined() || other.Covers(record.dot);
    };
    if (!std::all_of(others.begin(), others.end(), has)) break;
    through = record.seq;
  }
  replica_->Truncate(through, [](const absl::Status&) {});
}

void SimNode::Crash(std::optional<std::size_t> keep) {
  sync_.Drop();
  subscription_.reset();
  replica_.reset();
  commits_.reset();
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
      UserEffects(replica_->state(), *chunks_, random, seen_);
  if (absl::IsInternal(effects.status())) {
    fault_ = "edit: " + effects.status().ToString();
  }
  // Refused: the user is told, nothing happens.
  if (effects.ok() && !effects->empty()) {
    Commit(*std::move(effects), durability).IgnoreError();
  }
}

absl::Status SimNode::Commit(std::vector<Effect> effects,
                             Durability durability) {
  auto dot = std::make_shared<Dot>();
  const absl::StatusOr<Replica::Committed> committed =
      replica_->Commit(std::move(effects), "user", durability,
                       [this, dot, durability](const absl::Status& status) {
                         if (status.ok() && durability == Durability::kDurable)
                           Remember(*dot);
                       });
  if (committed.ok()) *dot = committed->dot;
  return committed.status();
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
    const DeviceId& device) const {
  if (removed_.contains(device)) return std::nullopt;
  return std::vector<ProjectInfo>{{TheProject(), "p"}};
}

absl::StatusOr<std::string> SimNode::InvitationSecret(std::string_view) const {
  return NotFound("no invitations here");
}

}  // namespace syncline::testing
