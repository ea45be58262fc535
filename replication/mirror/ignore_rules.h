#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"

namespace syncline {

// Files whose rules hold for the directory they stand in and all below it.
// .gitignore is an ordinary file that is synced; .synclineignore wins over it
// in the same directory, and is local: its name is not legal for an item.
inline constexpr std::string_view kGitIgnoreName = ".gitignore";
inline constexpr std::string_view kSynclineIgnoreName = ".synclineignore";
bool IsIgnoreFileName(std::string_view name);

// The compiled rules of one file in the syntax of gitignore(5): comments,
// escapes, `!`, slashes, `*`, `?`, `[...]` with ranges and POSIX classes, `**`.
// Bytes are compared, upper and lower case differ.
//
// Immutable, so any number of threads may use it. Matching takes at most
// O(pattern x path) steps for each rule, whatever the rule.
class IgnoreFile {
 public:
  struct Rule;

  // Anything parses; a rule that can match nothing is dropped.
  explicit IgnoreFile(std::string_view text);
  ~IgnoreFile();
  IgnoreFile(const IgnoreFile&) = delete;
  IgnoreFile& operator=(const IgnoreFile&) = delete;

  // The last rule that matches `path` (relative to the file's directory), or
  // null. Owned by this object. Says nothing of rules that match a parent.
  [[nodiscard]] const Rule* Match(std::string_view path,
                                  bool is_directory) const;
  [[nodiscard]] bool empty() const { return rules_.empty(); }
  [[nodiscard]] const Hash& hash() const { return hash_; }  // Of the text.

 private:
  Hash hash_;
  std::vector<Rule> rules_;
};

// What decided about a path, for people who ask why.
struct IgnoreMatch {
  bool ignored = false;
  std::string file;      // Path of the rule file; "" if no rule matched.
  std::size_t line = 0;  // From 1.
  std::string pattern;   // As written.
};

// The rules that hold in one directory: those of its own files and of all
// directories above it. Immutable and shared by reference.
//
// Precedence is git's: deeper directories first, within one .synclineignore
// before .gitignore, within a file the last match. Nothing can be included
// again below an ignored directory: do not enter one.
class IgnoreScope {
 public:
  // The rule files of a directory; null where there is none.
  struct Files {
    std::shared_ptr<const IgnoreFile> git = nullptr;
    std::shared_ptr<const IgnoreFile> syncline = nullptr;
  };

  // The root's. `local` holds rules from the node's settings: the weakest.
  static std::shared_ptr<const IgnoreScope> Root(
      Files files, std::shared_ptr<const IgnoreFile> local = nullptr);
  // That of the directory `name` inside `parent`.
  static std::shared_ptr<const IgnoreScope> Enter(
      std::shared_ptr<const IgnoreScope> parent, std::string_view name,
      Files files);

  // Is the child `name` of this directory ignored? Names that start with
  // ".syncline" are none of this class's business.
  [[nodiscard]] bool Ignores(std::string_view name, bool is_directory) const;
  [[nodiscard]] IgnoreMatch Explain(std::string_view name,
                                    bool is_directory) const;

  [[nodiscard]] const std::string& directory() const { return directory_; }

 private:
  struct Found;
  IgnoreScope() = default;
  [[nodiscard]] Found Find(std::string_view name, bool is_directory) const;

  std::shared_ptr<const IgnoreScope> parent_;  // Nearest one that has rules.
  std::string directory_;                      // Relative to the root.
  Files files_;
  std::shared_ptr<const IgnoreFile> local_;  // Of the root only.
};

}  // namespace syncline
