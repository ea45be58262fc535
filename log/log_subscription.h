#pragma once

#include <functional>
#include <memory>

#include "log/log_core.h"
#include "log/subscription.h"

namespace syncline {

class LogSubscription final : public Subscription {
 public:
  LogSubscription(const std::shared_ptr<LogCore>& core, Seq since,
                  Visibility visibility, std::function<void()> on_ready);
  ~LogSubscription() override;

  absl::StatusOr<RecordSpan> Next(std::size_t bytes_max) override;
  [[nodiscard]] Seq cursor() const override { return cursor_; }

 private:
  void OnMoved();

  const std::weak_ptr<LogCore> core_;
  const Visibility visibility_;
  const std::function<void()> on_ready_;
  Seq cursor_;
  bool waiting_ = false;
  std::uint64_t waiter_ = 0;
};

}  // namespace syncline
