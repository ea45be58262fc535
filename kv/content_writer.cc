#include <array>
#include <utility>

#include "base/check.h"
#include "base/status.h"
#include "kv/chunker.h"
#include "kv/content_list.h"
#include "kv/file_content.h"

namespace syncline {

struct ContentWriter::Impl {
  explicit Impl(ChunkStore* store) : chunks(store) {}

  absl::Status Add(std::string_view bytes) {
    if (bytes.size() > FileContent::kBytesMax - size) {
      return MakeStatus(absl::StatusCode::kResourceExhausted,
                        "a file is larger than 256 TiB");
    }
    size += bytes.size();
    while (!bytes.empty()) {
      const Chunker::Step step = chunker.Scan(bytes);
      const std::string_view part = bytes.substr(0, step.bytes);
      bytes.remove_prefix(step.bytes);
      if (!step.cut) {
        partial.append(part);
      } else if (partial.empty()) {  // The common case copies nothing.
        SYNCLINE_RETURN_IF_ERROR(AddChunk(part));
      } else {
        partial.append(part);
        SYNCLINE_RETURN_IF_ERROR(AddChunk(partial));
        partial.clear();
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<FileContent> Finish() {
    if (!partial.empty()) SYNCLINE_RETURN_IF_ERROR(AddChunk(partial));
    FileContent content;
    content.size = size;
    // One chunk: its hash is that of the whole.
    content.hash = totals[0] == 1 ? levels[0][0].hash : whole.Finish();
    while (totals[content.level] > FileContent::kInlineRefsMax) {
      if (!levels[content.level].empty()) {
        SYNCLINE_RETURN_IF_ERROR(AddList(content.level));
      }
      ++content.level;
    }
    content.refs = std::move(levels[content.level]);
    return content;
  }

  absl::Status AddChunk(std::string_view bytes) {
    // The first chunk waits: alone, it need not be hashed twice.
    if (totals[0] == 0) {
      first.assign(bytes);
    } else {
      if (totals[0] == 1) whole.Add(std::exchange(first, {}));
      whole.Add(bytes);
    }
    return AddRef(0, bytes);
  }

  // Stores `bytes` and remembers them as one more reference of `level`.
  absl::Status AddRef(int level, std::string_view bytes) {
    FileContent::Ref ref{Sha256(bytes),
                         static_cast<std::uint32_t>(bytes.size())};
    if (chunks != nullptr) {
      SYNCLINE_RETURN_IF_ERROR(chunks->PutHashed(ref.hash, bytes));
    }
    levels[level].push_back(ref);
    ++totals[level];
    return levels[level].size() == kListRefsMax ? AddList(level)
                                                : absl::OkStatus();
  }

  absl::Status AddList(int level) {
    SYNCLINE_CHECK(level < FileContent::kLevelMax,
                   "the limit on size keeps levels below theirs");
    const std::string list = EncodeList(level, levels[level]);
    levels[level].clear();
    return AddRef(level + 1, list);
  }

  ChunkStore* const chunks;  // Null: only hash.
  Chunker chunker;
  Sha256Stream whole;
  std::uint64_t size = 0;
  std::string partial;  // Of the chunk under way.
  std::string first;    // The first chunk, until there is a second.
  // References of each level that no list holds yet, and how many there are
  // with those in lists.
  std::array<std::vector<FileContent::Ref>, FileContent::kLevelMax + 1> levels;
  std::array<std::uint64_t, FileContent::kLevelMax + 1> totals{};
};

ContentWriter::ContentWriter(ChunkStore& chunks)
    : impl_(std::make_unique<Impl>(&chunks)) {}
ContentWriter::ContentWriter() : impl_(std::make_unique<Impl>(nullptr)) {}
ContentWriter::~ContentWriter() = default;

absl::Status ContentWriter::Add(std::string_view bytes) {
  return impl_->Add(bytes);
}

absl::StatusOr<FileContent> ContentWriter::Finish() { return impl_->Finish(); }

absl::StatusOr<FileContent> HashContent(std::string_view bytes) {
  ContentWriter writer;
  SYNCLINE_RETURN_IF_ERROR(writer.Add(bytes));
  return writer.Finish();
}

}  // namespace syncline
