#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "absl/status/status.h"
#include "base/hash.h"

namespace rocksdb {
class Iterator;
}

// What Syncline's log is compared with: RocksDB as a log, without Syncline
// around it, set up as a node's store is (kv/rocks_options).

namespace syncline::testing {

// Values under (project, seq), and nothing else.
class RawLog {
 public:
  // Opens or creates.
  explicit RawLog(const std::filesystem::path& dir);
  ~RawLog();
  RawLog(const RawLog&) = delete;
  RawLog& operator=(const RawLog&) = delete;

  // To the group that the next Write() writes in one batch.
  void Add(std::uint32_t project, std::uint64_t seq, std::string_view value);
  // A row of another column, as a log needs a few.
  void AddRow(std::string_view key, std::string_view value);
  void Write(bool sync);

  // Over all values of one project. Must not outlive this.
  [[nodiscard]] std::unique_ptr<rocksdb::Iterator> Iterate(
      std::uint32_t project) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The least that a log can be which does what Syncline's does: callers on a
// loop; what arrives in one turn is one batch; a checksum and a chain hash for
// each entry; one index row and one head row for each group.
class LightLog {
 public:
  using Done = std::function<void(const absl::Status&)>;

  LightLog(const std::filesystem::path& dir, boost::asio::io_context& io,
           bool sync);

  void Append(std::string_view entry, Done done);

 private:
  struct Pending {
    std::string entry;
    Done done;
  };
  void Flush();

  RawLog log_;
  boost::asio::io_context& io_;
  const bool sync_;
  std::vector<Pending> pending_;
  std::vector<Pending> writing_;
  std::string value_;
  Hash chain_;
  std::uint64_t seq_ = 0;
};

}  // namespace syncline::testing
