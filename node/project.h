#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "node/async.h"
#include "node/feed.h"
#include "node/types.h"

namespace syncline {

class NodeCore;
class LogStream;

// One project of a node, by name: a value that may be copied and kept while
// the node's io_context lives. See Node for how its operations are called; all
// changes answer when they are durable.
class Project {
 public:
  class Files;      // node/project_files.h
  class Documents;  // node/project_documents.h
  class Events;     // node/project_events.h
  class Log;
  class Conflicts;  // node/project_conflicts.h
  class Sync;
  class Cursors;    // node/project_log.h
  class Retention;  // node/project_log.h

  Project(boost::asio::io_context& io, std::weak_ptr<NodeCore> core,
          std::string name)
      : io_(&io), core_(std::move(core)), name_(std::move(name)) {}

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] Files files() const;
  [[nodiscard]] Documents documents() const;
  [[nodiscard]] Events events() const;
  [[nodiscard]] Log log() const;
  [[nodiscard]] Conflicts conflicts() const;
  [[nodiscard]] Sync sync() const;
  [[nodiscard]] Cursors cursors() const;
  [[nodiscard]] Retention retention() const;

 protected:
  template <typename Result, typename Token>
  auto Async(Starter<Result> start, Token&& token) const {
    return InitiateAsync<Result>(*io_, std::move(start),
                                 std::forward<Token>(token));
  }
  template <typename Result>
  Result Block(Starter<Result> start) const {
    return BlockOn<Result>(*io_, std::move(start));
  }

  boost::asio::io_context* io_;
  std::weak_ptr<NodeCore> core_;
  std::string name_;
};

// What changed, in this node's order.
class Project::Log : private Project {
 public:
  explicit Log(const Project& project) : Project(project) {}

  // Ends when it is destroyed, on the loop: no call comes after that.
  class Subscription {
   public:
    explicit Subscription(std::shared_ptr<LogStream> stream);
    ~Subscription();
    Subscription(Subscription&&) noexcept;
    Subscription& operator=(Subscription&&) noexcept;

   private:
    std::shared_ptr<LogStream> stream_;
  };

  struct Page {
    std::vector<LogRecord> records;
    LogEnd end;
  };

  // Records that match, at most `query.limit` or 1000 of them. A position that
  // cannot be read from is told in `end`.
  template <typename Token>
  auto AsyncRead(LogQuery query, Token&& token) const {
    return Async(ReadOf(std::move(query)), std::forward<Token>(token));
  }
  absl::StatusOr<Page> Read(LogQuery query) const {
    return Block(ReadOf(std::move(query)));
  }

  // Calls `deliver` with batches, on the loop: the next one comes after the
  // `next` of the one before was called. With `query.follow` it stays.
  // `ended`: see LogStream::Start. Call on the loop.
  absl::StatusOr<Subscription> Subscribe(
      LogQuery query,
      std::function<void(std::vector<LogRecord>, std::function<void()> next)>
          deliver,
      Callback<LogEnd> ended) const;

  // The records as they are stored, replayed and then live: see node/feed.h.
  // `from.project` is not read. Call on the loop.
  std::unique_ptr<FeedSubscription> Subscribe(FeedSource from,
                                              Visibility visibility,
                                              FeedHandlers handlers) const;

 private:
  Starter<absl::StatusOr<Page>> ReadOf(LogQuery query) const;
};

// Folders and peers.
class Project::Sync : private Project {
 public:
  explicit Sync(const Project& project) : Project(project) {}

  // Keeps the folder `dir` equal to the project from now on.
  //   kFailedPrecondition  inside or around another mirrored folder
  template <typename Token>
  auto AsyncAddMirror(std::string dir, bool create, Token&& token) const {
    return Async(AddMirrorOf(std::move(dir), create),
                 std::forward<Token>(token));
  }
  absl::StatusOr<MirrorReport> AddMirror(std::string dir,
                                         bool create = false) const {
    return Block(AddMirrorOf(std::move(dir), create));
  }

  // Until folders and connected devices are in step; below 0: without a limit,
  // but not where waiting is of no use without somebody's help. Folders that
  // are paused are not waited for. The message says what is left:
  //   kDeadlineExceeded    they are not in step
  //   kFailedPrecondition  a folder is in error (it is gone, say), a state is
  //                        held back, or histories that contradict each other
  //                        stand between two devices
  //   kResourceExhausted   a disk is full, here or where it is to go
  //   kUnavailable         content is missing that no connected device has
  template <typename Token>
  auto AsyncWait(std::int64_t timeout_ms, Token&& token) const {
    return Async(WaitOf(timeout_ms), std::forward<Token>(token));
  }
  absl::StatusOr<WaitReport> Wait(std::int64_t timeout_ms = -1) const {
    return Block(WaitOf(timeout_ms));
  }

  template <typename Token>
  auto AsyncReport(Token&& token) const {
    return Async(ReportOf(), std::forward<Token>(token));
  }
  absl::StatusOr<ProjectReport> Report() const { return Block(ReportOf()); }

 private:
  Starter<absl::StatusOr<MirrorReport>> AddMirrorOf(std::string dir,
                                                    bool create) const;
  Starter<absl::StatusOr<WaitReport>> WaitOf(std::int64_t timeout_ms) const;
  Starter<absl::StatusOr<ProjectReport>> ReportOf() const;
};

}  // namespace syncline
