#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "log/append_log.h"
#include "node/types.h"
#include "replication/replica.h"

namespace syncline {

class NodeCore;
struct ProjectRuntime;

// Reads one project's log for one reader, in batches that it asks for one by
// one; with `follow` it goes on with what is appended. Keeps nothing open
// between batches, so a slow reader costs nothing.
//
// Bound to the node's loop. No call comes after Stop() or the end.
class LogStream : public std::enable_shared_from_this<LogStream> {
 public:
  using Batch = std::vector<LogRecord>;
  // `next` is to be called, on the loop, when the batch was dealt with.
  using Deliver = std::function<void(Batch, std::function<void()> next)>;

  // `done` comes once: after the last record (without `follow`), at a position
  // that cannot be read from, on an error, or with kCancelled when the node or
  // the project closes.
  static std::shared_ptr<LogStream> Start(NodeCore& core, ProjectNumber project,
                                          LogQuery query, Deliver deliver,
                                          Callback<LogEnd> done);
  ~LogStream();

  // Ends it without a further call.
  void Stop();
  // Ends it because its log goes away.
  void Close();
  [[nodiscard]] ProjectNumber project() const { return project_; }

 private:
  LogStream(NodeCore& core, ProjectNumber project, LogQuery query,
            Deliver deliver, Callback<LogEnd> done);
  void Begin();
  void Pump();
  void PumpLater();
  // Reads one batch from behind `last_`; true if there may be more now.
  absl::StatusOr<bool> ReadBatch(Replica& replica, Batch& batch);
  absl::StatusOr<bool> Matches(LogRecord& record) const;
  static absl::Status AddConflicts(const Replica& replica, LogRecord& record);
  bool IsFrom(const Replica& replica, const Origin& origin);
  // Takes the position of the cursor that the query names.
  absl::Status ResolveCursor(NodeCore& core);
  [[nodiscard]] Seq End(const AppendLog& log) const;
  void Finish(absl::StatusOr<LogEnd> end);
  ProjectRuntime* FindProject() const;
  Replica* Find() const;

  std::weak_ptr<NodeCore> core_;
  ProjectNumber project_;
  LogQuery query_;
  Deliver deliver_;
  Callback<LogEnd> done_;
  std::unique_ptr<AppendLog::Waiter> waiter_;
  std::optional<Seq> last_;  // Looked at; behind or, reversed, before it.
  std::map<Origin, bool> from_device_;  // Of the origins seen.
  std::uint64_t delivered_ = 0;
  bool busy_ = false;  // A batch is out, or a turn is posted.
  bool ended_ = false;
};

// A record as `log` shows it, changes not filtered yet.
absl::StatusOr<LogRecord> DescribeRecord(const Replica& replica,
                                         const RecordView& view);

}  // namespace syncline
