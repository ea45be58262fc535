#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "node/client/client.h"
#include "node/feed.h"

namespace syncline {

// A Client for programs without an executor. Calls block until they are
// answered; callers on several threads share messages. There is no thread
// behind it, who waits does the work: a lone caller is never switched away
// from, and looks for an answer a moment (about 50 us, where that has paid
// lately) before it sleeps.
// Thread-safe. Errors are those of Client.
class BlockingClient {
 public:
  static absl::StatusOr<std::unique_ptr<BlockingClient>> Connect(
      const std::filesystem::path& home, Client::Options options);
  static absl::StatusOr<std::unique_ptr<BlockingClient>> Connect(
      const std::filesystem::path& home) {
    return Connect(home, Client::Options());
  }
  // No call and no feed may be under way.
  ~BlockingClient();
  BlockingClient(const BlockingClient&) = delete;
  BlockingClient& operator=(const BlockingClient&) = delete;

  absl::StatusOr<Seq> Append(std::string_view project, std::string_view channel,
                             std::string_view payload,
                             Durability durability = Durability::kDurable);

  // Appends `payloads` in order; gives their seqs, or the first error (others
  // may have been appended).
  absl::StatusOr<std::vector<Seq>> AppendAll(
      std::string_view project, std::string_view channel,
      std::span<const std::string_view> payloads,
      Durability durability = Durability::kDurable);

  // Does not wait. `done` comes on a thread that waits for something of this
  // client, or on one that is there for this; it must not wait itself. See
  // Client::Append.
  void AppendLater(std::string_view project, std::string_view channel,
                   std::string_view payload, Durability durability,
                   Client::AppendDone done);

  // A feed that is read by waiting. One thread at a time.
  class Feed {
   public:
    virtual ~Feed() = default;
    // The next records; waits for them. Valid until the next call. Nothing:
    // the feed ended, see end().
    [[nodiscard]] virtual std::optional<FeedRecords> Next() = 0;
    // The same, waiting `timeout_ms` at most; records with an empty span if
    // there were none.
    [[nodiscard]] virtual std::optional<FeedRecords> NextWithin(
        std::int64_t timeout_ms) = 0;
    [[nodiscard]] virtual const FeedEnd& end() const = 0;
    [[nodiscard]] virtual FeedPosition position(std::size_t source) const = 0;
  };
  // Must be destroyed before the client.
  [[nodiscard]] std::unique_ptr<Feed> Subscribe(
      std::vector<FeedSource> sources,
      Visibility visibility = Visibility::kDurable);

 private:
  struct Impl;
  explicit BlockingClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace syncline
