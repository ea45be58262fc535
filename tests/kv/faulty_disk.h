#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "base/random.h"
#include "kv/store.h"

namespace syncline::testing {

// The disk below one RocksStore, told apart into what would survive a loss of
// power and what would not: bytes behind the last fsync of their file, and
// names that were made, moved or removed behind the last fsync of their
// directory. Nothing is really synced, so it is fast.
//
// Of the durable mark, which does not go through RocksDB, any content that it
// ever had may survive, or none, or nonsense: it is never synced.
//
// Thread-safe.
class FaultyDisk {
 public:
  // What fails.
  enum class Fault : std::uint8_t { kFull, kBroken };

  // Everything that is in `directory` counts as durable.
  explicit FaultyDisk(std::filesystem::path directory);
  ~FaultyDisk();  // Stores on it must be closed.
  FaultyDisk(const FaultyDisk&) = delete;
  FaultyDisk& operator=(const FaultyDisk&) = delete;

  absl::StatusOr<std::unique_ptr<Store>> OpenStore();

  // Calls that changed the disk so far: bytes added, syncs, names.
  [[nodiscard]] std::uint64_t calls() const;
  // Is called before each of them takes place, with its number, from 1 up, and
  // holds all others up. It may call CutPower() and Kill().
  void BeforeEachCall(std::function<void(std::uint64_t)> hook);
  // From call number `first` on, all fail; torn: the first one, if it adds
  // bytes, adds a part of them.
  void FailFrom(std::uint64_t first, Fault fault, bool torn);
  void Heal();

  // Fills the new directory `to` with what a loss of power at this moment
  // might leave, drawn from `random`: of unsynced bytes nothing, all, a part
  // that ends at any byte, or pages of zeros and garbage among them; of names
  // that were not synced those that changed first.
  void CutPower(const std::filesystem::path& to, RandomSource& random) const;
  // The process dies, the machine does not: the files as they are, and what
  // is not durable yet is so still.
  [[nodiscard]] std::unique_ptr<FaultyDisk> Kill(
      const std::filesystem::path& to) const;

 private:
  class FileSystem;
  std::shared_ptr<FileSystem> files_;
  struct Environment;
  std::unique_ptr<Environment> environment_;
};

}  // namespace syncline::testing
