#include "kv/rocks_options.h"

#include <rocksdb/cache.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/table.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>

namespace syncline {
namespace {

struct ColumnSetup {
  Column column;
  std::string_view name;
  bool bloom;  // Where rows are looked up that are often not there.
  std::size_t block_bytes;
};

constexpr std::array<ColumnSetup, kColumnCount> kSetups = {{
    {Column::kProjects, "projects", false, 4u << 10},
    {Column::kLog, "log", false, 32u << 10},  // Read in long runs.
    {Column::kDots, "dots", false, 4u << 10},
    {Column::kHeads, "heads", true, 4u << 10},
    {Column::kTree, "tree", true, 4u << 10},
    {Column::kChains, "chains", true, 4u << 10},
    {Column::kMirror, "mirror", true, 4u << 10},
    {Column::kChunks, "chunks", true, 16u << 10},
    {Column::kPeers, "peers", false, 4u << 10},
    {Column::kMeta, "meta", false, 4u << 10},
}};

constexpr std::size_t kWriteBufferBytes = 4u << 20;
constexpr std::size_t kCacheBytes = 4u << 20;
// Bounds what an open has to replay when some columns are hardly written to.
// Write-ahead logs are not recycled, though a sync of a file that does not grow
// is cheaper: RocksDB does so only where its recovery skips damaged records,
// and ours must not (kv/rocks_open.cc). They have room instead
// (kv/wal_files.h).
constexpr std::size_t kWalBytesMax = 16u << 20;

rocksdb::ColumnFamilyOptions OptionsOf(
    const ColumnSetup& setup, const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.block_size = setup.block_bytes;
  table.cache_index_and_filter_blocks = true;
  table.format_version = 5;
  if (setup.bloom) {
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    // In parts: a large project's are larger as a whole than what the cache
    // keeps, and every lookup would read them anew.
    table.partition_filters = true;
    table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  }

  rocksdb::ColumnFamilyOptions options;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.compression = rocksdb::kLZ4Compression;
  options.write_buffer_size = kWriteBufferBytes;
  // Ten columns share one write buffer: with the default of an eighth of it
  // per block, the first rows of each would fill it.
  options.arena_block_size = 64u << 10;
  options.target_file_size_base = 16u << 20;
  options.max_bytes_for_level_base = 64u << 20;
  options.level_compaction_dynamic_level_bytes = true;
  // No memtable_insert_with_hint_prefix_extractor, though thousands of logs
  // that grow in turn would be written faster with it: RocksDB 7.8 shares a
  // prefix's hint between rows and range deletions, which are how logs are
  // truncated, and then follows it into the wrong table.
  return options;
}

// RocksDB's own log, on the disk that may be full: a line that cannot be
// written aborts the process where RocksDB has its assertions on, and whatever
// matters comes as a status.
class NoLog final : public rocksdb::Logger {
 public:
  void Logv(const char*, va_list) override {}
};

// RocksDB goes on by itself when a full disk has room again, with a
// write-ahead log that it could not write to. A store that failed is opened
// again instead.
class NoRecovery final : public rocksdb::EventListener {
 public:
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status,
                            bool* auto_recovery) override {
    *auto_recovery = false;
  }
};

}  // namespace

std::string ColumnName(Column column) {
  const auto* setup =
      std::find_if(kSetups.begin(), kSetups.end(),
                   [&](const auto& each) { return each.column == column; });
  return std::string(setup->name);
}

rocksdb::DBOptions EmbeddedOptions() {
  rocksdb::DBOptions options;
  options.db_write_buffer_size = kWriteBufferBytes;
  options.max_total_wal_size = kWalBytesMax;
  options.max_background_jobs = 1;
  options.max_open_files = 256;
  options.max_file_opening_threads = 1;
  // One thread writes at a time; costs nothing and saves memory.
  options.allow_concurrent_memtable_write = false;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.skip_stats_update_on_db_open = true;
  options.info_log = std::make_shared<NoLog>();
  options.info_log_level = rocksdb::FATAL_LEVEL;
  options.listeners.push_back(std::make_shared<NoRecovery>());
  return options;
}

std::vector<rocksdb::ColumnFamilyDescriptor> ColumnDescriptors() {
  auto cache = rocksdb::NewLRUCache(kCacheBytes);
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  constexpr ColumnSetup kUnused = {Column::kMeta, "default", false, 4u << 10};
  descriptors.emplace_back(rocksdb::kDefaultColumnFamilyName,
                           OptionsOf(kUnused, cache));
  for (const ColumnSetup& setup : kSetups) {
    descriptors.emplace_back(std::string(setup.name), OptionsOf(setup, cache));
  }
  return descriptors;
}

}  // namespace syncline
