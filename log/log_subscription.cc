#include "log/log_subscription.h"

#include <utility>

namespace syncline {

LogSubscription::LogSubscription(std::shared_ptr<LogCore> core, Seq since,
                                 Visibility visibility,
                                 std::function<void()> on_ready)
    : core_(std::move(core)),
      visibility_(visibility),
      on_ready_(std::make_unique<std::function<void()>>(std::move(on_ready))),
      cursor_(since) {
  core_->AddSubscription();
}

LogSubscription::~LogSubscription() {
  if (destroyed_ != nullptr) *destroyed_ = true;
  core_->RemoveSubscription();
}

void LogSubscription::Ready() {
  // Others may have been woken by a move that this one cannot see.
  if (!more()) return core_->AwaitRecords(visibility_, *this);
  // What is called may destroy this object, and must outlive that.
  struct Call {
    LogSubscription* self;
    std::unique_ptr<std::function<void()>> on_ready;
    bool destroyed = false;
    ~Call() {
      if (destroyed) return;
      self->destroyed_ = nullptr;
      self->on_ready_ = std::move(on_ready);
    }
  } call{this, std::move(on_ready_)};
  destroyed_ = &call.destroyed;
  (*call.on_ready)();
}

absl::Status LogSubscription::Take(std::size_t bytes_max, Hold hold,
                                   RecordSpan& span) {
  if (core_->closed()) return absl::CancelledError("the log was closed");
  absl::Status status = core_->ReadSpan(cursor_, visibility_, bytes_max, span);
  if (!status.ok()) return status;
  if (!span.empty()) cursor_ = span.last;
  if (hold == Hold::kOwned && !span.owner) core_->Keep(span);
  if (!more() && !is_linked()) core_->AwaitRecords(visibility_, *this);
  return status;
}

}  // namespace syncline
