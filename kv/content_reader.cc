#include <algorithm>
#include <set>
#include <tuple>
#include <unordered_set>
#include <utility>

#include "base/status.h"
#include "kv/content_list.h"
#include "kv/file_content.h"

namespace syncline {
namespace {

using Ref = FileContent::Ref;

// Visits the chunks of a content in file order, descending into its lists.
class Walk {
 public:
  // kEachListOnce bounds the work by what is stored, where the order and
  // number of chunks do not matter: a few lists that name each other many
  // times over can promise a file of terabytes.
  enum class Lists : std::uint8_t { kAll, kEachListOnce };

  // Called for each data chunk.
  using OnData = std::function<absl::Status(const Ref&)>;
  // Called for each list that could not be read, with the reason.
  using OnBadList = std::function<absl::Status(const Ref&, absl::Status)>;

  Walk(const ChunkStore& chunks, Lists lists, OnData on_data,
       OnBadList on_bad_list)
      : chunks_(chunks),
        lists_(lists),
        on_data_(std::move(on_data)),
        on_bad_list_(std::move(on_bad_list)) {}

  absl::Status Run(const FileContent& content) {
    return Visit(content.refs, content.level, true);
  }

 private:
  absl::Status Visit(const std::vector<Ref>& refs, int level, bool last) {
    for (const Ref& ref : refs) {
      if (level == 0) {
        SYNCLINE_RETURN_IF_ERROR(on_data_(ref));
        continue;
      }
      const bool ends = last && &ref == &refs.back();
      if (lists_ == Lists::kEachListOnce &&
          !seen_.emplace(ref.hash, level, ends).second) {
        continue;
      }
      auto list = chunks_.Get(ref.hash);
      if (!list.ok()) {
        SYNCLINE_RETURN_IF_ERROR(on_bad_list_(ref, list.status()));
        continue;
      }
      if (list->size() != ref.bytes) {
        return DataLoss("a list of chunks has another length than promised");
      }
      SYNCLINE_ASSIGN_OR_RETURN(auto below, DecodeList(*list, level - 1, ends));
      SYNCLINE_RETURN_IF_ERROR(Visit(below, level - 1, ends));
    }
    return absl::OkStatus();
  }

  const ChunkStore& chunks_;
  const Lists lists_;
  std::set<std::tuple<Hash, int, bool>> seen_;
  const OnData on_data_;
  const OnBadList on_bad_list_;
};

absl::Status Fail(const Ref&, absl::Status why) { return why; }

absl::StatusOr<std::string> ReadData(const ChunkStore& chunks, const Ref& ref) {
  SYNCLINE_ASSIGN_OR_RETURN(std::string bytes, chunks.Get(ref.hash));
  if (bytes.size() != ref.bytes) {
    return DataLoss("a chunk has another length than promised");
  }
  return bytes;
}

}  // namespace

absl::Status ReadContent(const ChunkStore& chunks, const FileContent& content,
                         const ContentSink& sink) {
  // A single chunk's hash is that of the whole, as Decode() has made sure.
  const bool single = content.level == 0 && content.refs.size() == 1;
  Sha256Stream whole;
  std::uint64_t size = 0;
  const auto on_data = [&](const Ref& ref) -> absl::Status {
    SYNCLINE_ASSIGN_OR_RETURN(const std::string bytes, ReadData(chunks, ref));
    size += bytes.size();
    if (size > content.size) return DataLoss("content is longer than promised");
    if (!single) whole.Add(bytes);
    return sink(bytes);
  };
  SYNCLINE_RETURN_IF_ERROR(
      Walk(chunks, Walk::Lists::kAll, on_data, Fail).Run(content));
  const Hash hash = single ? content.refs[0].hash : whole.Finish();
  if (size != content.size || hash != content.hash) {
    return DataLoss("content is not what its payload promises");
  }
  return absl::OkStatus();
}

absl::Status ReadContentRange(const ChunkStore& chunks,
                              const FileContent& content, std::uint64_t offset,
                              std::uint64_t length, const ContentSink& sink) {
  const std::uint64_t begin = std::min(offset, content.size);
  const std::uint64_t end = begin + std::min(length, content.size - begin);
  if (begin == end) return absl::OkStatus();
  std::uint64_t at = 0;
  bool done = false;
  const auto on_data = [&](const Ref& ref) -> absl::Status {
    const std::uint64_t from = std::max(begin, at);
    const std::uint64_t to = std::min<std::uint64_t>(end, at + ref.bytes);
    const std::uint64_t start = std::exchange(at, at + ref.bytes);
    if (from >= to) return absl::OkStatus();
    SYNCLINE_ASSIGN_OR_RETURN(const std::string bytes, ReadData(chunks, ref));
    SYNCLINE_RETURN_IF_ERROR(
        sink(std::string_view(bytes).substr(from - start, to - from)));
    done = to == end;
    return done ? absl::CancelledError() : absl::OkStatus();  // Ends the walk.
  };
  const absl::Status walked =
      Walk(chunks, Walk::Lists::kAll, on_data, Fail).Run(content);
  if (done) return absl::OkStatus();
  if (!walked.ok()) return walked;
  return DataLoss("content is shorter than promised");
}

absl::StatusOr<std::vector<Ref>> MissingChunks(const ChunkStore& chunks,
                                               const FileContent& content) {
  std::vector<Ref> missing;
  std::unordered_set<Hash> seen;
  const auto add = [&](const Ref& ref) {
    if (seen.insert(ref.hash).second) missing.push_back(ref);
  };
  const auto on_data = [&](const Ref& ref) {
    if (!chunks.Has(ref.hash)) add(ref);
    return absl::OkStatus();
  };
  const auto on_bad_list = [&](const Ref& ref, absl::Status why) {
    if (why.code() != absl::StatusCode::kNotFound) return why;
    add(ref);
    return absl::OkStatus();
  };
  Walk walk(chunks, Walk::Lists::kEachListOnce, on_data, on_bad_list);
  SYNCLINE_RETURN_IF_ERROR(walk.Run(content));
  return missing;
}

absl::StatusOr<std::vector<Ref>> DiscardDamaged(ChunkStore& chunks,
                                                const FileContent& content) {
  std::vector<Ref> damaged;
  const auto on_bad = [&](const Ref& ref, absl::Status why) {
    if (why.code() == absl::StatusCode::kNotFound) return absl::OkStatus();
    if (why.code() != absl::StatusCode::kDataLoss) return why;
    damaged.push_back(ref);
    return chunks.Discard(ref.hash);
  };
  const auto on_data = [&](const Ref& ref) {
    auto bytes = chunks.Get(ref.hash);
    return bytes.ok() ? absl::OkStatus() : on_bad(ref, bytes.status());
  };
  Walk walk(chunks, Walk::Lists::kEachListOnce, on_data, on_bad);
  SYNCLINE_RETURN_IF_ERROR(walk.Run(content));
  return damaged;
}

}  // namespace syncline
