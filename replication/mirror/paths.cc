#include "replication/mirror/paths.h"

#include "replication/mirror/disk_entry.h"

namespace syncline {

std::string Rebase(std::string_view path, std::string_view from,
                   std::string_view to) {
  std::string moved(to);
  moved += path.substr(from.size());
  return moved;
}

bool PathsOverlap(std::string_view first, std::string_view second) {
  const auto within = [](std::string_view path, std::string_view dir) {
    while (dir.ends_with('/')) dir.remove_suffix(1);  // "/" holds all.
    return IsAtOrBelow(path, dir);
  };
  return within(first, second) || within(second, first);
}

}  // namespace syncline
