#include "replication/content_merge.h"

#include <utility>

#include "base/status.h"
#include "kv/file_content.h"
#include "replication/document_limits.h"
#include "replication/json_merge.h"
#include "replication/text_merge.h"

namespace syncline {
namespace {

// The bytes of a payload; nothing if they are too many to be merged.
absl::StatusOr<std::optional<std::string>> Load(const ChunkStore& chunks,
                                                const MergeWork& work,
                                                const std::string& payload) {
  if (work.document) return std::optional<std::string>(payload);
  SYNCLINE_ASSIGN_OR_RETURN(const FileContent content,
                            FileContent::Decode(payload));
  if (content.size > kTextBytesMax) return std::optional<std::string>();
  std::string bytes;
  bytes.reserve(content.size);
  SYNCLINE_RETURN_IF_ERROR(
      ReadContent(chunks, content, [&bytes](std::string_view part) {
        bytes += part;
        return absl::OkStatus();
      }));
  return std::optional<std::string>(std::move(bytes));
}

// The payload that `bytes` become, durable.
absl::StatusOr<std::string> Keep(ChunkStore& chunks, const MergeWork& work,
                                 std::string bytes) {
  if (work.document) return bytes;
  ContentWriter writer(chunks);
  SYNCLINE_RETURN_IF_ERROR(writer.Add(bytes));
  SYNCLINE_ASSIGN_OR_RETURN(const FileContent content, writer.Finish());
  SYNCLINE_RETURN_IF_ERROR(chunks.Sync());
  return content.Encode();
}

// Bytes, and who merged them.
std::optional<Merged> Merge(const MergeWork& work, const MergeInput& input) {
  if (work.custom) {
    if (auto bytes = work.custom(input)) {
      return Merged{*std::move(bytes), "custom"};
    }
  }
  if (!input.ancestor) return std::nullopt;
  if (work.document) {
    const bool swap = !work.second_is_newer;
    auto bytes = MergeJson(*input.ancestor, swap ? input.second : input.first,
                           swap ? input.first : input.second);
    if (!bytes) return std::nullopt;
    return Merged{*std::move(bytes),
                  "json-" + std::to_string(kJsonMergeVersion)};
  }
  auto bytes = MergeText(*input.ancestor, input.first, input.second);
  if (!bytes) return std::nullopt;
  return Merged{*std::move(bytes), "text-" + std::to_string(kTextMergeVersion)};
}

}  // namespace

absl::StatusOr<std::optional<Merged>> RunMerge(ChunkStore& chunks,
                                               const MergeWork& work) {
  MergeInput input;
  input.project = work.project;
  input.path = work.path;
  SYNCLINE_ASSIGN_OR_RETURN(auto first, Load(chunks, work, work.first));
  SYNCLINE_ASSIGN_OR_RETURN(auto second, Load(chunks, work, work.second));
  if (!first || !second) return std::optional<Merged>();
  input.first = *std::move(first);
  input.second = *std::move(second);
  if (work.base) {
    SYNCLINE_ASSIGN_OR_RETURN(input.ancestor, Load(chunks, work, *work.base));
  }
  std::optional<Merged> merged = Merge(work, input);
  const std::size_t bytes_max =
      work.document ? DocumentLimits::kValueBytesMax : 2 * kTextBytesMax;
  if (!merged || merged->payload.size() > bytes_max) {
    return std::optional<Merged>();
  }
  SYNCLINE_ASSIGN_OR_RETURN(merged->payload,
                            Keep(chunks, work, std::move(merged->payload)));
  return merged;
}

}  // namespace syncline
