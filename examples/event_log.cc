// A program with a durable event log inside:
//
//   event_log HOME     every line of standard input becomes an event, and each
//                      event is handled (here: printed), also if that is not
//                      before the next start
//
// The node is in this process: no server, no socket. Try it twice:
//
//   printf 'one\ntwo\n' | event_log /tmp/events
//   printf 'three\n' | event_log /tmp/events

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <condition_variable>
#include <cstdio>
#include <future>
#include <iostream>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "log/record_span.h"
#include "node/node.h"
#include "node/project_events.h"
#include "node/project_log.h"
#include "proto/event_reader.h"

namespace {

using namespace syncline;

constexpr char kProject[] = "events";
constexpr char kCursor[] = "printer";  // How far the events are handled.

int Fail(const absl::Status& status) {
  std::cerr << "event_log: " << status.ToString() << "\n";
  return 1;
}

// Handles the events behind the cursor, then those that come. On the node's
// loop.
class Printer {
 public:
  Printer(Project project, FeedPosition handled)
      : project_(std::move(project)),
        from_(std::move(handled)),
        handled_(from_.seq) {}

  void Start() {
    feed_ = project_.log().Subscribe(
        from_.log.bytes.empty() ? FeedSource::Oldest("")
                                : FeedSource::Behind("", from_),
        Visibility::kDurable,
        {{},
         [this](const FeedRecords& records) { Print(records.span); },
         [this](const FeedEnd& end) { Ended(end.status); }});
  }
  void Stop() { feed_.reset(); }

  // From another thread: waits until everything up to `seq` was handled.
  absl::Status Await(Seq seq) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return handled_ >= seq || !status_.ok(); });
    return status_;
  }

 private:
  void Print(const RecordSpan& span) {
    RecordWalk walk(span);
    for (; walk.Valid(); walk.Next()) {
      const auto events = reader_.Read(walk.record());
      if (!events.ok()) return Ended(events.status());
      for (const EventView& event : *events) {
        std::printf("%llu %.*s\n",
                    static_cast<unsigned long long>(walk.record().seq.value),
                    static_cast<int>(event.payload.size()),
                    event.payload.data());
      }
    }
    if (!walk.status().ok()) return Ended(walk.status());
    // Only now: who dies before it is given them again.
    std::fflush(stdout);
    project_.cursors().AsyncSet(
        {kCursor, span.last, feed_->position(0).log},
        [this, seq = span.last](const absl::StatusOr<LogEnd>& set) {
          if (!set.ok()) return Ended(set.status());
          if (set->state != CursorState::kValid)
            return Ended(absl::InternalError("the cursor did not move"));
          const std::scoped_lock lock(mutex_);
          handled_ = seq;
          changed_.notify_all();
        });
  }

  void Ended(const absl::Status& status) {
    const std::scoped_lock lock(mutex_);
    status_ = status;
    changed_.notify_all();
  }

  const Project project_;
  const FeedPosition from_;
  std::unique_ptr<FeedSubscription> feed_;
  EventReader reader_;

  std::mutex mutex_;
  std::condition_variable changed_;
  Seq handled_;          // Guarded by `mutex_`.
  absl::Status status_;  // Guarded by `mutex_`.
};

absl::StatusOr<FeedPosition> Handled(const Project& project) {
  const auto cursors = project.cursors().List();
  if (!cursors.ok()) return cursors.status();
  for (const CursorInfo& info : *cursors) {
    if (info.name == kCursor)
      return FeedPosition{info.cursor.log, info.cursor.seq};
  }
  return FeedPosition();
}

absl::Status Run(boost::asio::io_context& io, Node& node) {
  const auto created = node.CreateProject(kProject);
  if (!created.ok() && !absl::IsAlreadyExists(created.status()))
    return created.status();
  const Project project = node.project(kProject);
  const auto from = Handled(project);
  if (!from.ok()) return from.status();

  Printer printer(project, *from);
  boost::asio::post(io, [&] { printer.Start(); });
  absl::Status status;
  for (std::string line; status.ok() && std::getline(std::cin, line);) {
    const auto appended = project.events().Append("line", line);
    status = appended.ok() ? absl::OkStatus() : appended.status();
  }
  if (status.ok()) {
    const auto report = project.sync().Report();
    status = report.ok() ? printer.Await(report->head) : report.status();
  }
  std::promise<void> stopped;
  boost::asio::post(io, [&] {
    printer.Stop();
    stopped.set_value();
  });
  stopped.get_future().wait();
  const absl::Status closed = node.Close();
  return status.ok() ? closed : status;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: event_log HOME\n";
    return 2;
  }
  boost::asio::io_context io;
  NodeOptions options;
  options.home = argv[1];
  auto node = Node::Open(io, options);
  if (!node.ok()) return Fail(node.status());
  auto work = boost::asio::make_work_guard(io);
  std::thread loop([&] { io.run(); });
  const absl::Status status = Run(io, **node);
  work.reset();
  loop.join();
  return status.ok() ? 0 : Fail(status);
}
