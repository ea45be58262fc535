#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/hash.h"
#include "kv/store.h"

namespace syncline {

// Immutable pieces of file content, named by their SHA-256.
//
// Small chunks are rows of the store; larger ones are files below the node's
// home ("chunks/ab/<hex>"), written under a private name and renamed by the
// Sync() that makes them durable. A name that is visible is whole.
//
// Durability  Put() alone promises nothing: chunks are durable after Sync().
//             A chunk must be durable before any entry that names it commits.
//
// Thread-safe. Calls block on the disk.
class ChunkStore {
 public:
  // Chunks below this many bytes are rows.
  static constexpr std::size_t kFileBytesMin = 32u << 10;
  // No chunk is larger; longer bytes from a peer are refused.
  static constexpr std::size_t kChunkBytesMax = 256u << 10;

  // Opens the chunk store in directory `dir` (created if missing), removing
  // private names that a crash left. Borrows `store`.
  static absl::StatusOr<std::unique_ptr<ChunkStore>> Open(
      Store& store, const std::filesystem::path& dir);

  virtual ~ChunkStore() = default;

  // Stores `bytes` unless they are there. Returns their hash.
  //   kInvalidArgument    more than kChunkBytesMax, or empty
  //   kResourceExhausted  the disk is full; nothing changed
  //   kFailedPrecondition  as Sync()
  virtual absl::StatusOr<Hash> Put(std::string_view bytes) = 0;
  // The same for bytes whose hash the caller has computed from these bytes.
  virtual absl::Status PutHashed(const Hash& hash, std::string_view bytes) = 0;
  // The same for many: all small ones take one write of the store. On failure
  // some may have been stored, each whole.
  virtual absl::Status PutMany(
      std::span<const std::pair<Hash, std::string_view>> chunks) = 0;

  // Makes all chunks put before the call durable.
  //   kFailedPrecondition  an earlier Sync() failed: what it was given may be
  //                        lost. Open the store again
  virtual absl::Status Sync() = 0;

  // The bytes of a chunk, verified against `hash`.
  //   kNotFound  not here
  //   kDataLoss  the stored bytes do not match; fetch them again
  virtual absl::StatusOr<std::string> Get(const Hash& hash) const = 0;

  [[nodiscard]] virtual bool Has(const Hash& hash) const = 0;

  // Forgets a chunk whose bytes were found damaged, so that it can be put
  // again. Harmless if it is not here.
  virtual absl::Status Discard(const Hash& hash) = 0;
};

}  // namespace syncline
