#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "node/types.h"
#include "replication/replica.h"

// Reading and changing one project's tree by path. All of it runs on the
// replica's executor; callbacks come there, after the change is durable.
// Common codes:
//   kInvalidArgument     a path or name that cannot be (see CheckPath)
//   kNotFound            nothing at the path
//   kFailedPrecondition  a directory where a file is needed or the other way
//                        round, or the version asked for is not the shown one
// While the state of another device is being installed, changes wait.

namespace syncline {

absl::StatusOr<FileInfo> StatPath(Replica& replica, const std::string& path);

// Children from after the name `after`; `limit` 0 means kListMax, the most.
inline constexpr std::size_t kListMax = 1000;
absl::StatusOr<FileList> ListPath(Replica& replica, const std::string& path,
                                  const std::string& after, std::size_t limit);

// The payload of the file or symlink at `path`: of the shown sibling, or of
// that with the dot `version`.
absl::StatusOr<std::pair<FileInfo, std::string>> PayloadAt(
    Replica& replica, const std::string& path,
    const std::optional<Dot>& version);

// Puts a file with `payload`, whose chunks are durable, at `path`.
void PutPayload(Replica& replica, const std::string& path,
                const std::string& payload, const PutOptions& options,
                Callback<Written> done);
// What PutPayload would refuse now, to be known before content is sent.
absl::Status CheckPut(Replica& replica, const std::string& path,
                      const PutOptions& options);

void PutSymlink(Replica& replica, const std::string& path,
                const std::string& target, bool parents,
                Callback<Written> done);
void MakeDirectory(Replica& replica, const std::string& path, bool parents,
                   Callback<Written> done);
void RemovePath(Replica& replica, const std::string& path, bool recursive,
                const IfMatch& if_match, Callback<Written> done);
// `to`, if it is a directory, takes `from` under its last name.
void MovePath(Replica& replica, const std::string& from, std::string to,
              Callback<Written> done);

// Commits `entries` in order, one entry each; `done` hears of the last. An
// empty list changes nothing.
void CommitAll(Replica& replica, std::vector<std::vector<Effect>> entries,
               Callback<Written> done);

// Sum of the sizes of all visible files at and below `path`'s children from
// the work list `dirs`, which shrinks: call until it is empty. Each call looks
// at `limit` rows or a few more.
absl::StatusOr<std::uint64_t> SumBytes(const CausalState& state,
                                       std::vector<std::string>& dirs,
                                       std::size_t limit);

}  // namespace syncline
