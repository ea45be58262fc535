#include "log/log_subscription.h"

#include <string>
#include <utility>

namespace syncline {

LogSubscription::LogSubscription(const std::shared_ptr<LogCore>& core,
                                 Seq since, Visibility visibility,
                                 std::function<void()> on_ready)
    : core_(core),
      visibility_(visibility),
      on_ready_(std::move(on_ready)),
      cursor_(since) {
  waiter_ = core->AddWaiter([this] { OnMoved(); });
}

LogSubscription::~LogSubscription() {
  if (const auto core = core_.lock()) core->RemoveWaiter(waiter_);
}

void LogSubscription::OnMoved() {
  const auto core = core_.lock();
  if (!core || !waiting_ || core->Visible(visibility_) <= cursor_) return;
  waiting_ = false;
  on_ready_();
}

absl::StatusOr<RecordSpan> LogSubscription::Next(std::size_t bytes_max) {
  const auto core = core_.lock();
  if (!core) return absl::CancelledError("the log was closed");
  absl::StatusOr<RecordSpan> span =
      core->ReadSpan(cursor_, visibility_, bytes_max);
  if (!span.ok()) return span;
  waiting_ = span->empty();
  if (!span->empty()) cursor_ = span->last;
  return span;
}

}  // namespace syncline
