#include "replication/path_glob.h"

#include <vector>

namespace syncline {
namespace {

// One step of the glob from the set of positions reached (as an NFA): no
// backtracking, so no glob is slow.
class Matcher {
 public:
  explicit Matcher(std::string_view path)
      : path_(path), at_(path.size() + 1, false) {
    at_[0] = true;
  }

  void Literal(char c) {
    Advance([&](char byte) { return byte == c; });
  }
  void AnyByte() {
    Advance([](char byte) { return byte != '/'; });
  }
  void Star(bool across) {
    for (std::size_t i = 0; i < path_.size(); ++i) {
      if (at_[i] && (across || path_[i] != '/')) at_[i + 1] = true;
    }
  }
  // "**/": nothing, or any directories with the '/' behind them.
  void Directories() {
    bool open = false;
    std::vector<bool> next = at_;
    for (std::size_t i = 0; i < path_.size(); ++i) {
      open = open || at_[i];
      if (open && path_[i] == '/') next[i + 1] = true;
    }
    at_ = next;
  }
  [[nodiscard]] bool AtEnd() const { return at_.back(); }

 private:
  template <typename Accepts>
  void Advance(Accepts accepts) {
    for (std::size_t i = path_.size(); i > 0; --i) {
      at_[i] = at_[i - 1] && accepts(path_[i - 1]);
    }
    at_[0] = false;
  }

  std::string_view path_;
  std::vector<bool> at_;
};

}  // namespace

bool GlobMatches(std::string_view glob, std::string_view path) {
  if (glob.find('/') == std::string_view::npos &&
      glob.find("**") == std::string_view::npos) {
    path = path.substr(path.rfind('/') + 1);
  }
  if (glob.starts_with('/')) glob.remove_prefix(1);
  Matcher matcher(path);
  for (std::size_t i = 0; i < glob.size(); ++i) {
    const bool at_name = i == 0 || glob[i - 1] == '/';
    if (at_name && glob.substr(i).starts_with("**/")) {
      matcher.Directories();
      i += 2;
    } else if (glob.substr(i).starts_with("**")) {
      matcher.Star(true);
      ++i;
    } else if (glob[i] == '*') {
      matcher.Star(false);
    } else if (glob[i] == '?') {
      matcher.AnyByte();
    } else {
      matcher.Literal(glob[i]);
    }
  }
  return matcher.AtEnd();
}

}  // namespace syncline
