#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "log/append_log.h"
#include "replication/state/row.h"

namespace syncline {

// Finds the nearest common ancestor of two concurrent values of one register:
// the newest value that both replaced, directly or over others, as far as the
// log's records tell. Goes back from the values, newest record first; a record
// is behind all that it replaces, so each is looked at once, when everything
// that leads to it is known. What was truncated away, or came without records,
// ends that way.
//
// Of several ancestors, none of which replaced another, it is that of maximum
// order: a function of the values' history, equal on all devices that have it.
//
// Reads durable records only. Bound to the log's executor; borrows the log.
class AncestorSearch {
 public:
  // Records looked at before it gives up.
  static constexpr std::size_t kRecordsMax = 10'000;

  struct Found {
    HeadOrder order;
    std::string payload;
  };

  AncestorSearch(const AppendLog& log, RegisterId reg);

  // The heads of the two values.
  absl::Status Begin(const Dots& first, const Dots& second);
  // Looks at up to `records` records; true once the search is over. `usable`:
  // whether a payload will do; if not, an older one may.
  //   kDataLoss  a record cannot be read
  absl::StatusOr<bool> Step(
      std::size_t records,
      absl::FunctionRef<bool(std::string_view payload)> usable);
  // Once over: the ancestor, if there is one.
  [[nodiscard]] const std::optional<Found>& found() const { return found_; }

 private:
  struct Node {
    Dot dot;
    unsigned sides = 0;   // Bit 1, 2: the first, second value replaced it.
    bool behind = false;  // An ancestor that was found replaced it.
  };

  absl::Status Add(const Dot& dot, unsigned sides, bool behind);
  absl::Status Visit(const Node& node, Seq seq,
                     absl::FunctionRef<bool(std::string_view)> usable);
  [[nodiscard]] bool Over() const;

  const AppendLog& log_;
  RegisterId reg_;
  std::map<Seq, Node> queue_;  // Taken from its end.
  std::size_t open_ = 0;       // Of the queue, not behind.
  std::size_t looked_at_ = 0;
  std::optional<Found> found_;
};

// An ancestor of `reg` as a value that can be described.
Sibling ValueOf(const RegisterId& reg, const AncestorSearch::Found& found);

}  // namespace syncline
