#pragma once

#include <cstddef>
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
  static constexpr std::uint64_t kBytesMax = std::uint64_t{1} << 48;
  static constexpr int kLevelMax = 3;  // Enough for kBytesMax.

  struct Ref {
    Hash hash;
    std::uint32_t bytes = 0;  // Of the chunk itself, also if it is a list.
    friend bool operator==(const Ref&, const Ref&) = default;
  };

  std::uint64_t size = 0;
  Hash hash;
  int level = 0;          // 0: refs are data; n: lists of level n - 1 refs.
  std::vector<Ref> refs;  // In file order.

  // Reads a payload, which may be anything. What it accepts, Encode() gives
  // back byte for byte.
  //   kInvalidArgument  malformed, or not what a writer makes of any file
  static absl::StatusOr<FileContent> Decode(std::string_view payload);
  [[nodiscard]] std::string Encode() const;

  friend bool operator==(const FileContent&, const FileContent&) = default;
};

inline constexpr std::size_t kSymlinkTargetBytesMax = 4095;

// Payload of a symbolic link: its target, marked as such. Decoding refuses an
// empty or too long target and one with a zero byte (kInvalidArgument).
std::string EncodeSymlinkPayload(std::string_view target);
absl::StatusOr<std::string> DecodeSymlinkPayload(std::string_view payload);

// Cuts, hashes and stores a stream of bytes. Thread-compatible; blocks on the
// disk. Chunks are durable only after ChunkStore::Sync().
class ContentWriter {
 public:
  explicit ContentWriter(ChunkStore& chunks);
  ContentWriter();  // Stores nothing: cuts and hashes only.
  ~ContentWriter();
  ContentWriter(const ContentWriter&) = delete;
  ContentWriter& operator=(const ContentWriter&) = delete;

  // Takes the next bytes, in pieces of any length. After a failure the writer
  // is of no more use.
  //   kResourceExhausted  more than FileContent::kBytesMax, or the disk is full
  //   other               from the chunk store
  absl::Status Add(std::string_view bytes);
  // Stores what is left and describes all that was added. Call it once.
  absl::StatusOr<FileContent> Finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// What a writer would say of `bytes`, without storing anything.
absl::StatusOr<FileContent> HashContent(std::string_view bytes);

using ContentSink = std::function<absl::Status(std::string_view)>;

// Hands the bytes of `content` to `sink` in order. Each chunk is verified
// before, and the hash of the whole after its last byte was handed out: what
// the sink was given may be used only once this returns OK.
//   kNotFound  a chunk is missing; see MissingChunks
//   kDataLoss  a chunk is damaged (see DiscardDamaged), or the chunks are not
//              what the payload promises (its author's fault; nothing heals it)
//   other      from the store or from `sink`
absl::Status ReadContent(const ChunkStore& chunks, const FileContent& content,
                         const ContentSink& sink);

// The same for the bytes from `offset` on, at most `length`: reads no data
// outside of them, so the hash of the whole is not verified.
absl::Status ReadContentRange(const ChunkStore& chunks,
                              const FileContent& content, std::uint64_t offset,
                              std::uint64_t length, const ContentSink& sink);

// The chunks of `content` that are not here, each once, in file order. Where a
// list of chunks is itself missing, it alone is named: ask again once it has
// arrived. Does not read data.
//   kDataLoss  a list of chunks is damaged or malformed
absl::StatusOr<std::vector<FileContent::Ref>> MissingChunks(
    const ChunkStore& chunks, const FileContent& content);

// Reads all chunks of `content` and discards the damaged ones, so that they
// are missing from now on and can be fetched again. Returns them.
absl::StatusOr<std::vector<FileContent::Ref>> DiscardDamaged(
    ChunkStore& chunks, const FileContent& content);

}  // namespace syncline
