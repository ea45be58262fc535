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

namespace syncline {

// What the payload of a file says: size, hash of the whole, and where the
// bytes are. Equal bytes always give equal payloads: the chunking parameters
// are part of the format. Format: kv/CONTENT_FORMAT.md.
//
// A file of up to kSingleChunkBytes is one chunk (none if empty). A longer one
// is cut by FastCDC (16/64/256 KiB). More than kInlineRefsMax chunks are
// listed in chunks of their own, level by level, so that a payload never grows
// with its file.
struct FileContent {
  static constexpr std::uint64_t kSingleChunkBytes = 16u << 10;
  static constexpr std::size_t kInlineRefsMax = 32;

  struct Ref {
    Hash hash;
    std::uint32_t bytes = 0;
    friend bool operator==(const Ref&, const Ref&) = default;
  };

  std::uint64_t size = 0;
  Hash hash;
  int level = 0;          // 0: refs are data; n: lists of level n - 1 refs.
  std::vector<Ref> refs;  // In file order.

  // Reads a payload, which may be anything.
  //   kInvalidArgument  malformed
  static absl::StatusOr<FileContent> Decode(std::string_view payload);
  [[nodiscard]] std::string Encode() const;

  friend bool operator==(const FileContent&, const FileContent&) = default;
};

// Payload of a symbolic link: its target, marked as such.
std::string EncodeSymlinkPayload(std::string_view target);
absl::StatusOr<std::string> DecodeSymlinkPayload(std::string_view payload);

// Cuts, hashes and stores a stream of bytes. Thread-compatible; blocks on the
// disk. Chunks are durable only after ChunkStore::Sync().
class ContentWriter {
 public:
  explicit ContentWriter(ChunkStore& chunks);
  ~ContentWriter();
  ContentWriter(const ContentWriter&) = delete;
  ContentWriter& operator=(const ContentWriter&) = delete;

  absl::Status Add(std::string_view bytes);
  // Stores what is left and describes all that was added.
  absl::StatusOr<FileContent> Finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Computes the FileContent of bytes without storing them (`Add` then
// `Finish` with a writer that has no store): see HashContent.
absl::StatusOr<FileContent> HashContent(std::string_view bytes);

// Hands the bytes of `content` to `sink` in order, each chunk verified.
//   kNotFound  a chunk is missing; see MissingChunks
//   other      from the store or from `sink`
absl::Status ReadContent(
    const ChunkStore& chunks, const FileContent& content,
    const std::function<absl::Status(std::string_view)>& sink);

// The chunks of `content` that are not here. Where a list of chunks is itself
// missing, it alone is named: ask again once it has arrived.
//   kDataLoss  a list of chunks is malformed
absl::StatusOr<std::vector<FileContent::Ref>> MissingChunks(
    const ChunkStore& chunks, const FileContent& content);

}  // namespace syncline
