#include "tests/mirror/mirror_rig.h"

#include <sys/stat.h>

#include <charconv>
#include <chrono>
#include <fstream>
#include <sstream>

#include <boost/asio/steady_timer.hpp>
#include <catch2/catch.hpp>

#include "base/hash.h"
#include "kv/file_content.h"
#include "kv/memory_store.h"
#include "kv/rocks_store.h"
#include "log/path_change.h"
#include "replication/state/edits.h"

namespace syncline::testing {
namespace {

namespace fs = std::filesystem;

template <typename T>
T Must(absl::StatusOr<T> result) {
  INFO(result.status().ToString());
  REQUIRE(result.ok());
  return *std::move(result);
}

void Must(const absl::Status& status) {
  INFO(status.ToString());
  REQUIRE(status.ok());
}

std::string Line(std::string_view kind, bool exec, std::string_view mtime_ns,
                 std::string_view bytes) {
  if (kind != "file") return std::string(kind) + " " + std::string(bytes);
  std::string line = exec ? "file exec " : "file ";
  line += mtime_ns;
  line += '|';
  line += bytes;
  return line;
}

}  // namespace

std::string ReadWhole(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return "(none)";
  std::ostringstream bytes;
  bytes << in.rdbuf();
  return bytes.str();
}

void WriteFile(const fs::path& path, std::string_view bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << bytes;
  out.close();
  REQUIRE(out.good());
}

std::map<std::string, std::string> Tree(const fs::path& dir) {
  std::map<std::string, std::string> tree;
  for (auto it = fs::recursive_directory_iterator(dir);
       it != fs::recursive_directory_iterator(); ++it) {
    if (it->path().filename().string().starts_with(".syncline")) {
      it.disable_recursion_pending();
      continue;
    }
    const std::string path = it->path().lexically_relative(dir).string();
    struct stat stat {};
    REQUIRE(::lstat(it->path().c_str(), &stat) == 0);
    const std::string mtime = std::to_string(
        stat.st_mtim.tv_sec * 1'000'000'000LL + stat.st_mtim.tv_nsec);
    if (S_ISLNK(stat.st_mode)) {
      tree[path] =
          Line("link", false, "", fs::read_symlink(it->path()).string());
    } else if (S_ISDIR(stat.st_mode)) {
      tree[path] = Line("dir", false, "", "");
    } else {
      tree[path] = Line("file", (stat.st_mode & 0100) != 0, mtime,
                        ReadWhole(it->path()));
    }
  }
  return tree;
}

std::map<std::string, std::string> Plain(
    std::map<std::string, std::string> tree) {
  for (auto& [path, line] : tree) {
    if (!line.starts_with("file ")) continue;
    const bool exec = line.starts_with("file exec ");
    line = (exec ? "file exec " : "file ") + line.substr(line.find('|') + 1);
  }
  return tree;
}

Device::Device(const fs::path& home, const std::string& name,
               const Options& options)
    : home_(home), dir_(home / "folder"), name_(name), options_(options) {
  fs::create_directories(home_);
  if (options_.rocks) {
    store_ = Must(RocksStore::Open(home_ / "db"));
  } else {
    store_ = std::make_unique<MemoryStore>();
  }
  OpenReplica();
  if (options_.start) StartMirror();
}

Device::~Device() {
  mirror_.reset();
  workers_.join();
  replica_.reset();
}

void Device::OpenReplica() {
  chunks_ = Must(ChunkStore::Open(*store_, home_ / "chunks"));
  sync_thread_ = std::make_unique<SyncThread>();
  commits_ =
      std::make_unique<CommitQueue>(*store_, *sync_thread_, io_.get_executor());
  Replica::Identity identity;
  identity.project = {std::string(16, 'p')};
  identity.number = ProjectNumber{1};
  identity.self = *Origin::FromBytes(Sha256(name_).view().substr(0, 16));
  identity.device = std::make_shared<const DeviceIdentity>(
      *DeviceIdentity::FromSecret(Sha256("device", name_).view()));
  identity.device_key = identity.device->public_key();
  Replica::Options replica_options;
  replica_options.strategy = options_.strategy;
  replica_ = Must(Replica::Open({*store_, *commits_, *chunks_, random_, time_},
                                identity, replica_options));
}

void Device::StartMirror() {
  Mirror::Options options = options_.mirror;
  options.dir = dir_.string();
  options.id = 1;
  options.create = true;
  mirror_ = Must(Mirror::Open({*replica_, *store_, random_, time_,
                               io_.get_executor(), workers_.get_executor()},
                              options));
}

absl::Status Device::TryMirror(const Mirror::Options& options) {
  return Mirror::Open({*replica_, *store_, random_, time_, io_.get_executor(),
                       workers_.get_executor()},
                      options)
      .status();
}

void Device::Restart() {
  mirror_.reset();
  replica_.reset();
  commits_.reset();
  sync_thread_.reset();
  io_.restart();
  io_.poll();
  OpenReplica();
  StartMirror();
}

bool Device::RunUntil(const std::function<bool()>& done, int turns) {
  for (int i = 0; i < turns; ++i) {
    io_.restart();
    io_.poll();
    if (done()) return true;
    io_.run_one_for(std::chrono::milliseconds(2));
  }
  return false;
}

absl::Status Device::Sweep() {
  bool swept = false;
  absl::Status result;
  mirror_->Scan([&](const absl::Status& status) {
    result = status;
    swept = true;
  });
  REQUIRE(RunUntil([&] { return swept; }));
  if (result.ok()) Settle();
  return result;
}

void Device::Settle() {
  const bool settled = RunUntil([&] {
    const Mirror::State state = mirror_->status().state;
    return state == Mirror::State::kIdle || state == Mirror::State::kError;
  });
  const Mirror::Status status = mirror_->status();
  INFO(MirrorStateName(status.state)
       << " pending " << status.pending << " error " << status.error);
  for (const auto& [path, why] : status.errors)
    UNSCOPED_INFO(path << ": " << why);
  REQUIRE(settled);
  INFO(status.error);
  if (status.state == Mirror::State::kError) CHECK(status.held_deletes > 0);
}

std::vector<std::string> Device::ChangesSince(std::uint64_t since) {
  std::vector<std::string> lines;
  AppendLog::ReadOptions read;
  read.since = Seq{since};
  auto reader = replica_->log().Read(read);
  for (; reader->Valid(); reader->Next()) {
    std::string line;
    for (const PathChange& change :
         Must(DecodePathChanges(reader->record().changes))) {
      if (!line.empty()) line += ", ";
      line += PathChangeTypeName(change.type);
      if (!change.from.empty()) line += " " + change.from;
      line += " " + change.path;
    }
    lines.push_back(line);
  }
  Must(reader->status());
  return lines;
}

void Device::PullFrom(Device& other, bool with_chunks) {
  std::string frames;
  std::map<Origin, std::uint64_t> reached;
  auto reader = other.replica_->log().Read({});
  for (; reader->Valid(); reader->Next()) {
    const RecordView& record = reader->record();
    if (replica_->log().frontier().Covers(record.dot)) continue;
    frames += record.frame;
    reached[record.dot.origin] = record.dot.counter;
  }
  Must(reader->status());
  if (!frames.empty()) {
    std::vector<ChainHead> heads;
    for (const auto& [origin, counter] : reached) {
      const Dot dot{origin, counter};
      heads.push_back({dot, Must(other.replica_->log().ChainAt(dot)), {}});
      const auto proof = Must(other.replica_->NewestHead(origin));
      if (proof && proof->dot == dot) heads.back() = *proof;
    }
    bool done = false;
    auto entries = Must(ReadSegment(frames));
    replica_->Ingest(entries, heads, [&](const auto& ingested) {
      Must(ingested.status());
      done = true;
    });
    REQUIRE(RunUntil([&] { return done; }));
  }
  if (with_chunks) FetchChunks(other);
}

void Device::FetchChunks(Device& other) {
  while (true) {
    const auto wants = replica_->wants().Take(100, 1u << 30);
    if (wants.empty()) return;
    for (const ContentWants::Want& want : wants) {
      Must(chunks_->PutHashed(want.hash, Must(other.chunks().Get(want.hash))));
    }
    Must(chunks_->Sync());
    WriteBatch rows;
    for (const ContentWants::Want& want : wants) {
      Must(replica_->wants().Arrived(want.hash, rows));
    }
    bool done = false;
    replica_->log().Append({}, std::move(rows), Durability::kDurable,
                           [&](const auto&) { done = true; });
    REQUIRE(RunUntil([&] { return done; }));
  }
}

void Device::Commit(std::vector<Effect> effects) {
  bool done = false;
  Must(replica_
           ->Commit(std::move(effects), "user", Durability::kDurable,
                    [&](const absl::Status& status) {
                      Must(status);
                      done = true;
                    })
           .status());
  REQUIRE(RunUntil([&] { return done; }));
}

void Device::Put(const std::string& path, std::string_view bytes) {
  ContentWriter writer(*chunks_);
  Must(writer.Add(bytes));
  const std::string payload = Must(writer.Finish()).Encode();
  Must(chunks_->Sync());
  const CausalState& state = replica_->state();
  const std::optional<Token> seen = Must(state.Read(path, false));
  Commit(
      Must(seen ? EditEffects(state, *seen, payload, {})
                : CreateEffects(state, path, ItemKind::kFile, payload, {}, 0)));
}

void Device::Mkdir(const std::string& path) {
  Commit(Must(
      CreateEffects(replica_->state(), path, ItemKind::kDirectory, "", {}, 0)));
}

void Device::Remove(const std::string& path) {
  for (auto& effects : Must(RemoveTreeEffects(replica_->state(), path, 1024))) {
    Commit(std::move(effects));
  }
}

void Device::Rename(const std::string& from, const std::string& to) {
  const CausalState& state = replica_->state();
  const std::optional<Token> seen = Must(state.Read(from, false));
  REQUIRE(seen);
  Commit(Must(RenameEffects(state, *seen, to, std::nullopt)));
}

void Device::AddRows(const std::string& path,
                     std::map<std::string, std::string>& to) {
  for (const auto& [name, row] :
       Must(replica_->state().List(path, "", 100'000))) {
    const std::string child = path.empty() ? name : path + "/" + name;
    if (row.IsDirectory()) {
      to[child] = Line("dir", false, "", "");
      AddRows(child, to);
      continue;
    }
    const std::string& payload = row.shown_sibling().payload();
    if (row.kind == ItemKind::kSymlink) {
      to[child] = Line("link", false, "", Must(DecodeSymlinkPayload(payload)));
      continue;
    }
    std::string bytes;
    const absl::Status read =
        ReadContent(*chunks_, Must(FileContent::Decode(payload)),
                    [&](std::string_view part) {
                      bytes += part;
                      return absl::OkStatus();
                    });
    if (!read.ok()) bytes = "(missing)";
    bool exec = false;
    std::string mtime;
    for (const auto& [key, value] : row.attrs) {
      if (key == "exec") exec = value == "1";
      if (key == "mtime") mtime = value;
    }
    to[child] = Line("file", exec, mtime, bytes);
  }
}

std::map<std::string, std::string> Device::View() {
  std::map<std::string, std::string> tree;
  AddRows("", tree);
  return tree;
}

std::map<std::string, std::string> Device::Folder() const { return Tree(dir_); }

void Exchange(Device& a, Device& b) {
  std::uint64_t heads = 0;
  for (int round = 0; round < 20; ++round) {
    a.Settle();
    b.Settle();
    a.PullFrom(b);
    b.PullFrom(a);
    a.Settle();
    b.Settle();
    const std::uint64_t now = a.head() + b.head();
    if (now == heads &&
        a.replica().log().frontier() == b.replica().log().frontier()) {
      return;
    }
    heads = now;
  }
  FAIL("the two do not come to rest");
}

}  // namespace syncline::testing
