#include "bench/raw_log.h"

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <utility>

#include <boost/asio/post.hpp>

#include "base/bytes.h"
#include "bench/harness.h"
#include "kv/rocks_open.h"
#include "kv/rocks_status.h"

namespace syncline::testing {
namespace {

rocksdb::Slice ToSlice(std::string_view bytes) {
  return {bytes.data(), bytes.size()};
}

std::string ProjectKey(std::uint32_t project) {
  std::string key;
  AppendU32(key, project);
  return key;
}

}  // namespace

struct RawLog::Impl {
  explicit Impl(RocksDatabase opened) : database(std::move(opened)) {}

  RocksDatabase database;
  rocksdb::WriteBatch batch;
  std::string key;
  // Iterators borrow them.
  mutable std::string end;
  mutable rocksdb::Slice end_slice;
};

RawLog::RawLog(const std::filesystem::path& dir)
    : impl_(std::make_unique<Impl>(Must(OpenRocksDatabase(dir, 0, nullptr)))) {}

RawLog::~RawLog() = default;

void RawLog::Add(std::uint32_t project, std::uint64_t seq,
                 std::string_view value) {
  impl_->key.clear();
  AppendU32(impl_->key, project);
  AppendU64(impl_->key, seq);
  Must(FromRocks(impl_->batch.Put(impl_->database.Handle(Column::kLog),
                                  impl_->key, ToSlice(value))));
}

void RawLog::AddRow(std::string_view key, std::string_view value) {
  Must(FromRocks(impl_->batch.Put(impl_->database.Handle(Column::kProjects),
                                  ToSlice(key), ToSlice(value))));
}

void RawLog::Write(bool sync) {
  rocksdb::WriteOptions options;
  options.sync = sync;
  Must(FromRocks(impl_->database.db->Write(options, &impl_->batch)));
  impl_->batch.Clear();
}

std::unique_ptr<rocksdb::Iterator> RawLog::Iterate(
    std::uint32_t project) const {
  impl_->end = ProjectKey(project + 1);
  impl_->end_slice = impl_->end;
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  options.iterate_upper_bound = &impl_->end_slice;
  std::unique_ptr<rocksdb::Iterator> iterator(impl_->database.db->NewIterator(
      options, impl_->database.Handle(Column::kLog)));
  iterator->Seek(ProjectKey(project));
  return iterator;
}

// ---- light

LightLog::LightLog(const std::filesystem::path& dir,
                   boost::asio::io_context& io, bool sync)
    : log_(dir), io_(io), sync_(sync) {}

void LightLog::Append(std::string_view entry, Done done) {
  if (pending_.empty()) boost::asio::post(io_, [this] { Flush(); });
  pending_.push_back({std::string(entry), std::move(done)});
}

void LightLog::Flush() {
  std::swap(pending_, writing_);
  for (const Pending& append : writing_) {
    value_.clear();
    AppendU32(value_, static_cast<std::uint32_t>(append.entry.size()));
    AppendU32(value_, Crc32c(append.entry));
    value_ += append.entry;
    chain_ = Sha256(chain_.view(), append.entry);
    log_.Add(1, ++seq_, value_);
  }
  std::string index = "index";
  AppendU64(index, seq_);
  log_.AddRow(index, chain_.view());
  std::string head;
  AppendU64(head, seq_);
  log_.AddRow("head", head);
  log_.Write(sync_);
  for (Pending& append : writing_) append.done(absl::OkStatus());
  writing_.clear();
}

}  // namespace syncline::testing
