#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace syncline {

// Which rows live in which column. Whoever owns the rows defines the rest of
// their keys and their values: the file named here.
//
//   kMeta      "format"                    u32 (RocksStore)
//              other names                 identity and settings (node)
//   kProjects  project, 'l'...             head, horizon, frontier
//                                          (log/log_rows.h)
//              project, other letters      replication/project_rows.h
//   kLog       project, seq u64            record (log/log_rows.h)
//   kDots      project, origin, counter    seq, chain hash (log/log_rows.h)
//   kHeads     project, ...                live heads (replication/state)
//   kTree      project, ...                placement (replication/state)
//   kChains    hash                        ancestor chain (replication/state)
//   kMirror    project, ...                Base (replication/mirror)
//   kChunks    hash                        kind u8 (1), bytes (ChunkStore)
//   kPeers     ...                         replication/peer
//
// Numbers in keys are big endian, so that rows sort as they count.

// A project's number inside one store: keys start with it. Never leaves the
// node; the replicated name of a project is ProjectId.
struct ProjectNumber {
  std::uint32_t value = 0;
  friend bool operator==(ProjectNumber, ProjectNumber) = default;
  friend auto operator<=>(ProjectNumber, ProjectNumber) = default;
};

// Big-endian project number: the prefix of a project's rows in kProjects,
// kLog, kDots, kHeads, kTree and kMirror.
std::string ProjectPrefix(ProjectNumber project);

// The least key above every key that starts with `prefix`; empty if there is
// none (all bytes 0xff).
std::string PrefixEnd(std::string_view prefix);

// In Column::kMeta: big-endian u32, the format of all rows. Kept by RocksStore;
// nobody else writes it.
inline constexpr std::string_view kMetaFormatKey = "format";

}  // namespace syncline
