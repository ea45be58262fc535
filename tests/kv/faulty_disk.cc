#include "tests/kv/faulty_disk.h"

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "kv/rocks_store.h"

namespace syncline::testing {
namespace {

namespace fs = std::filesystem;
using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

constexpr char kMark[] = "DURABLE";
constexpr std::size_t kPageBytes = 4096;

std::string ReadAll(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void WriteAll(const fs::path& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  SYNCLINE_CHECK(file.flush().good(), "a test's disk is full");
}

// A file that RocksDB made. Its bytes only ever grow.
struct Inode {
  fs::path bytes;  // Where they are: by its name, or in the graveyard.
  std::uint64_t written = 0;
  std::uint64_t synced = 0;
};
using InodePtr = std::shared_ptr<Inode>;
using Names = std::map<std::string, InodePtr>;

// A change of the directory. A rename takes place whole or not at all.
struct NameChange {
  std::string gone;  // Empty: none.
  std::string made;
  InodePtr inode;
};

void Apply(const NameChange& change, Names& names) {
  if (!change.gone.empty()) names.erase(change.gone);
  if (!change.made.empty()) names[change.made] = change.inode;
}

// Bytes behind the last fsync, as a file system may leave them.
std::string Remains(std::string tail, RandomSource& random) {
  const std::size_t pages = tail.size() / kPageBytes + 1;
  switch (random.Below(6)) {
    case 0:
      return {};
    case 1:
      return tail;
    case 2:
      return std::string(tail.size(), '\0');  // Only the length came through.
    case 3:
      for (std::uint64_t holes = 1 + random.Below(3); holes > 0; --holes) {
        const std::size_t begin = random.Below(pages) * kPageBytes;
        for (std::size_t i = begin;
             i < std::min(begin + kPageBytes, tail.size()); ++i) {
          tail[i] = '\0';
        }
      }
      return tail;
    case 4: {
      const std::size_t begin = random.Below(pages) * kPageBytes;
      const std::size_t count =
          std::min(kPageBytes, tail.size() - std::min(tail.size(), begin));
      if (count > 0) tail.replace(begin, count, random.Bytes(count));
      return tail;
    }
    default:
      tail.resize(random.Below(tail.size() + 1));
      return tail;
  }
}

}  // namespace

class FaultyDisk::FileSystem final : public rocksdb::FileSystemWrapper {
 public:
  explicit FileSystem(fs::path directory)
      : FileSystemWrapper(rocksdb::FileSystem::Default()),
        directory_(std::move(directory)),
        graveyard_(directory_.string() + ".graveyard") {
    fs::create_directories(directory_);
    fs::create_directories(graveyard_);
    for (const auto& each : fs::directory_iterator(directory_)) {
      const std::string name = each.path().filename();
      if (!each.is_regular_file() || name == kMark) continue;
      const std::uint64_t size = each.file_size();
      durable_[name] = std::make_shared<Inode>(Inode{each.path(), size, size});
    }
    names_ = durable_;
    NoteMark();
  }
  ~FileSystem() override {
    std::error_code ignored;
    fs::remove_all(graveyard_, ignored);
  }

  const char* Name() const override { return "FaultyDisk"; }
  const fs::path& directory() const { return directory_; }

  IOStatus NewWritableFile(const std::string& path, const FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* result,
                           IODebugContext* dbg) override;
  IOStatus ReopenWritableFile(const std::string&, const FileOptions&,
                              std::unique_ptr<rocksdb::FSWritableFile>*,
                              IODebugContext*) override {
    return IOStatus::NotSupported("not modelled");
  }
  IOStatus ReuseWritableFile(const std::string&, const std::string&,
                             const FileOptions&,
                             std::unique_ptr<rocksdb::FSWritableFile>*,
                             IODebugContext*) override {
    return IOStatus::NotSupported("not modelled");
  }
  IOStatus NewDirectory(const std::string& path, const IOOptions& options,
                        std::unique_ptr<rocksdb::FSDirectory>* result,
                        IODebugContext* dbg) override;
  IOStatus DeleteFile(const std::string& path, const IOOptions& options,
                      IODebugContext* dbg) override;
  IOStatus RenameFile(const std::string& from, const std::string& to,
                      const IOOptions& options, IODebugContext* dbg) override;
  IOStatus LinkFile(const std::string&, const std::string&, const IOOptions&,
                    IODebugContext*) override {
    return IOStatus::NotSupported("not modelled");
  }

  // Of a file and of the directory, which hold the lock meanwhile.
  IOStatus OnAppend(Inode& inode, const rocksdb::Slice& data,
                    const std::function<IOStatus(const rocksdb::Slice&)>& add);
  IOStatus OnSync(Inode& inode);
  IOStatus OnSyncDirectory();

  mutable std::recursive_mutex mutex;  // Guards all that follows.
  std::uint64_t calls = 0;
  std::function<void(std::uint64_t)> hook;
  std::uint64_t fail_from = 0;  // 0: nothing fails.
  Fault fault = Fault::kFull;
  bool torn = false;

  void CutPower(const fs::path& to, RandomSource& random) const;
  std::unique_ptr<FaultyDisk> Kill(const fs::path& to) const;

 private:
  // Counts a call; an error if it is to fail.
  IOStatus Count();
  void NoteMark() const;
  std::string NameOf(const std::string& path) const {
    const fs::path full(path);
    return full.parent_path() == directory_ ? full.filename().string()
                                            : std::string();
  }
  // Keeps the bytes of a file that loses its name: the loss may not last.
  void Bury(const std::string& name);
  void Change(NameChange change) {
    Apply(change, names_);
    unsynced_.push_back(std::move(change));
  }
  Names SurvivingNames(RandomSource& random) const;
  std::string SurvivingMark(RandomSource& random) const;

  const fs::path directory_;
  const fs::path graveyard_;
  std::uint64_t graves_ = 0;
  Names names_;    // As programs see them.
  Names durable_;  // As the disk has them.
  std::vector<NameChange> unsynced_;
  mutable std::vector<std::string> marks_;  // That DURABLE ever had.
};

namespace {

class DiskFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  DiskFile(std::unique_ptr<rocksdb::FSWritableFile>&& file,
           std::function<
               IOStatus(const rocksdb::Slice&,
                        const std::function<IOStatus(const rocksdb::Slice&)>&)>
               append,
           std::function<IOStatus()> sync)
      : FSWritableFileOwnerWrapper(std::move(file)),
        append_(std::move(append)),
        sync_(std::move(sync)) {}

  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options,
                  IODebugContext* dbg) override {
    return append_(data, [&](const rocksdb::Slice& part) {
      return FSWritableFileOwnerWrapper::Append(part, options, dbg);
    });
  }
  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo&,
                  IODebugContext* dbg) override {
    return Append(data, options, dbg);
  }
  IOStatus Sync(const IOOptions&, IODebugContext*) override { return sync_(); }
  IOStatus Fsync(const IOOptions&, IODebugContext*) override { return sync_(); }
  IOStatus RangeSync(std::uint64_t, std::uint64_t, const IOOptions&,
                     IODebugContext*) override {
    return IOStatus::OK();  // A hint; promises nothing.
  }

 private:
  const std::function<IOStatus(
      const rocksdb::Slice&,
      const std::function<IOStatus(const rocksdb::Slice&)>&)>
      append_;
  const std::function<IOStatus()> sync_;
};

class DiskDirectory final : public rocksdb::FSDirectory {
 public:
  explicit DiskDirectory(std::function<IOStatus()> sync)
      : sync_(std::move(sync)) {}
  IOStatus Fsync(const IOOptions&, IODebugContext*) override { return sync_(); }
  IOStatus Close(const IOOptions&, IODebugContext*) override {
    return IOStatus::OK();
  }

 private:
  const std::function<IOStatus()> sync_;
};

}  // namespace

IOStatus FaultyDisk::FileSystem::Count() {
  ++calls;
  if (hook) hook(calls);
  if (fail_from == 0 || calls < fail_from) return IOStatus::OK();
  return fault == Fault::kFull ? IOStatus::NoSpace("a test's disk is full")
                               : IOStatus::IOError("a test's disk is broken");
}

void FaultyDisk::FileSystem::NoteMark() const {
  std::string mark = ReadAll(directory_ / kMark);
  if (marks_.empty() || marks_.back() != mark) {
    marks_.push_back(std::move(mark));
  }
}

IOStatus FaultyDisk::FileSystem::OnAppend(
    Inode& inode, const rocksdb::Slice& data,
    const std::function<IOStatus(const rocksdb::Slice&)>& add) {
  const std::lock_guard lock(mutex);
  rocksdb::Slice part = data;
  const IOStatus failed = Count();
  if (!failed.ok()) {
    if (!torn || calls != fail_from) return failed;
    part = rocksdb::Slice(data.data(), data.size() / 2);
  }
  const IOStatus added = add(part);
  if (added.ok()) inode.written += part.size();
  return failed.ok() ? added : failed;
}

IOStatus FaultyDisk::FileSystem::OnSync(Inode& inode) {
  const std::lock_guard lock(mutex);
  const IOStatus failed = Count();
  NoteMark();
  if (failed.ok()) inode.synced = inode.written;
  return failed;
}

IOStatus FaultyDisk::FileSystem::OnSyncDirectory() {
  const std::lock_guard lock(mutex);
  const IOStatus failed = Count();
  if (!failed.ok()) return failed;
  durable_ = names_;
  unsynced_.clear();
  return failed;
}

IOStatus FaultyDisk::FileSystem::NewWritableFile(
    const std::string& path, const FileOptions& options,
    std::unique_ptr<rocksdb::FSWritableFile>* result, IODebugContext* dbg) {
  const std::string name = NameOf(path);
  const std::lock_guard lock(mutex);
  if (const IOStatus failed = Count(); !failed.ok()) return failed;
  Bury(name);
  std::unique_ptr<rocksdb::FSWritableFile> file;
  IOStatus made = FileSystemWrapper::NewWritableFile(path, options, &file, dbg);
  if (!made.ok()) return made;
  auto inode = std::make_shared<Inode>(Inode{path, 0, 0});
  if (!name.empty()) Change({{}, name, inode});
  *result = std::make_unique<DiskFile>(
      std::move(file),
      [this, inode](const auto& data, const auto& add) {
        return OnAppend(*inode, data, add);
      },
      [this, inode] { return OnSync(*inode); });
  return made;
}

IOStatus FaultyDisk::FileSystem::NewDirectory(
    const std::string& path, const IOOptions& options,
    std::unique_ptr<rocksdb::FSDirectory>* result, IODebugContext* dbg) {
  if (fs::path(path) != directory_) {
    return FileSystemWrapper::NewDirectory(path, options, result, dbg);
  }
  *result =
      std::make_unique<DiskDirectory>([this] { return OnSyncDirectory(); });
  return IOStatus::OK();
}

void FaultyDisk::FileSystem::Bury(const std::string& name) {
  const auto found = names_.find(name);
  if (found == names_.end()) return;
  const fs::path grave = graveyard_ / std::to_string(graves_++);
  fs::create_hard_link(found->second->bytes, grave);
  found->second->bytes = grave;
  fs::remove(directory_ / name);
}

IOStatus FaultyDisk::FileSystem::DeleteFile(const std::string& path,
                                            const IOOptions& options,
                                            IODebugContext* dbg) {
  const std::string name = NameOf(path);
  const std::lock_guard lock(mutex);
  if (!names_.contains(name)) {
    return FileSystemWrapper::DeleteFile(path, options, dbg);
  }
  if (const IOStatus failed = Count(); !failed.ok()) return failed;
  Bury(name);
  Change({name, {}, nullptr});
  return IOStatus::OK();
}

IOStatus FaultyDisk::FileSystem::RenameFile(const std::string& from,
                                            const std::string& to,
                                            const IOOptions& options,
                                            IODebugContext* dbg) {
  const std::string old_name = NameOf(from);
  const std::string new_name = NameOf(to);
  const std::lock_guard lock(mutex);
  const auto found = names_.find(old_name);
  if (found == names_.end()) {
    return FileSystemWrapper::RenameFile(from, to, options, dbg);
  }
  if (const IOStatus failed = Count(); !failed.ok()) return failed;
  Bury(new_name);
  IOStatus renamed = FileSystemWrapper::RenameFile(from, to, options, dbg);
  if (!renamed.ok()) return renamed;
  const InodePtr inode = found->second;
  inode->bytes = to;
  Change({old_name, new_name, inode});
  return renamed;
}

// Those made first: file systems that keep a journal do not reorder changes of
// one directory, and RocksDB relies on it (it syncs once behind a table and
// the manifest that names it).
Names FaultyDisk::FileSystem::SurvivingNames(RandomSource& random) const {
  Names names = durable_;
  const std::uint64_t how = random.Below(3);
  const std::size_t count = how == 0   ? 0
                            : how == 1 ? unsynced_.size()
                                       : random.Below(unsynced_.size() + 1);
  for (std::size_t i = 0; i < count; ++i) Apply(unsynced_[i], names);
  return names;
}

std::string FaultyDisk::FileSystem::SurvivingMark(RandomSource& random) const {
  const std::string& newest = marks_.back();
  const std::string& old = marks_[random.Below(marks_.size())];
  switch (random.Below(8)) {
    case 0:
      return {};
    case 1:
      return old;
    case 2:
      return std::string(newest.size(), '\0');
    case 3: {
      std::string mixed = newest;
      mixed.resize(random.Below(newest.size() + 1));
      if (old.size() > mixed.size()) mixed += old.substr(mixed.size());
      return mixed;
    }
    default:
      return newest;
  }
}

void FaultyDisk::FileSystem::CutPower(const fs::path& to,
                                      RandomSource& random) const {
  const std::lock_guard lock(mutex);
  fs::create_directories(to);
  for (const auto& [name, inode] : SurvivingNames(random)) {
    std::string bytes = ReadAll(inode->bytes);
    bytes.resize(std::max<std::size_t>(bytes.size(), inode->synced));
    std::string tail = Remains(bytes.substr(inode->synced), random);
    bytes.resize(inode->synced);
    WriteAll(to / name, bytes + tail);
  }
  NoteMark();
  WriteAll(to / kMark, SurvivingMark(random));
}

std::unique_ptr<FaultyDisk> FaultyDisk::FileSystem::Kill(
    const fs::path& to) const {
  const std::lock_guard lock(mutex);
  fs::create_directories(to);
  for (const auto& [name, inode] : names_) {
    fs::copy_file(inode->bytes, to / name);
  }
  NoteMark();
  WriteAll(to / kMark, marks_.back());
  auto disk = std::make_unique<FaultyDisk>(to);
  FileSystem& heir = *disk->files_;
  heir.marks_ = marks_;
  std::map<const Inode*, InodePtr> heirs;
  const auto inherit = [&](const InodePtr& inode) {
    if (inode == nullptr) return InodePtr();
    InodePtr& mine = heirs[inode.get()];
    if (mine == nullptr) {
      mine = std::make_shared<Inode>(*inode);
      if (inode->bytes.parent_path() == directory_) {
        mine->bytes = to / inode->bytes.filename();
      } else {
        mine->bytes = heir.graveyard_ / std::to_string(heir.graves_++);
        fs::copy_file(inode->bytes, mine->bytes);
      }
    }
    return mine;
  };
  for (auto& [name, inode] : heir.names_) inode = inherit(names_.at(name));
  heir.durable_.clear();
  for (const auto& [name, inode] : durable_) {
    heir.durable_[name] = inherit(inode);
  }
  for (const NameChange& change : unsynced_) {
    heir.unsynced_.push_back({change.gone, change.made, inherit(change.inode)});
  }
  return disk;
}

struct FaultyDisk::Environment {
  std::unique_ptr<rocksdb::Env> env;
};

FaultyDisk::FaultyDisk(fs::path directory)
    : files_(std::make_shared<FileSystem>(std::move(directory))),
      environment_(std::make_unique<Environment>()) {
  environment_->env = rocksdb::NewCompositeEnv(files_);
}

FaultyDisk::~FaultyDisk() = default;

absl::StatusOr<std::unique_ptr<Store>> FaultyDisk::OpenStore() {
  return RocksStore::Open(files_->directory(), *environment_->env);
}

std::uint64_t FaultyDisk::calls() const {
  const std::lock_guard lock(files_->mutex);
  return files_->calls;
}

void FaultyDisk::BeforeEachCall(std::function<void(std::uint64_t)> hook) {
  const std::lock_guard lock(files_->mutex);
  files_->hook = std::move(hook);
}

void FaultyDisk::FailFrom(std::uint64_t first, Fault fault, bool torn) {
  const std::lock_guard lock(files_->mutex);
  files_->fail_from = first;
  files_->fault = fault;
  files_->torn = torn;
}

void FaultyDisk::Heal() { FailFrom(0, Fault::kFull, false); }

void FaultyDisk::CutPower(const fs::path& to, RandomSource& random) const {
  files_->CutPower(to, random);
}

std::unique_ptr<FaultyDisk> FaultyDisk::Kill(const fs::path& to) const {
  return files_->Kill(to);
}

}  // namespace syncline::testing
