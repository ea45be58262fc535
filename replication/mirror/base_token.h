#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "clock/dot.h"
#include "replication/mirror/base_table.h"
#include "replication/mirror/disk_entry.h"
#include "replication/state/causal_state.h"

// What a mirror may claim to have seen. An entry that it emits supersedes what
// Base's token names, so a token must name nothing that the disk did not show.

namespace syncline {

// The attributes that a disk shows of a file: "exec" ("1" or absent) and
// "mtime" (nanoseconds since 1970). Other kinds have none.
Attrs DiskAttrs(const Fingerprint& fingerprint);

// What of a row's attributes a disk can show: in canonical form, "mtime" only
// if it is a number.
Attrs ProjectAttrs(const Attrs& attrs, ItemKind kind);

// `target` asks for something else than `base` has. A target without "mtime"
// does not care.
bool AttrsDiffer(const Attrs& target, const Attrs& base);

// The value of `key`; "" if absent.
std::string_view AttrOf(const Attrs& attrs, std::string_view key);

// What a disk shows at one path, seen beside the state.
struct Accepted {
  std::string token;     // EncodeToken(), for Base.
  bool matches = false;  // The view shows exactly what the disk shows.
};

// The token for a disk that shows `payload` and `attrs` of `item` at the view
// path `path` (empty if the view has no such place). It names the heads of the
// view as far as the view shows what the disk shows; where it does not, only
// those of `before` (Base's token so far, or none) and of the entry `own` that
// told the state of what the disk shows.
//   kDataLoss  `before` cannot be read
absl::StatusOr<Accepted> AcceptDisk(const CausalState& state,
                                    const ItemId& item, std::string_view path,
                                    std::string_view payload,
                                    const Attrs& attrs, std::string_view before,
                                    const std::optional<Dot>& own);

// DecodeToken, where a malformed one means a damaged Base row: kDataLoss.
absl::StatusOr<Token> ReadToken(std::string_view bytes);

}  // namespace syncline
