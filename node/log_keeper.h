#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "log/cursors.h"
#include "log/retention.h"
#include "node/retention_types.h"
#include "node/types.h"

namespace syncline {

class NodeCore;
struct ProjectRuntime;

// Keeps the logs of a node as short as they are wanted: truncates on demand
// and by policy, gives the space back, and minds the named cursors.
//
// One job at a time, for the whole node: a plan is made and space is given
// back on a worker, the truncation itself is done on the loop in steps. There
// is no timer without a policy; with one, a look at a project where nothing
// has moved costs next to nothing.
//
// Bound to the node's loop; borrows `core`.
class LogKeeper {
 public:
  explicit LogKeeper(NodeCore& core);
  ~LogKeeper();
  LogKeeper(const LogKeeper&) = delete;
  LogKeeper& operator=(const LogKeeper&) = delete;

  // After the projects were opened.
  void Start();
  // The node serves from now on: also gives space back that an earlier process
  // left.
  void Serve();
  // The project's replica is about to go.
  void Forget(ProjectNumber project);
  // Nothing is begun any more; what waits is answered with kCancelled.
  void Stop();

  // ---- truncation
  // Answers when the records are gone and their space was given back, if that
  // was worth it.
  //   as Replica::health()  an earlier write failed
  //   other                 as Replica::Truncate
  void Truncate(const std::string& project, const TruncateQuery& query,
                Callback<Truncated> done);
  // Keeps everything if there is no policy.
  absl::StatusOr<RetentionPolicy> Retention(const std::string& project);
  // Applied at once and then from time to time.
  void SetRetention(const std::string& project, const RetentionPolicy& policy,
                    StatusCallback done);
  // Why the policy could not be applied when it was last tried; it is tried
  // again.
  absl::Status RetentionFailure(ProjectNumber project) const;
  // Who may still read the project's log from where it stands: cursors, and
  // devices that share the project. Not those behind the horizon.
  absl::StatusOr<std::vector<LogHolder>> Holders(ProjectRuntime& project);

  // ---- cursors
  absl::StatusOr<std::vector<CursorInfo>> List(const std::string& project);
  //   kNotFound  none of that name
  absl::StatusOr<Cursor> Find(ProjectRuntime& project, std::string_view name);
  // Where it stands then, or why it cannot; see Cursors::Set.
  void Set(const std::string& project, const CursorMove& move,
           Callback<LogEnd> done);
  void Remove(const std::string& project, const std::string& name,
              StatusCallback done);

 private:
  struct Job;
  using JobPtr = std::shared_ptr<Job>;
  // What the last look by policy found; the same again needs no other.
  struct Seen {
    Seq horizon;
    Seq durable;
    std::optional<Seq> passed;
    friend bool operator==(const Seen&, const Seen&) = default;
  };

  void Arm();
  void Tick();
  void Add(JobPtr job);
  void RunNext();
  void Begin(const JobPtr& job);
  void Plan(const JobPtr& job, ProjectRuntime& project,
            const RetentionPolicy& policy);
  void Planned(const JobPtr& job, Seq through, std::uint64_t bytes);
  void Step(const JobPtr& job);
  void Reclaim(const JobPtr& job);
  void Reclaimed(const JobPtr& job, Seq through, const absl::Status& status);
  void Finish(const JobPtr& job, absl::StatusOr<Truncated> outcome);
  // Opened when first wanted.
  absl::StatusOr<Cursors*> CursorsOf(ProjectRuntime& project);
  // One whose log takes writes; else why it does not.
  absl::StatusOr<ProjectRuntime*> FindWritable(const std::string& project);

  NodeCore& core_;
  boost::asio::steady_timer timer_;
  bool armed_ = false;
  bool begun_ = false;  // A job is, or is about to be.
  JobPtr truncating_;   // The one that waits for a replica.
  std::deque<JobPtr> jobs_;
  std::map<ProjectNumber, Seen> seen_;
  std::map<ProjectNumber, absl::Status> failures_;  // By policy.
  // Truncated since space was last given back, about.
  std::map<ProjectNumber, std::uint64_t> dropped_bytes_;
};

}  // namespace syncline
