#pragma once

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "log/entry.h"
#include "replication/state/causal_state.h"

namespace syncline {

// What a device proposes for an open conflict. Strategies only add entries, so
// any mixture of them converges.
enum class Strategy : std::uint8_t {
  kLocalWins,
  kRemoteWins,
  kNewestWins,
  kKeepBoth,
  kMerge,
  kManual,  // The user decides.
  kSkip,    // As manual, and mirrors leave the path alone.
};

// "local-wins", "remote-wins", "newest-wins", "keep-both", "merge", "manual",
// "skip".
std::string_view StrategyName(Strategy strategy);
std::optional<Strategy> StrategyFromName(std::string_view name);

// Merges two payloads over their common ancestor; nothing if it cannot.
// Must be a function of its arguments alone.
class ContentMerger {
 public:
  virtual ~ContentMerger() = default;
  virtual std::optional<std::string> Merge(std::string_view first,
                                           std::string_view second) const = 0;
  // The same for two values of a document.
  virtual std::optional<std::string> MergeDocument(std::string_view,
                                                   std::string_view) const {
    return std::nullopt;
  }
};

// Whether this device is one that resolves (rule S1).
absl::StatusOr<bool> MayResolve(const CausalState& state,
                                std::string_view device);

// The row in conflict at a path, or "doc:<namespace>/<key>"; nothing if there
// is none.
absl::StatusOr<std::optional<Row>> ConflictRow(const CausalState& state,
                                               std::string_view path);

// The namespace and key of "doc:<namespace>/<key>"; nothing if it is none.
std::optional<std::pair<std::string_view, std::string_view>> DocOfPath(
    std::string_view path);

// The effects that `strategy` proposes for the row `path` (or
// "doc:<namespace>/<key>"), rules S1 to S9; empty if it proposes none: not an
// open conflict, manual, skip, or another device is the authority. Commit them
// with the cause "auto:<strategy>". Without a `merger`, kMerge is kKeepBoth for
// files and kNewestWins for documents.
// `device` is what the authority is called besides its origin, see
// replication/project_settings.h; empty: nothing else.
absl::StatusOr<std::vector<Effect>> ResolveEffects(
    const CausalState& state, std::string_view path, Strategy strategy,
    const ContentMerger* merger, std::string_view device = {});

}  // namespace syncline
