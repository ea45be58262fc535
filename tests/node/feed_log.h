#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "node/feed.h"
#include "proto/event_reader.h"
#include "tests/node/running_node.h"
#include "tests/testing/process.h"

namespace syncline::testing {

struct SeenRecord {
  std::size_t source = 0;
  Seq seq;
  std::string channel;  // Of its first event.
  std::string payload;
};

// A consumer that keeps what it is given. Thread-safe but for what says so.
class FeedLog {
 public:
  FeedLog() = default;
  FeedLog(const FeedLog&) = delete;
  FeedLog& operator=(const FeedLog&) = delete;
  // Cancels on the loop that it was subscribed on.
  ~FeedLog() {
    if (on_loop_) on_loop_([this] { subscription_.reset(); });
  }

  // Called behind each record, on the loop. Set it before subscribing.
  std::function<void(const SeenRecord&)> on_record;

  void Subscribe(RunningNode& node, const std::vector<FeedSource>& sources,
                 Visibility visibility) {
    Subscribe([&node](const auto& run) { node.OnLoop(run); },
              [&](FeedHandlers handlers) {
                return node->Subscribe(sources, visibility,
                                       std::move(handlers));
              });
  }
  // `on_loop` runs a function on the loop and waits for it.
  void Subscribe(
      std::function<void(const std::function<void()>&)> on_loop,
      const std::function<std::unique_ptr<FeedSubscription>(FeedHandlers)>&
          subscribe) {
    on_loop_ = std::move(on_loop);
    on_loop_([&] { subscription_ = subscribe(Handlers()); });
  }

  [[nodiscard]] bool WaitFor(std::size_t records) {
    return Eventually([&] {
             const std::scoped_lock lock(mutex_);
             return records_.size() >= records || end_;
           }) &&
           Records().size() == records;
  }
  [[nodiscard]] bool WaitForEnd() {
    return Eventually([this] { return ended(); });
  }
  [[nodiscard]] bool ended() {
    const std::scoped_lock lock(mutex_);
    return end_.has_value();
  }
  FeedEnd End() {
    const std::scoped_lock lock(mutex_);
    return *end_;
  }
  std::vector<SeenRecord> Records() {
    const std::scoped_lock lock(mutex_);
    return records_;
  }
  std::vector<FeedStart> Starts() {
    const std::scoped_lock lock(mutex_);
    return starts_;
  }
  // Each source's records follow one another, and the walks were clean.
  bool InOrder() {
    const std::scoped_lock lock(mutex_);
    if (!clean_) return false;
    std::vector<std::uint64_t> last;
    for (const FeedStart& start : starts_) {
      last.push_back(start.position.seq.value);
    }
    for (const SeenRecord& record : records_) {
      if (record.seq.value != ++last.at(record.source)) return false;
    }
    return true;
  }
  FeedPosition position(std::size_t source) {
    FeedPosition position;
    on_loop_([&] { position = subscription_->position(source); });
    return position;
  }
  void Resume() {
    on_loop_([this] { subscription_->Resume(); });
  }
  void Cancel() {
    on_loop_([this] { subscription_.reset(); });
  }

  // From within on_record.
  void CancelHere() { subscription_.reset(); }
  void PauseHere() { subscription_->Pause(); }

 private:
  FeedHandlers Handlers() {
    FeedHandlers handlers;
    handlers.on_start = [this](const std::vector<FeedStart>& starts) {
      const std::scoped_lock lock(mutex_);
      starts_ = starts;
    };
    handlers.on_records = [this](const FeedRecords& records) { Take(records); };
    handlers.on_end = [this](const FeedEnd& end) {
      const std::scoped_lock lock(mutex_);
      end_ = end;
    };
    return handlers;
  }

  // Goes on with the rest of a span whatever on_record does.
  void Take(const FeedRecords& records) {
    RecordWalk walk(records.span.first, records.span.bytes);
    Seq last;
    for (; walk.Valid(); walk.Next()) {
      SeenRecord seen = {records.source, walk.record().seq, {}, {}};
      last = seen.seq;
      const auto events = reader_.Read(walk.record());
      if (events.ok() && !events->empty()) {
        seen.channel = std::string(events->front().channel);
        seen.payload = std::string(events->front().payload);
      }
      {
        const std::scoped_lock lock(mutex_);
        records_.push_back(seen);
        clean_ &= events.ok();
      }
      if (on_record) on_record(seen);
    }
    const std::scoped_lock lock(mutex_);
    clean_ &= walk.status().ok() && last == records.span.last;
  }

  std::function<void(const std::function<void()>&)> on_loop_;
  std::unique_ptr<FeedSubscription> subscription_;  // The loop's.
  EventReader reader_;                              // The loop's.
  std::mutex mutex_;
  // Guarded by `mutex_`.
  std::vector<FeedStart> starts_;
  std::vector<SeenRecord> records_;
  std::optional<FeedEnd> end_;
  bool clean_ = true;
};

}  // namespace syncline::testing
