#pragma once

#include <functional>
#include <memory>

#include "log/log_core.h"
#include "log/subscription.h"

namespace syncline {

class LogSubscription final : public Subscription, private ReadyHook {
 public:
  LogSubscription(std::shared_ptr<LogCore> core, Seq since,
                  Visibility visibility, std::function<void()> on_ready);
  ~LogSubscription() override;

  [[nodiscard]] bool more() const override {
    return cursor_ < core_->Visible(visibility_);
  }
  [[nodiscard]] Seq cursor() const override { return cursor_; }

 protected:
  absl::Status Take(std::size_t bytes_max, Hold hold,
                    RecordSpan& span) override;

 private:
  void Ready() override;

  const std::shared_ptr<LogCore> core_;
  const Visibility visibility_;
  std::unique_ptr<std::function<void()>> on_ready_;  // Empty while it runs.
  Seq cursor_;
  bool* destroyed_ = nullptr;  // Where to say so, while `on_ready` runs.
};

}  // namespace syncline
