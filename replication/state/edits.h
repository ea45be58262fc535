#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "log/entry.h"
#include "replication/state/causal_state.h"

// Edits by path: what a user's action is in effects. All of them only read the
// state. An empty list means that there is nothing to write. Rules P1 to P11.

namespace syncline {

// A new item at `path`, its parents being there. `next_index` is the number of
// effects already planned for the same entry: ids are minted from it.
//   kNotFound            no parent directory
//   kInvalidArgument     an illegal name, or too deep
absl::StatusOr<std::vector<Effect>> CreateEffects(
    const CausalState& state, std::string_view path, ItemKind kind,
    std::string payload, Attrs attrs, std::size_t next_index);

// New content for what was seen. Attributes in `attrs` replace those of the
// token; their observed heads are superseded by the new hint.
absl::StatusOr<std::vector<Effect>> EditEffects(const CausalState& state,
                                                const Token& seen,
                                                std::string payload,
                                                const Attrs& attrs);

// One attribute of what was seen.
absl::StatusOr<std::vector<Effect>> AttrEffects(const CausalState& state,
                                                const Token& seen,
                                                std::string_view key,
                                                std::string_view value);

absl::StatusOr<std::vector<Effect>> RemoveEffects(const CausalState& state,
                                                  const Token& seen);

// The row at `path` and all below it, deepest first, split into entries of at
// most `limit` effects and within the limits of an entry.
absl::StatusOr<std::vector<std::vector<Effect>>> RemoveTreeEffects(
    const CausalState& state, std::string_view path, std::size_t limit);

// Moves what was seen to `target`; `replaced` is what the author saw there.
//   kInvalidArgument  a directory cannot move below itself; illegal name
//   kNotFound         no parent directory
absl::StatusOr<std::vector<Effect>> RenameEffects(
    const CausalState& state, const Token& seen, std::string_view target,
    const std::optional<Token>& replaced);

// Replaces what was seen by a new item of another kind at `path`.
absl::StatusOr<std::vector<Effect>> RetypeEffects(
    const CausalState& state, const Token& seen, std::string_view path,
    ItemKind kind, std::string payload, Attrs attrs);

// Payload nothing removes the document.
absl::StatusOr<std::vector<Effect>> DocEffects(
    const CausalState& state, std::string_view name_space, std::string_view key,
    std::optional<std::string> payload);

// A user's choice for an open conflict at `path`: supersedes all siblings.
// `payload` replaces them; it may be one of theirs or merged bytes.
absl::StatusOr<std::vector<Effect>> ChooseEffects(const CausalState& state,
                                                  std::string_view path,
                                                  std::string payload);

}  // namespace syncline
