#include "replication/mirror/ignore_rules.h"

#include <algorithm>
#include <utility>

#include "replication/mirror/disk_entry.h"
#include "replication/mirror/ignore_glob.h"

namespace syncline {

struct IgnoreFile::Rule {
  std::size_t line;
  std::string text;  // As written, trimmed.
  bool negative = false;
  bool directories_only = false;
  bool basename_only = false;  // No slash in it: matches at any depth.
  PathGlob glob;

  [[nodiscard]] bool Matches(std::string_view path, bool is_directory) const {
    if (directories_only && !is_directory) return false;
    return glob.Matches(basename_only ? LastName(path) : path);
  }
};

namespace {

// Cuts unescaped spaces from the end; other white space stays.
std::string_view TrimTrailingSpaces(std::string_view line) {
  std::size_t end = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\\') {
      if (++i == line.size()) return line;
      end = i + 1;
    } else if (line[i] != ' ') {
      end = i + 1;
    }
  }
  return line.substr(0, end);
}

// The line as git sees it: without a carriage return, and what follows a NUL.
std::string_view CleanLine(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  line = line.substr(0, line.find('\0'));
  return TrimTrailingSpaces(line);
}

}  // namespace

bool IsIgnoreFileName(std::string_view name) {
  return name == kGitIgnoreName || name == kSynclineIgnoreName;
}

IgnoreFile::IgnoreFile(std::string_view text) : hash_(Sha256(text)) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t newline = text.find('\n');
    const std::string_view raw = text.substr(0, newline);
    text.remove_prefix(newline == std::string_view::npos ? text.size()
                                                         : newline + 1);
    if (raw.starts_with('#')) continue;
    const std::string_view line = CleanLine(raw);

    std::string_view pattern = line;
    Rule rule{.line = number, .text = std::string(line), .glob = {}};
    if (pattern.starts_with('!')) {
      rule.negative = true;
      pattern.remove_prefix(1);
    }
    if (pattern.ends_with('/')) {
      rule.directories_only = true;
      pattern.remove_suffix(1);
    }
    rule.basename_only = pattern.find('/') == std::string_view::npos;
    if (pattern.starts_with('/')) pattern.remove_prefix(1);
    std::optional<PathGlob> glob = PathGlob::Parse(pattern);
    if (!glob) continue;
    rule.glob = *std::move(glob);
    rules_.push_back(std::move(rule));
  }
}

IgnoreFile::~IgnoreFile() = default;

const IgnoreFile::Rule* IgnoreFile::Match(std::string_view path,
                                          bool is_directory) const {
  const auto rule = std::find_if(
      rules_.rbegin(), rules_.rend(),
      [&](const Rule& each) { return each.Matches(path, is_directory); });
  return rule == rules_.rend() ? nullptr : &*rule;
}

struct IgnoreScope::Found {
  const IgnoreFile::Rule* rule = nullptr;
  const IgnoreScope* scope = nullptr;
  std::string_view file;
};

std::shared_ptr<const IgnoreScope> IgnoreScope::Root(
    Files files, std::shared_ptr<const IgnoreFile> local) {
  std::shared_ptr<IgnoreScope> scope(new IgnoreScope);
  scope->files_ = std::move(files);
  scope->local_ = std::move(local);
  return scope;
}

std::shared_ptr<const IgnoreScope> IgnoreScope::Enter(
    std::shared_ptr<const IgnoreScope> parent, std::string_view name,
    Files files) {
  std::shared_ptr<IgnoreScope> scope(new IgnoreScope);
  scope->directory_ = ChildPath(parent->directory_, name);
  scope->files_ = std::move(files);
  // A parent without rules need not be asked, nor kept.
  const bool bare =
      parent->parent_ && !parent->files_.git && !parent->files_.syncline;
  scope->parent_ = bare ? parent->parent_ : std::move(parent);
  return scope;
}

IgnoreScope::Found IgnoreScope::Find(std::string_view name,
                                     bool is_directory) const {
  const std::string path = ChildPath(directory_, name);
  for (const IgnoreScope* scope = this; scope; scope = scope->parent_.get()) {
    std::string_view relative = path;
    if (!scope->directory_.empty())
      relative.remove_prefix(scope->directory_.size() + 1);
    if (scope->files_.syncline) {
      const auto* rule = scope->files_.syncline->Match(relative, is_directory);
      if (rule) return {rule, scope, kSynclineIgnoreName};
    }
    if (scope->files_.git) {
      const auto* rule = scope->files_.git->Match(relative, is_directory);
      if (rule) return {rule, scope, kGitIgnoreName};
    }
    if (scope->local_) {
      const auto* rule = scope->local_->Match(relative, is_directory);
      if (rule) return {rule, nullptr, "(settings)"};
    }
  }
  return {};
}

bool IgnoreScope::Ignores(std::string_view name, bool is_directory) const {
  const Found found = Find(name, is_directory);
  return found.rule && !found.rule->negative;
}

IgnoreMatch IgnoreScope::Explain(std::string_view name,
                                 bool is_directory) const {
  const Found found = Find(name, is_directory);
  if (!found.rule) return {};
  return {.ignored = !found.rule->negative,
          .file = found.scope ? ChildPath(found.scope->directory_, found.file)
                              : std::string(found.file),
          .line = found.rule->line,
          .pattern = found.rule->text};
}

}  // namespace syncline
