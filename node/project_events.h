#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "node/project.h"

namespace syncline {

// An application's own entries: replicated and ordered like changes of files,
// with no state of their own. Limits: node/client/event_limits.h.
class Project::Events : private Project {
 public:
  explicit Events(const Project& project) : Project(project) {}

  struct Event {
    std::string channel;
    std::string payload;
  };

  // Seqs of what was appended: `first` to `last` without a hole.
  struct Appended {
    Seq first;
    Seq last;
  };

  // Appends all of `events` or none, each as an entry of its own, in order;
  // many calls may be under way. They answer when they are as safe as
  // `durability` says.
  //   kInvalidArgument     no events, or one is over a limit
  //   kFailedPrecondition  the project takes no changes; the message says why
  //   other                this write failed: each may be in the log or not
  template <typename Token>
  auto AsyncAppend(std::vector<Event> events, Durability durability,
                   Token&& token) const {
    return Async(AppendOf(std::move(events), durability),
                 std::forward<Token>(token));
  }
  absl::StatusOr<Appended> Append(
      std::vector<Event> events,
      Durability durability = Durability::kDurable) const {
    return Block(AppendOf(std::move(events), durability));
  }
  absl::StatusOr<Appended> Append(
      std::string channel, std::string payload,
      Durability durability = Durability::kDurable) const {
    return Append({{std::move(channel), std::move(payload)}}, durability);
  }

 private:
  Starter<absl::StatusOr<Appended>> AppendOf(std::vector<Event> events,
                                             Durability durability) const;
};

}  // namespace syncline
