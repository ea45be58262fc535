#include "replication/mirror/ignore_map.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "replication/mirror/disk_entry.h"

namespace syncline {
namespace {

std::string_view TextHash(const std::shared_ptr<const IgnoreFile>& file) {
  return file ? file->hash().view() : std::string_view();
}

bool SameFiles(const IgnoreScope::Files& a, const IgnoreScope::Files& b) {
  return TextHash(a.git) == TextHash(b.git) &&
         TextHash(a.syncline) == TextHash(b.syncline);
}

}  // namespace

void IgnoreMap::Set(std::string_view directory,
                    const IgnoreScope::Files& files) {
  last_.reset();
  if (files.git || files.syncline) {
    files_.insert_or_assign(std::string(directory), files);
  } else if (const auto at = files_.find(directory); at != files_.end()) {
    files_.erase(at);
  }
}

void IgnoreMap::Prune(
    std::string_view top,
    const std::function<bool(const std::string& directory)>& keep) {
  last_.reset();
  std::erase_if(files_, [&](const auto& each) {
    return IsAtOrBelow(each.first, top) && !keep(each.first);
  });
}

IgnoreMap::Scope IgnoreMap::ScopeOf(std::string_view directory) const {
  const auto files_of = [this](std::string_view path) {
    const auto at = files_.find(path);
    return at == files_.end() ? IgnoreScope::Files() : at->second;
  };
  Scope scope = IgnoreScope::Root(files_of(""), local_);
  for (std::size_t begin = 0; begin < directory.size();) {
    const std::size_t end =
        std::min(directory.find('/', begin), directory.size());
    const std::string_view name = directory.substr(begin, end - begin);
    if (scope->Ignores(name, true)) return nullptr;
    scope = IgnoreScope::Enter(scope, name, files_of(directory.substr(0, end)));
    begin = end + 1;
  }
  return scope;
}

bool IgnoreMap::Ignores(std::string_view path, bool is_directory) const {
  if (empty()) return false;
  const std::string_view parent = ParentPath(path);
  if (last_ != parent) {
    last_scope_ = ScopeOf(parent);
    last_ = parent;
  }
  return !last_scope_ || last_scope_->Ignores(LastName(path), is_directory);
}

bool IgnoreMap::Has(std::string_view directory,
                    const IgnoreScope::Files& files) const {
  const auto at = files_.find(directory);
  return SameFiles(at == files_.end() ? IgnoreScope::Files() : at->second,
                   files);
}

bool IgnoreMap::AnyBelow(std::string_view top) const {
  return std::any_of(files_.begin(), files_.end(), [&](const auto& each) {
    return IsAtOrBelow(each.first, top);
  });
}

std::vector<std::string> IgnoreMap::DifferFrom(const IgnoreMap& other) const {
  std::vector<std::string> differ;
  for (const auto& [directory, files] : files_) {
    if (!other.Has(directory, files)) differ.push_back(directory);
  }
  for (const auto& [directory, files] : other.files_) {
    if (!files_.contains(directory)) differ.push_back(directory);
  }
  return differ;
}

std::string IgnoreMap::Digest() const {
  if (empty()) return {};
  std::string all;
  AppendSized(all, TextHash(local_));
  for (const auto& [directory, files] : files_) {
    AppendSized(all, directory);
    AppendSized(all, TextHash(files.git));
    AppendSized(all, TextHash(files.syncline));
  }
  return std::string(Sha256(all).view());
}

}  // namespace syncline
