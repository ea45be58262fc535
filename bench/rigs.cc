#include "bench/rigs.h"

#include <cstdio>
#include <utility>

#include <boost/asio/executor_work_guard.hpp>

#include "base/hash.h"
#include "bench/harness.h"
#include "kv/file_content.h"
#include "kv/rocks_store.h"
#include "replication/state/edits.h"

namespace syncline::testing {
namespace {

Origin BenchOrigin(std::string_view name) {
  return *Origin::FromBytes(Sha256(name).view().substr(0, Origin::kBytes));
}

}  // namespace

std::string DirectoryOf(std::size_t file) {
  char path[32];
  std::snprintf(path, sizeof path, "directory%05zu", file / kFilesInDirectory);
  return path;
}

std::string PathOf(std::size_t file) {
  char name[32];
  std::snprintf(name, sizeof name, "/file%07zu.txt", file);
  return DirectoryOf(file) + name;
}

// ---- log

LogRig::LogRig(const std::filesystem::path& dir)
    : store_(Must(RocksStore::Open(dir / "store"))),
      origin_(BenchOrigin("bench")),
      log_(Must(AppendLog::Open(commits_, kBenchProject, random_, {}))),
      counter_(log_->frontier().CounterOf(origin_)) {}

void LogRig::Append(std::string_view entry, Durability durability,
                    AppendLog::AppendDone done) {
  const Draft draft{{origin_, ++counter_}, entry, {}};
  log_->Append({&draft, 1}, {}, durability, std::move(done));
}

void LogRig::Fill(std::size_t count, std::size_t group) {
  const PayloadPool pool;
  std::size_t waiting = 0;
  for (std::size_t i = 0; i < count; ++i) {
    ++waiting;
    Append(pool[i], Durability::kBuffered, [&](const auto& appended) {
      Must(appended.status());
      --waiting;
    });
    if (waiting == group) RunUntil([&] { return waiting == 0; });
  }
  RunUntil([&] { return waiting == 0 && log_->durable() == log_->head(); });
}

void LogRig::RunUntil(const std::function<bool()>& done) {
  const auto work = boost::asio::make_work_guard(io_);
  io_.restart();
  while (!done()) io_.run_one();
}

// ---- replica

ReplicaRig::ReplicaRig(const std::filesystem::path& dir, std::string_view name)
    : store_(Must(RocksStore::Open(dir / "store"))),
      chunks_(Must(ChunkStore::Open(*store_, dir / "chunks"))) {
  Replica::Identity identity;
  identity.project = {std::string(16, 'p')};
  identity.number = kBenchProject;
  identity.self = BenchOrigin(name);
  identity.device = std::make_shared<const DeviceIdentity>(
      *DeviceIdentity::FromSecret(Sha256("device", name).view()));
  identity.device_key = identity.device->public_key();
  replica_ = Must(Replica::Open({*store_, commits_, *chunks_, random_, time_},
                                identity, {}));
}

void ReplicaRig::Commit(std::vector<Effect> effects, Durability durability,
                        Replica::CommitDone done) {
  Must(replica_->Commit(std::move(effects), "user", durability, std::move(done))
           .status());
}

void ReplicaRig::Await(
    const std::function<void(Replica::CommitDone)>& operation) {
  bool done = false;
  operation([&](const absl::Status& status) {
    Must(status);
    done = true;
  });
  const auto work = boost::asio::make_work_guard(io_);
  io_.restart();
  while (!done) io_.run_one();
}

void ReplicaRig::CommitNow(std::vector<Effect> effects) {
  Await([&](Replica::CommitDone done) {
    Commit(std::move(effects), Durability::kBuffered, std::move(done));
  });
}

void ReplicaRig::Flush() {
  Await([&](Replica::CommitDone done) { replica_->Flush(std::move(done)); });
}

void ReplicaRig::MakeFiles(const std::vector<std::string>& paths) {
  constexpr std::size_t kEffectsMax = 600;
  const std::string payload = Must(HashContent("first content")).Encode();
  const CausalState& state = replica_->state();
  std::string dir;
  std::vector<Effect> entry;
  for (const std::string& path : paths) {
    const std::string parent = path.substr(0, path.find('/'));
    if (parent != dir || entry.size() > kEffectsMax) {
      if (!entry.empty()) CommitNow(std::exchange(entry, {}));
    }
    if (parent != dir) {
      CommitNow(
          Must(CreateEffects(state, parent, ItemKind::kDirectory, "", {}, 0)));
      dir = parent;
    }
    for (Effect& effect : Must(CreateEffects(state, path, ItemKind::kFile,
                                             payload, {}, entry.size()))) {
      entry.push_back(std::move(effect));
    }
  }
  if (!entry.empty()) CommitNow(std::move(entry));
}

}  // namespace syncline::testing
