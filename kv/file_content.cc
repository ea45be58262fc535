#include "kv/file_content.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/status.h"
#include "kv/chunker.h"
#include "kv/content_list.h"

namespace syncline {
namespace {

// First byte of a payload or a list: what it is, and in which format.
constexpr std::uint8_t kFileTag = 1;
constexpr std::uint8_t kSymlinkTag = 2;
constexpr std::uint8_t kListTag = 3;

constexpr std::uint32_t kDataBytesMax = Chunker::kBytesMax;
// A list of 1024 references with three bytes of length each fits well within.
constexpr std::uint32_t kListBytesMax = 64u << 10;

std::vector<FileContent::Ref> ReadRefs(ByteReader& reader,
                                       std::size_t count_max) {
  std::vector<FileContent::Ref> refs;
  const std::uint64_t count = reader.Varint();
  if (count > count_max) reader.Bytes(SIZE_MAX);  // Makes it not ok.
  for (std::uint64_t i = 0; reader.ok() && i < count; ++i) {
    FileContent::Ref ref;
    const std::uint64_t bytes = reader.Varint();
    const auto hash = Hash::FromBytes(reader.Bytes(Hash::kBytes));
    if (!hash.has_value() || bytes > kDataBytesMax) {
      reader.Bytes(SIZE_MAX);
      break;
    }
    ref.hash = *hash;
    ref.bytes = static_cast<std::uint32_t>(bytes);
    refs.push_back(ref);
  }
  return refs;
}

bool HaveValidSizes(const std::vector<FileContent::Ref>& refs, int level,
                    bool last) {
  for (const auto& ref : refs) {
    if (!RefHasValidSize(ref, level, last && &ref == &refs.back())) {
      return false;
    }
  }
  return true;
}

// Whether a file of that size can have that many references at that level.
bool IsPlausible(const FileContent& content) {
  const std::uint64_t count = content.refs.size();
  if (count == 0 || count > FileContent::kInlineRefsMax) return false;
  if (!HaveValidSizes(content.refs, content.level, true)) return false;
  if (content.level == 0) {
    std::uint64_t sum = 0;
    for (const auto& ref : content.refs) sum += ref.bytes;
    return sum == content.size &&
           (count > 1 || content.refs[0].hash == content.hash);
  }
  std::uint64_t per_ref = 1;  // Data chunks below a full reference.
  for (int i = 0; i < content.level; ++i) per_ref *= kListRefsMax;
  const std::uint64_t most = count * per_ref;
  // Fewer would have fitted into a payload of the level below.
  const std::uint64_t least =
      std::max((count - 1) * per_ref + 1,
               FileContent::kInlineRefsMax * (per_ref / kListRefsMax) + 1);
  return content.size <= most * Chunker::kBytesMax &&
         content.size > (least - 1) * (Chunker::kBytesMin + 1);
}

absl::Status Malformed() {
  return InvalidArgument("the payload of a file is malformed");
}

}  // namespace

bool RefHasValidSize(const FileContent::Ref& ref, int level, bool last) {
  if (level > 0) return ref.bytes > 0 && ref.bytes <= kListBytesMax;
  return ref.bytes <= kDataBytesMax &&
         ref.bytes > (last ? 0 : Chunker::kBytesMin);
}

void AppendRefs(std::string& out, const std::vector<FileContent::Ref>& refs) {
  AppendVarint(out, refs.size());
  for (const FileContent::Ref& ref : refs) {
    AppendVarint(out, ref.bytes);
    out.append(ref.hash.view());
  }
}

std::string EncodeList(int level, const std::vector<FileContent::Ref>& refs) {
  std::string list;
  list.reserve(4 + refs.size() * (Hash::kBytes + 3));
  list.push_back(static_cast<char>(kListTag));
  list.push_back(static_cast<char>(level));
  AppendRefs(list, refs);
  return list;
}

absl::StatusOr<std::vector<FileContent::Ref>> DecodeList(std::string_view bytes,
                                                         int level, bool last) {
  ByteReader reader(bytes);
  const bool tagged = reader.U8() == kListTag && reader.U8() == level;
  auto refs = ReadRefs(reader, kListRefsMax);
  const bool full = refs.size() == kListRefsMax || (last && !refs.empty());
  if (!tagged || !reader.AtEnd() || !full ||
      !HaveValidSizes(refs, level, last) || EncodeList(level, refs) != bytes) {
    return DataLoss("a list of chunks is malformed");
  }
  return refs;
}

absl::StatusOr<FileContent> FileContent::Decode(std::string_view payload) {
  ByteReader reader(payload);
  FileContent content;
  if (reader.U8() != kFileTag) return Malformed();
  content.size = reader.Varint();
  if (content.size > kBytesMax) return Malformed();
  if (content.size == 0) {
    content.hash = Sha256({});
  } else {
    const auto hash = Hash::FromBytes(reader.Bytes(Hash::kBytes));
    if (!hash.has_value()) return Malformed();
    content.hash = *hash;
    if (content.size <= kSingleChunkBytes) {
      content.refs = {{*hash, static_cast<std::uint32_t>(content.size)}};
    } else {
      content.level = reader.U8();
      content.refs = ReadRefs(reader, kInlineRefsMax);
      if (content.level > kLevelMax || !IsPlausible(content)) {
        return Malformed();
      }
    }
  }
  // The second also refuses numbers with needless bytes.
  if (!reader.AtEnd() || content.Encode() != payload) return Malformed();
  return content;
}

std::string FileContent::Encode() const {
  std::string payload;
  payload.push_back(static_cast<char>(kFileTag));
  AppendVarint(payload, size);
  if (size == 0) return payload;
  payload.append(hash.view());
  if (size <= kSingleChunkBytes) return payload;
  payload.push_back(static_cast<char>(level));
  AppendRefs(payload, refs);
  return payload;
}

std::string EncodeSymlinkPayload(std::string_view target) {
  std::string payload(1, static_cast<char>(kSymlinkTag));
  payload.append(target);
  return payload;
}

absl::StatusOr<std::string> DecodeSymlinkPayload(std::string_view payload) {
  ByteReader reader(payload);
  const bool tagged = reader.U8() == kSymlinkTag;
  const std::string_view target = reader.rest();
  if (!tagged || target.empty() || target.size() > kSymlinkTargetBytesMax ||
      target.find('\0') != std::string_view::npos) {
    return InvalidArgument("the payload of a symbolic link is malformed");
  }
  return std::string(target);
}

}  // namespace syncline
