#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "absl/status/status.h"
#include "base/time_source.h"
#include "base/timer.h"
#include "kv/chunk_store.h"
#include "log/append_log.h"
#include "replication/content_merge.h"
#include "replication/content_wants.h"
#include "replication/project_id.h"
#include "replication/state/causal_state.h"
#include "replication/state/strategy.h"

namespace syncline {

// Proposes a resolution for each open conflict, as the project's settings
// want it.
//
// Devices take turns (replication/resolve_turn.h). When it is this one's, most
// proposals are made at once. A merge takes a
// while: what it starts from must be durable in the log and its content here;
// the merge itself is done by a worker. Meanwhile the conflict is open like
// any other. If the row has changed when the merge comes back, it is looked at
// anew. Nothing of this is kept on disk: whoever opens a project notes all its
// open conflicts again.
//
// One merge of a project is under way at a time. Content of the two values is
// waited for until it comes; that of their ancestor for kAncestorWaitMs at
// most, then the merge makes do with an older one or none.
//
// Bound to the executor; callbacks come there.
class ConflictResolver {
 public:
  // Borrowed, all of it; must outlive the resolver.
  struct Environment {
    const CausalState& state;
    AppendLog& log;
    ContentWants& wants;
    ChunkStore& chunks;
    const TimeSource& time;
    boost::asio::any_io_executor executor;
    boost::asio::any_io_executor workers;
    // Empty: an ancestor is waited for without a limit, turns not at all.
    MakeTimer timers;
    ProjectId project;
    std::string device;  // As the setting "authority" may name it.
    MergeFunction merge;
    std::function<Strategy(std::string_view path)> strategy = {};
    // Commits an automatic entry.
    std::function<void(std::vector<Effect>, std::string cause)> commit = {};
    // The state could not be read.
    std::function<void(const absl::Status&)> broken = {};
  };

  static constexpr std::int64_t kAncestorWaitMs = 10 * 60 * 1000;

  explicit ConflictResolver(Environment environment);
  ~ConflictResolver();
  ConflictResolver(const ConflictResolver&) = delete;
  ConflictResolver& operator=(const ConflictResolver&) = delete;

  // Rows that an entry may have left as open conflicts. Those of an entry of
  // its own wait for a person's.
  void Note(const std::vector<std::string>& paths);
  // Open conflicts about which the settings may say something new.
  void LookAgain(const std::vector<std::string>& paths);

  // Whether there is something to do now: not for what content is waited for.
  [[nodiscard]] bool busy() const;
  // ... or later.
  [[nodiscard]] bool pending() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  // Held weakly by what is posted.
};

}  // namespace syncline
