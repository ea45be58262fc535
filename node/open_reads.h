#pragma once

#include <memory>
#include <optional>
#include <unordered_set>
#include <vector>

#include "kv/keys.h"

namespace syncline {

class LogFeed;
class LogStream;

// What reads the logs of a node. Bound to its loop.
class OpenReads {
 public:
  void Add(const std::shared_ptr<LogStream>& stream);
  void Add(LogFeed& feed) { feeds_.insert(&feed); }
  void Remove(LogFeed& feed) { feeds_.erase(&feed); }

  // Ends those that read `project`; all of them if nothing is given.
  void Close(std::optional<ProjectNumber> project);

 private:
  std::vector<std::weak_ptr<LogStream>> streams_;
  std::unordered_set<LogFeed*> feeds_;  // They remove themselves.
};

}  // namespace syncline
