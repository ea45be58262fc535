#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "replication/mirror/ignore_rules.h"

namespace syncline {

// All rule files of a tree as they were when it was last looked at, to ask
// about a path without the disk, whether it exists or not. A value, cheap to
// copy where rules are few; for one thread, also where it is const.
class IgnoreMap {
 public:
  // `local`: see IgnoreScope::Root.
  explicit IgnoreMap(std::shared_ptr<const IgnoreFile> local = nullptr)
      : local_(std::move(local)) {}

  // What a directory has now, which may be nothing.
  void Set(std::string_view directory, const IgnoreScope::Files& files);
  // Forgets what is at or below `top`, but for what `keep` names.
  void Prune(std::string_view top,
             const std::function<bool(const std::string& directory)>& keep);

  // A rule holds for `path` or a directory above it.
  [[nodiscard]] bool Ignores(std::string_view path, bool is_directory) const;
  [[nodiscard]] bool Has(std::string_view directory,
                         const IgnoreScope::Files& files) const;
  [[nodiscard]] bool AnyBelow(std::string_view top) const;
  [[nodiscard]] bool empty() const { return files_.empty() && !local_; }

  // The directories whose own rules differ.
  [[nodiscard]] std::vector<std::string> DifferFrom(
      const IgnoreMap& other) const;
  // Equal where all rules are; "" where there are none.
  [[nodiscard]] std::string Digest() const;

 private:
  using Scope = std::shared_ptr<const IgnoreScope>;
  // Null if it is ignored.
  [[nodiscard]] Scope ScopeOf(std::string_view directory) const;

  std::shared_ptr<const IgnoreFile> local_;
  std::map<std::string, IgnoreScope::Files, std::less<>> files_;  // Not empty.
  // Of the directory that was asked about last: paths come in order.
  mutable std::optional<std::string> last_;
  mutable Scope last_scope_;
};

}  // namespace syncline
