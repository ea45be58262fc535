#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "log/append_log.h"
#include "node/feed.h"

namespace syncline {

// Events and feeds of a node in another process, over its control socket.
//
// Append() gathers: while one message is on its way, all events that are
// appended go into the next, so thousands of calls may be made without
// waiting. Every call is answered, once.
//
// A lost connection is told, never mended: what was not answered fails with
// kUnavailable, feeds end, and later calls are refused. Connect anew and resume
// feeds at their positions. What failed so may have been appended, durably, or
// not, and a node that was only slow may append it still: who must not append
// twice gives each event a name of its own and looks for it in the log first.
// A node that does not answer (stopped, or waiting for its disk) is lost, too,
// after a while: see Options::silence_ms_max.
//
// Bound to the executor that it was connected with: an io_context run by one
// thread, or a strand. Append() may be called from any thread. Callbacks come
// on the executor as handlers of their own, so they may call anything,
// destroying the client included. See blocking_client.h for programs without
// an executor.
class Client {
 public:
  struct Options {
    // Of one message of events.
    std::size_t batch_events_max = 4096;
    std::size_t batch_bytes_max = 256u << 10;
    // Messages of events that may wait for their answers at once.
    std::size_t batches_in_flight_max = 2;
    // The connection counts as lost where something waits for a node that has
    // said nothing for about this long (once and a half at most; it is asked
    // for a sign of life meanwhile, so that a feed may rest). 0: never. Time
    // in which nobody runs the executor does not count.
    std::int64_t silence_ms_max = 30'000;
    // Called once when the connection is lost; not after destruction.
    std::function<void(absl::Status)> on_disconnect = nullptr;
  };

  using AppendDone = std::function<void(absl::StatusOr<Seq>)>;

  // Connects to the node that serves `home`, a home or a control socket.
  // Blocks for the moment that a local connect takes.
  //   kNotFound     nobody serves there
  //   kUnavailable  who serves there accepts nobody
  static absl::StatusOr<std::unique_ptr<Client>> Connect(
      boost::asio::any_io_executor executor, const std::filesystem::path& home,
      Options options);
  static absl::StatusOr<std::unique_ptr<Client>> Connect(
      boost::asio::any_io_executor executor,
      const std::filesystem::path& home) {
    return Connect(std::move(executor), home, Options());
  }

  // Closes the connection. What was not answered never is.
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Appends one event; keeps nothing of the views. `done` gets its seq once it
  // is as safe as `durability` says; it may be empty. Events appended by one
  // thread are in the log in that order.
  //   kNotFound            no such project
  //   kInvalidArgument     see EventLimits in node/client/event_limits.h
  //   kFailedPrecondition  the project takes no changes; the message says why
  //   kUnavailable         the connection is lost
  void Append(std::string_view project, std::string_view channel,
              std::string_view payload, Durability durability, AppendDone done);

  // Bytes of events that are not answered yet; for back pressure by the
  // caller. Any thread.
  [[nodiscard]] std::size_t UnansweredBytes() const;

  // A feed of `sources` (at least one); see node/feed.h. Errors come as its
  // end.
  [[nodiscard]] std::unique_ptr<FeedSubscription> Subscribe(
      std::vector<FeedSource> sources, Visibility visibility,
      FeedHandlers handlers);

 private:
  struct Impl;
  explicit Client(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace syncline
