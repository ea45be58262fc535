#include "log/retention.h"

#include <algorithm>

#include "base/status.h"

namespace syncline {
namespace {

// The last seq outside of the bounds on entries and bytes.
absl::StatusOr<Seq> OutsideBySize(const LogBounds& bounds, Seq durable,
                                  LogMeasure& measure) {
  Seq outside;
  if (bounds.entries != 0 && durable.value > bounds.entries) {
    outside.value = durable.value - bounds.entries;
  }
  if (bounds.bytes != 0) {
    SYNCLINE_ASSIGN_OR_RETURN(const Seq beyond,
                              measure.BeyondBytes(bounds.bytes));
    outside = std::max(outside, beyond);
  }
  return std::min(outside, durable);
}

// `outside`, moved on over records that are too old, up to `until`.
absl::StatusOr<Seq> OutsideByAge(std::int64_t age_ms, Seq outside, Seq until,
                                 const RetentionInput& input,
                                 LogMeasure& measure) {
  const Seq since = std::max(outside, input.horizon);
  if (age_ms == 0 || since >= until) return outside;
  return measure.OlderThrough(since, until, input.now_ms - age_ms);
}

}  // namespace

absl::StatusOr<RetentionPlan> PlanRetention(const RetentionPolicy& policy,
                                            const RetentionInput& input,
                                            LogMeasure& measure) {
  RetentionPlan plan;
  if (policy.keep.none() || input.durable <= input.horizon) return plan;
  SYNCLINE_ASSIGN_OR_RETURN(Seq outside,
                            OutsideBySize(policy.keep, input.durable, measure));
  // Up to where nobody holds the log.
  Seq free = input.passed.value_or(input.durable);
  if (free < input.durable && !policy.limit.none()) {
    SYNCLINE_ASSIGN_OR_RETURN(
        const Seq limit, OutsideBySize(policy.limit, input.durable, measure));
    free = std::max(free, limit);
    // An age beyond which everything goes is looked for only in what the
    // policy would drop: a limit below the policy's age counts as that age.
    const bool by_age = policy.keep.age_ms != 0;
    const std::int64_t age_ms =
        policy.limit.age_ms == 0
            ? 0
            : std::max(policy.limit.age_ms, policy.keep.age_ms);
    SYNCLINE_ASSIGN_OR_RETURN(
        free, OutsideByAge(age_ms, free, by_age ? input.durable : outside,
                           input, measure));
  }
  SYNCLINE_ASSIGN_OR_RETURN(
      outside, OutsideByAge(policy.keep.age_ms, outside, free, input, measure));
  plan.through = std::min(outside, free);
  plan.overtakes = input.passed && *input.passed < plan.through;
  return plan;
}

absl::StatusOr<std::optional<Seq>> PassedBy(const AppendLog& log,
                                            const VersionVector& frontier) {
  Seq passed = log.durable();
  for (const VersionVector::Slot& slot : log.durable_frontier().slots()) {
    const std::uint64_t known = frontier.CounterOf(slot.origin);
    if (known >= slot.counter) continue;
    SYNCLINE_ASSIGN_OR_RETURN(const std::optional<Seq> first,
                              log.Find({slot.origin, known + 1}));
    if (!first) return std::optional<Seq>();
    passed = std::min(passed, Seq{first->value - 1});
  }
  return std::optional(passed);
}

}  // namespace syncline
