#include "tests/mirror/root_rig.h"

#include <algorithm>
#include <filesystem>

#include "base/check.h"

namespace syncline::testing {
namespace fs = std::filesystem;

RootRig::RootRig(const RootDir::Options& options, const std::string& parent)
    : dir(parent) {
  SYNCLINE_CHECK(RootDir::Attach(dir.path(), "rig").ok(), "attach");
  Reopen(options);
}

void RootRig::Reopen(const RootDir::Options& options) {
  root.reset();
  auto opened = RootDir::Open(dir.path(), "rig", {time, random}, options);
  SYNCLINE_CHECK(opened.ok(), "open");
  root = *std::move(opened);
}

Fingerprint RootRig::Print(std::string_view path) const {
  const auto print = root->Stat(path);
  SYNCLINE_CHECK(print.ok(), "stat");
  return *print;
}

std::string RootRig::Read(std::string_view path) const {
  std::string content;
  const auto read = root->ReadFile(path, [&](std::string_view piece) {
    content += piece;
    return absl::OkStatus();
  });
  SYNCLINE_CHECK(read.ok(), "read");
  return content;
}

absl::StatusOr<Fingerprint> RootRig::Put(
    std::string_view path, std::string_view content,
    const std::optional<Fingerprint>& expected,
    const RootDir::FileAttributes& attributes) {
  auto staged = root->StageFile(
      attributes, [&](const ByteSink& sink) { return sink(content); });
  if (!staged.ok()) return staged.status();
  return root->Install(*std::move(staged), path, expected);
}

std::vector<std::string> RootRig::PrivateNames() const {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(dir / ".syncline-tmp", error))
    names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> RootRig::AllContents() const {
  std::vector<std::string> contents;
  for (auto at = fs::recursive_directory_iterator(dir.path());
       at != fs::recursive_directory_iterator(); ++at) {
    if (at->path().filename().native().starts_with(".syncline")) {
      at.disable_recursion_pending();
    } else if (at->symlink_status().type() == fs::file_type::regular) {
      contents.push_back(GetFile(at->path()));
    }
  }
  return contents;
}

std::string DeepPath(int levels, std::size_t name_bytes) {
  std::string path(name_bytes, 'd');
  for (int i = 1; i < levels; ++i) path += "/" + std::string(name_bytes, 'd');
  return path;
}

}  // namespace syncline::testing
