#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "node/project.h"
#include "node/types.h"

namespace syncline {

// Conflicts, open and resolved, and how the project's devices resolve them.
// Events: PathChange::Type::kConflict and kResolve in the log, with the
// conflict beside them (LogRecord::conflicts).
class Project::Conflicts : private Project {
 public:
  explicit Conflicts(const Project& project) : Project(project) {}

  // By path; resolved ones by the record with which they came up, up to 1000
  // or a few more at once, as long as the log has the record that ended them.
  //   kNotFound  no open conflict is at `query.path`
  template <typename Token>
  auto AsyncList(ConflictQuery query, Token&& token) const {
    return Async(ListOf(std::move(query)), std::forward<Token>(token));
  }
  absl::StatusOr<std::vector<ConflictInfo>> List(
      ConflictQuery query = {}) const {
    return Block(ListOf(std::move(query)));
  }

  // One open conflict with its ancestor and what differs.
  template <typename Token>
  auto AsyncShow(std::string path, Token&& token) const {
    return Async(ShowOf(std::move(path)), std::forward<Token>(token));
  }
  absl::StatusOr<ConflictDetail> Show(std::string path) const {
    return Block(ShowOf(std::move(path)));
  }

  // Settles one with "local" (first to arrive here), "remote" (last) or the
  // version of a sibling. To settle one with other content, put it with
  // PutOptions::resolve or DocumentPut::resolve.
  template <typename Token>
  auto AsyncResolve(std::string path, std::string take, Token&& token) const {
    return Async(ResolveOf(std::move(path), std::move(take)),
                 std::forward<Token>(token));
  }
  absl::StatusOr<Written> Resolve(std::string path, std::string take) const {
    return Block(ResolveOf(std::move(path), std::move(take)));
  }

  // Settings of the project, the same on all its devices.
  template <typename Token>
  auto AsyncStrategies(Token&& token) const {
    return Async(StrategiesOf(), std::forward<Token>(token));
  }
  absl::StatusOr<StrategyReport> Strategies() const {
    return Block(StrategiesOf());
  }
  // For paths that match `glob`; empty: for all else. Nothing: takes it away.
  template <typename Token>
  auto AsyncSetStrategy(std::string glob, std::optional<Strategy> strategy,
                        Token&& token) const {
    return Async(SetStrategyOf(std::move(glob), strategy),
                 std::forward<Token>(token));
  }
  absl::StatusOr<Written> SetStrategy(std::string glob,
                                      std::optional<Strategy> strategy) const {
    return Block(SetStrategyOf(std::move(glob), strategy));
  }

 private:
  Starter<absl::StatusOr<std::vector<ConflictInfo>>> ListOf(
      ConflictQuery query) const;
  Starter<absl::StatusOr<ConflictDetail>> ShowOf(std::string path) const;
  Starter<absl::StatusOr<Written>> ResolveOf(std::string path,
                                             std::string take) const;
  Starter<absl::StatusOr<StrategyReport>> StrategiesOf() const;
  Starter<absl::StatusOr<Written>> SetStrategyOf(
      std::string glob, std::optional<Strategy> strategy) const;
};

}  // namespace syncline
