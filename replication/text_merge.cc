#include "replication/text_merge.h"

#include <git2.h>

#include <algorithm>

#include "base/check.h"

namespace syncline {
namespace {

// Once per process; never shut down, as a worker may still be merging.
void StartLibrary() {
  static const int kStarted = git_libgit2_init();
  SYNCLINE_CHECK(kStarted > 0, "libgit2 does not start");
}

git_merge_file_input InputOf(std::string_view text) {
  git_merge_file_input input = GIT_MERGE_FILE_INPUT_INIT;
  input.ptr = text.empty() ? "" : text.data();
  input.size = text.size();
  return input;
}

int AppendLine(const git_diff_delta*, const git_diff_hunk*,
               const git_diff_line* line, void* out) {
  auto& text = *static_cast<std::string*>(out);
  switch (line->origin) {
    case GIT_DIFF_LINE_CONTEXT:
    case GIT_DIFF_LINE_ADDITION:
    case GIT_DIFF_LINE_DELETION:
      text.push_back(line->origin);
      break;
    case GIT_DIFF_LINE_FILE_HDR:
      return 0;
    default:  // Heads of hunks, and "no newline at the end".
      break;
  }
  text.append(line->content, line->content_len);
  return 0;
}

}  // namespace

bool IsText(std::string_view bytes) {
  constexpr std::size_t kLookedAt = 8u << 10;
  return bytes.size() <= kTextBytesMax &&
         bytes.substr(0, kLookedAt).find('\0') == std::string_view::npos;
}

std::optional<std::string> MergeText(std::string_view base,
                                     std::string_view first,
                                     std::string_view second) {
  if (!IsText(base) || !IsText(first) || !IsText(second)) return std::nullopt;
  StartLibrary();
  // In one order, whatever that of the arguments.
  if (second < first) std::swap(first, second);
  const git_merge_file_input ancestor = InputOf(base);
  const git_merge_file_input ours = InputOf(first);
  const git_merge_file_input theirs = InputOf(second);
  git_merge_file_result result{};
  if (git_merge_file(&result, &ancestor, &ours, &theirs, nullptr) != 0) {
    return std::nullopt;
  }
  std::optional<std::string> merged;
  if (result.automergeable != 0) merged.emplace(result.ptr, result.len);
  git_merge_file_result_free(&result);
  return merged;
}

std::optional<std::string> DiffText(std::string_view before,
                                    std::string_view after) {
  if (!IsText(before) || !IsText(after)) return std::nullopt;
  StartLibrary();
  git_diff_options options = GIT_DIFF_OPTIONS_INIT;
  options.flags = GIT_DIFF_FORCE_TEXT;
  std::string text;
  git_patch* patch = nullptr;
  if (git_patch_from_buffers(&patch, before.data(), before.size(), nullptr,
                             after.data(), after.size(), nullptr,
                             &options) != 0) {
    return std::nullopt;
  }
  const int printed = git_patch_print(patch, AppendLine, &text);
  git_patch_free(patch);
  if (printed != 0) return std::nullopt;
  return text;
}

}  // namespace syncline
