#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "log/retention.h"
#include "node/project.h"
#include "node/retention_types.h"
#include "node/types.h"

namespace syncline {

// Named positions in this node's log, kept by the node for consumers that have
// no store of their own (log/cursors.h). Read from one with LogQuery::cursor.
class Project::Cursors : private Project {
 public:
  explicit Cursors(const Project& project) : Project(project) {}

  // By name.
  template <typename Token>
  auto AsyncList(Token&& token) const {
    return Async(ListAll(), std::forward<Token>(token));
  }
  absl::StatusOr<std::vector<CursorInfo>> List() const {
    return Block(ListAll());
  }

  // Makes it or moves it. Where the position cannot be one, the state in the
  // answer says so and nothing changed.
  //   kFailedPrecondition  it would go back
  template <typename Token>
  auto AsyncSet(CursorMove move, Token&& token) const {
    return Async(SetOf(std::move(move)), std::forward<Token>(token));
  }
  absl::StatusOr<LogEnd> Set(CursorMove move) const {
    return Block(SetOf(std::move(move)));
  }

  template <typename Token>
  auto AsyncRemove(std::string name, Token&& token) const {
    return Async(RemoveOf(std::move(name)), std::forward<Token>(token));
  }
  absl::Status Remove(std::string name) const {
    return Block(RemoveOf(std::move(name)));
  }

 private:
  Starter<absl::StatusOr<std::vector<CursorInfo>>> ListAll() const;
  Starter<absl::StatusOr<LogEnd>> SetOf(CursorMove move) const;
  Starter<absl::Status> RemoveOf(std::string name) const;
};

// How much of the log this node keeps.
class Project::Retention : private Project {
 public:
  explicit Retention(const Project& project) : Project(project) {}

  // Answers when the records are gone, and their space if it was worth it.
  // Refused (see Truncated) while a cursor or a device that shares the project
  // has not passed them, unless forced.
  template <typename Token>
  auto AsyncTruncate(TruncateQuery query, Token&& token) const {
    return Async(TruncateOf(query), std::forward<Token>(token));
  }
  absl::StatusOr<Truncated> Truncate(const TruncateQuery& query) const {
    return Block(TruncateOf(query));
  }

  // The policy, which is of this node only.
  template <typename Token>
  auto AsyncGet(Token&& token) const {
    return Async(GetPolicy(), std::forward<Token>(token));
  }
  absl::StatusOr<RetentionPolicy> Get() const { return Block(GetPolicy()); }
  template <typename Token>
  auto AsyncSet(RetentionPolicy policy, Token&& token) const {
    return Async(SetPolicy(policy), std::forward<Token>(token));
  }
  absl::Status Set(const RetentionPolicy& policy) const {
    return Block(SetPolicy(policy));
  }

 private:
  Starter<absl::StatusOr<Truncated>> TruncateOf(TruncateQuery query) const;
  Starter<absl::StatusOr<RetentionPolicy>> GetPolicy() const;
  Starter<absl::Status> SetPolicy(RetentionPolicy policy) const;
};

}  // namespace syncline
