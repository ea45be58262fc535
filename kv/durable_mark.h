#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "absl/status/statusor.h"

namespace syncline {

// A small file beside a store with two duties: its lock says that the store is
// in use, and its content how far the store was last synced.
//
// The number is written after each sync and not synced itself, so after a loss
// of power it may be too low, but never too high: a store that recovers less
// than it says has lost what it had promised to keep.
//
// Thread-compatible.
class DurableMark {
 public:
  // Opens `file`, creating it if missing, and holds its lock until destroyed.
  //   kFailedPrecondition  somebody else holds it, in this process or another
  static absl::StatusOr<std::unique_ptr<DurableMark>> Open(
      const std::filesystem::path& file);

  ~DurableMark();
  DurableMark(const DurableMark&) = delete;
  DurableMark& operator=(const DurableMark&) = delete;

  // 0 if nothing was synced, or if the file is not whole.
  [[nodiscard]] std::uint64_t synced() const { return synced_; }

  // Remembers that all up to `number` is durable. A failure to write it only
  // leaves the mark low, so there is nothing to report.
  void Advance(std::uint64_t number);

 private:
  explicit DurableMark(int file) : file_(file) {}
  void Load();

  const int file_;
  std::uint64_t synced_ = 0;
};

}  // namespace syncline
