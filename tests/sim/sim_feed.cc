#include "tests/sim/sim_feed.h"

#include <algorithm>
#include <utility>

#include "tests/state/naive_view.h"

namespace syncline::testing {
namespace {

using Type = PathChange::Type;

const std::string kDirectory = "/";

bool IsAtOrBelow(const std::string& path, const std::string& top) {
  return top.empty() || path == top || path.starts_with(top + "/");
}

}  // namespace

SimFeed::SimFeed(const CausalState& state) {
  for (const auto& [path, row] : ListAll(state)) {
    rows_[path] =
        row.IsDirectory() ? kDirectory : row.shown_sibling().payload();
  }
}

void SimFeed::Follow(const std::vector<PathChange>& changes) {
  for (const PathChange& change : changes) FollowOne(change);
}

void SimFeed::FollowOne(const PathChange& change) {
  switch (change.type) {
    case Type::kMkdir:
      rows_[change.path] = kDirectory;
      break;
    case Type::kCreate:
    case Type::kUpdate:
      rows_[change.path] = change.payload;
      break;
    case Type::kDelete:
    case Type::kRmdir:
      rows_.erase(change.path);
      break;
    case Type::kRename:
      Move(change.from, change.path);
      // It also tells what the file shows now.
      if (!change.item || !change.item->IsDirectory()) {
        rows_[change.path] = change.payload;
      }
      break;
    case Type::kSubtree:
      unknown_.insert(change.path);
      break;
    case Type::kDoc:
      if (change.version) {
        docs_[change.path] = change.payload;
      } else {
        docs_.erase(change.path);
      }
      break;
    case Type::kAttr:
    case Type::kConflict:
    case Type::kResolve:
    case Type::kEvent:
      break;
  }
}

void SimFeed::Move(const std::string& from, const std::string& to) {
  std::map<std::string, std::string> rows;
  for (auto& [path, payload] : rows_) {
    rows.emplace(IsAtOrBelow(path, from) ? to + path.substr(from.size()) : path,
                 std::move(payload));
  }
  rows_ = std::move(rows);
  // What is not known comes along.
  if (!Knows(from)) unknown_.insert(to);
  for (const std::string& path : std::set(unknown_)) {
    if (!path.empty() && IsAtOrBelow(path, from)) {
      unknown_.insert(to + path.substr(from.size()));
    }
  }
}

bool SimFeed::Knows(const std::string& path) const {
  return std::none_of(
      unknown_.begin(), unknown_.end(),
      [&path](const std::string& top) { return IsAtOrBelow(path, top); });
}

std::string SimFeed::Compare(const CausalState& state) const {
  std::map<std::string, std::string> shown;
  for (const auto& [path, row] : ListAll(state)) {
    if (!Knows(path)) continue;
    shown[path] =
        row.IsDirectory() ? kDirectory : row.shown_sibling().payload();
  }
  for (const auto& [path, payload] : rows_) {
    if (!Knows(path)) continue;
    const auto at = shown.find(path);
    if (at == shown.end()) return "never heard that it went: " + path;
    if (at->second != payload) return "heard something else of " + path;
    shown.erase(at);
  }
  if (!shown.empty()) return "never heard of " + shown.begin()->first;
  for (const auto& [name, payload] : docs_) {
    const std::size_t split = name.find('/');
    const auto doc =
        state.LookupDoc(name.substr(0, split), name.substr(split + 1));
    if (!doc.ok() || !*doc || (*doc)->shown_sibling().payload() != payload) {
      return "heard something else of document " + name;
    }
  }
  return {};
}

}  // namespace syncline::testing
