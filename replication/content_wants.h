#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/hash.h"
#include "kv/chunk_store.h"
#include "kv/file_content.h"
#include "kv/keys.h"
#include "kv/store.h"

namespace syncline {

// The chunks that a project's entries name and this node has not got yet.
// Survives restarts: each payload that lacks chunks has a row, written in the
// batch of the entry that names it; which chunks those are is worked out anew
// at Open(). Bound to the project's executor.
class ContentWants {
 public:
  struct Want {
    Hash hash;
    std::uint32_t bytes = 0;
  };

  // Reads the wants of `project`. Borrows both stores.
  static absl::StatusOr<std::unique_ptr<ContentWants>> Open(
      Store& store, const ChunkStore& chunks, ProjectNumber project);

  ~ContentWants();
  ContentWants(const ContentWants&) = delete;
  ContentWants& operator=(const ContentWants&) = delete;

  // Adds what `payload` (of a file) names and the chunk store lacks, and the
  // rows to be written for it. Symlink and malformed payloads name nothing.
  //   kDataLoss  a list of chunks is malformed: its author is broken; the
  //              payload stays incomplete and nothing is wanted for it
  absl::Status AddPayload(std::string_view payload, WriteBatch& rows);

  // Up to `limit` wants, and about `bytes_max` bytes of them (at least one
  // want), that are not taken yet, small ones first. A taken want is left out
  // until it arrived or was released.
  std::vector<Want> Take(std::size_t limit, std::uint64_t bytes_max);
  // A taken want that could not be had from that peer: offer it again.
  void Release(const Hash& hash);
  // A chunk is durable in the chunk store. Adds what a list of chunks names;
  // gets the row of a payload that is complete now deleted. Unwanted chunks
  // are ignored.
  absl::Status Arrived(const Hash& hash, WriteBatch& rows);

  // Whether `payload` was named by AddPayload() and some of it has not arrived.
  [[nodiscard]] bool Awaits(std::string_view payload) const;

  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] std::uint64_t bytes() const;

  // Called after every Arrived() and every AddPayload() that added wants.
  // Destroying the handle cancels.
  class Watch {
   public:
    virtual ~Watch() = default;
  };
  [[nodiscard]] std::unique_ptr<Watch> OnChange(std::function<void()> changed);

 private:
  struct Impl;
  explicit ContentWants(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace syncline
