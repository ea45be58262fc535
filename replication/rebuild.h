#pragma once

#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "clock/origin.h"
#include "kv/store.h"
#include "log/chain_head.h"
#include "replication/fork.h"
#include "replication/reissue.h"
#include "replication/replica.h"

namespace syncline {

// Gives up this side of `fork`: makes the project's log and state anew, in its
// place, without the fork's entries and all that were made by those who had
// seen them; of other devices also without what cannot be proven to others any
// more, as the signature stands behind an entry that goes. All that is taken
// out, whoever wrote it, is issued anew, in order, by the new origin
// `identity.self`: nobody else may have it. So nothing is lost; where others
// have it too, and issue it anew as well or send it as it was, there are equal
// values, which show as one (SPEC T5, T8), and events that come twice.
// The log has another id then, so that cursors of the old one are invalid.
//
// `more` is called before anything is replaced and may add rows that change
// with it (a mirror's Base).
//
// A state that was coming in from a peer is dropped, also where half of it was
// installed: peers send theirs again.
//
// If there is nothing to give up, nothing is made anew: the log takes another
// id, and the fork is settled.
//
// The project must not be open. Blocks, for as long as it takes to apply the
// whole log. May be stopped at any time (a crash): until it is done
// Replica::Open() shows the project as it was, or completes it.
//   kFailedPrecondition  the log was truncated, or a peer's state was taken in:
//                        it does not say all that the state is made of
//   other                the store, or damage of the log
absl::StatusOr<Reissue> Rebuild(
    const Replica::Environment& environment, const Replica::Identity& identity,
    const Fork& fork,
    const std::function<absl::Status(const Reissue&, WriteBatch&)>& more);

// Whether `log` still says enough for a rebuild without what is behind `fork`:
// nothing of it was truncated, or there is nothing to give up.
bool CanRebuild(const AppendLog& log, const Fork& fork);
// What people do where it does not.
inline constexpr char kStuckAdvice[] =
    "keep a copy of its folder and of its documents ('doc export'), remove the "
    "project and join again";

// Gives the log of `project`, which must not be open, another id: it was set
// back, so what is appended next is not what a cursor of the old one expects
// there. Durable when it returns; nothing if there is no such log.
absl::Status TakeNewLogId(Store& store, ProjectNumber project,
                          RandomSource& random);

// Completes a rebuild that was interrupted, if it had come far enough.
absl::Status FinishRebuild(Store& store, ProjectNumber project);

// The forks that were given up here. Where the origin is this device's, what
// this node holds of it is right, and others follow.
absl::StatusOr<std::vector<SettledFork>> SettledForks(const Store& store,
                                                      ProjectNumber project);
// Adds the row that says so.
void Settle(ProjectNumber project, const SettledFork& fork, WriteBatch& rows);
// Whether `head` is where what was given up here had arrived at some time: so
// that it is known also where nobody can tell any more where it parts from the
// right one.
absl::StatusOr<bool> IsGivenUp(const Store& store, ProjectNumber project,
                               const ChainHead& head);

}  // namespace syncline
