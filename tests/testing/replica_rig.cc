#include "tests/testing/replica_rig.h"

#include <catch2/catch.hpp>
#include <map>
#include <utility>

#include "kv/file_content.h"
#include "log/frame.h"
#include "replication/device_identity.h"
#include "replication/state/edits.h"

namespace syncline::testing {
namespace {

DeviceIdentity DeviceOf(std::string_view name) {
  return *DeviceIdentity::FromSecret(Sha256("key", name).view());
}

Replica::Identity IdentityOf(std::string_view name) {
  Replica::Identity identity;
  identity.project = {std::string(16, 'p')};
  identity.number = ProjectNumber{1};
  identity.self = *Origin::FromBytes(Sha256(name).view().substr(0, 16));
  identity.device = std::make_shared<const DeviceIdentity>(DeviceOf(name));
  identity.device_key = identity.device->public_key();
  return identity;
}

template <typename T>
T Must(absl::StatusOr<T> result) {
  INFO(result.status().ToString());
  REQUIRE(result.ok());
  return *std::move(result);
}

}  // namespace

ReplicaRig::ReplicaRig(boost::asio::io_context& io, Store& store,
                       std::string_view name, Replica::Options options,
                       MakeTimer timers)
    : io_(io),
      store_(store),
      timers_(std::move(timers)),
      options_(options),
      random_(std::make_unique<SeededRandom>(name.size())) {
  chunks_ = Must(ChunkStore::Open(store, temp_ / "chunks"));
  sync_thread_ = std::make_unique<SyncThread>();
  commits_ =
      std::make_unique<CommitQueue>(store, *sync_thread_, io_.get_executor());
  replica_ = Must(Replica::Open(Environment(), IdentityOf(name), options_));
}

ReplicaRig::~ReplicaRig() = default;

Replica::Environment ReplicaRig::Environment() {
  return {store_, *commits_, *chunks_, *random_, time_, {}, timers_};
}

void ReplicaRig::Reopen(
    Origin self,  // By value: the caller's may be the replica's.
    const std::function<void(const Replica::Environment&)>& then) {
  Settle();
  Replica::Identity identity = replica_->identity();
  replica_.reset();
  then(Environment());
  identity.self = self;
  replica_ = Must(Replica::Open(Environment(), identity, options_));
}

void ReplicaRig::RunUntil(const bool& done) {
  const auto work = boost::asio::make_work_guard(io_);
  io_.restart();
  while (!done) io_.run_one();
}

void ReplicaRig::Settle() {
  for (int quiet = 0; quiet < 3;) {
    io_.restart();
    const bool moved = io_.poll() > 0;
    // An empty append answers behind everything that is being written.
    bool flushed = false;
    replica_->log().Append({}, {}, Durability::kDurable,
                           [&](const auto&) { flushed = true; });
    RunUntil(flushed);
    quiet = moved ? 0 : quiet + 1;
  }
}

Replica::Committed ReplicaRig::Commit(std::vector<Effect> effects) {
  bool done = false;
  absl::Status status;
  time_.now_ms += 10;
  Replica::Committed committed =
      Must(replica_->Commit(std::move(effects), "user", Durability::kDurable,
                            [&](const absl::Status& result) {
                              status = result;
                              done = true;
                            }));
  RunUntil(done);
  INFO(status.ToString());
  REQUIRE(status.ok());
  return committed;
}

Replica::Committed ReplicaRig::Put(std::string_view path,
                                   std::string_view bytes) {
  ContentWriter writer(*chunks_);
  REQUIRE(writer.Add(bytes).ok());
  const std::string payload = Must(writer.Finish()).Encode();
  REQUIRE(chunks_->Sync().ok());
  const std::optional<Token> seen = Must(replica_->state().Read(path, false));
  return Commit(Must(seen ? EditEffects(replica_->state(), *seen, payload, {})
                          : CreateEffects(replica_->state(), path,
                                          ItemKind::kFile, payload, {}, 0)));
}

Replica::Committed ReplicaRig::Mkdir(std::string_view path) {
  return Commit(Must(
      CreateEffects(replica_->state(), path, ItemKind::kDirectory, "", {}, 0)));
}

Replica::Committed ReplicaRig::Remove(std::string_view path) {
  const std::optional<Token> seen = Must(replica_->state().Read(path, false));
  REQUIRE(seen);
  return Commit(Must(RemoveEffects(replica_->state(), *seen)));
}

Replica::Committed ReplicaRig::Rename(std::string_view from,
                                      std::string_view to) {
  const std::optional<Token> seen = Must(replica_->state().Read(from, false));
  REQUIRE(seen);
  return Commit(
      Must(RenameEffects(replica_->state(), *seen, to, std::nullopt)));
}

std::string ReplicaRig::Show(std::string_view path) {
  const std::optional<Row> row = Must(replica_->state().Lookup(path));
  if (!row || row->IsDirectory()) return "(none)";
  const FileContent content =
      Must(FileContent::Decode(row->shown_sibling().payload()));
  std::string bytes;
  const absl::Status status =
      ReadContent(*chunks_, content, [&](std::string_view part) {
        bytes += part;
        return absl::OkStatus();
      });
  return status.ok() ? bytes : status.ToString();
}

std::vector<std::string> ReplicaRig::Names(std::string_view path) {
  std::vector<std::string> names;
  for (const auto& [name, row] : Must(replica_->state().List(path, "", 1000))) {
    names.push_back(name);
  }
  return names;
}

ReplicaRig::Segment ReplicaRig::Missing(const VersionVector& peer) {
  Segment segment;
  std::map<Origin, std::uint64_t> reached;
  auto reader = replica_->log().Read({.since = replica_->log().horizon()});
  for (; reader->Valid(); reader->Next()) {
    const RecordView& record = reader->record();
    if (peer.Covers(record.dot)) continue;
    segment.frames += record.frame;
    reached[record.dot.origin] = record.dot.counter;
  }
  REQUIRE(reader->status().ok());
  for (const auto& [origin, counter] : reached) {
    const Dot dot{origin, counter};
    segment.heads.push_back({dot, Must(replica_->log().ChainAt(dot)), {}});
    const auto proof = Must(replica_->NewestHead(origin));
    if (proof && proof->dot == dot) segment.heads.back() = *proof;
  }
  return segment;
}

absl::StatusOr<Replica::Ingested> ReplicaRig::Ingest(const Segment& segment) {
  bool done = false;
  absl::StatusOr<Replica::Ingested> result = absl::UnknownError("");
  absl::StatusOr<SegmentEntries> entries = ReadSegment(segment.frames);
  if (!entries.ok()) return entries.status();
  replica_->Ingest(*entries, segment.heads, [&](const auto& ingested) {
    result = ingested;
    done = true;
  });
  RunUntil(done);
  return result;
}

void ReplicaRig::PullFrom(ReplicaRig& other) {
  other.Settle();
  Must(Ingest(other.Missing(replica_->log().frontier())));
  for (;;) {
    const auto wants = replica_->wants().Take(100, 1u << 30);
    if (wants.empty()) break;
    WriteBatch rows;
    for (const ContentWants::Want& want : wants) {
      const std::string bytes = Must(other.chunks().Get(want.hash));
      REQUIRE(chunks_->PutHashed(want.hash, bytes).ok());
    }
    REQUIRE(chunks_->Sync().ok());
    for (const ContentWants::Want& want : wants) {
      REQUIRE(replica_->wants().Arrived(want.hash, rows).ok());
    }
    bool done = false;
    replica_->log().Append({}, std::move(rows), Durability::kDurable,
                           [&](const auto&) { done = true; });
    RunUntil(done);
  }
  Settle();
}

}  // namespace syncline::testing
