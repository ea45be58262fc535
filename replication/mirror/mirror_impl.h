#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include "absl/status/status.h"
#include "replication/content_wants.h"
#include "replication/mirror/base_intents.h"
#include "replication/mirror/base_table.h"
#include "replication/mirror/disk_job.h"
#include "replication/mirror/emitter.h"
#include "replication/mirror/ignore_map.h"
#include "replication/mirror/mirror.h"
#include "replication/mirror/root_dir.h"
#include "replication/mirror/target_plan.h"
#include "replication/mirror/watcher.h"

namespace syncline {

// The parts of a mirror: mirror.cc drives them (what comes next, status),
// mirror_local.cc goes from the disk to the project, mirror_target.cc back.
struct Mirror::Impl {
  // Shared with jobs and handlers that may outlive the mirror.
  struct Life;

  // A path that could not be brought into order yet.
  struct Owed {
    enum class Why : std::uint8_t {
      kContent,  // Waits for chunk `missing`.
      kDisk,     // Somebody is at it, or the disk is full: retried at `due`.
      kError,    // Retried at sweeps only.
      kSkipped,  // An open conflict under the strategy skip.
    };
    Why why = Why::kDisk;
    bool whole = false;  // With all below it.
    std::optional<Hash> missing;
    std::int64_t due_ms = 0;
    int attempts = 0;
  };

  // A path of the disk that could not be read yet.
  struct Hot {
    std::int64_t due_ms = 0;
    int attempts = 0;
    absl::Status why;  // OK until it was looked at often.
  };

  // A path that was planned while the view was ahead of the records taken.
  struct Recent {
    bool whole = false;
    Seq until;  // The view was no further than this.
  };

  Impl(const Environment& environment, const Options& opts);
  ~Impl();

  absl::Status Start();
  absl::Status Attach();
  absl::Status OpenRoot();
  void MakeWatcher();

  // ---- mirror.cc: what comes next
  void Step();
  bool NextWork();  // True if there may be more to do at once.
  void Run(std::function<void()> work, std::function<void()> then);
  void Post();  // Step() in a turn of its own.
  // Whether a state is being installed: `then` comes when it is.
  bool Awaits(std::function<void()> then);
  void ArmTimer();
  void ReopenRoot();
  void RootLost(const absl::Status& why);
  void Fail(const absl::Status& why);
  void Written(const absl::Status& status);
  void NoteIdle();
  void At(std::string_view step) const;
  [[nodiscard]] bool Working() const;
  [[nodiscard]] bool Told() const;
  [[nodiscard]] std::int64_t Now() const;
  Status MakeStatus() const;

  // ---- mirror_local.cc: from the disk to the project
  void AddScope(const std::string& path, ScanDepth depth);
  void AddHints(const Watcher::Hints& hints);
  bool TakeFresh();
  bool StartScan();
  void Scanned(bool full, const std::vector<ScanScope>& list,
               absl::StatusOr<DiskDiff> diff);
  bool StartRead();
  void ReadDone(std::size_t begin, const absl::StatusOr<std::size_t>& end);
  void LocalProblem(const std::string& path, const absl::Status& problem);
  void ForgetTrouble(const std::vector<ScanScope>& list,
                     const std::vector<LocalOp>& ops);
  void FinishScan();
  void ForgetIntents();
  void HomeFull(const absl::Status& why);

  // ---- mirror_rules.cc: what is ignored
  void TakeRules(DiskDiff& diff);
  void ForgetIgnored(const std::vector<std::string>& ignored);
  [[nodiscard]] bool IsRuleFile(std::string_view path) const;
  void LookAtRules(const DiskOp& op);

  // ---- mirror_target.cc: from the project to the disk
  void LoadPending();
  bool TakeRecords();
  void TakeChanges(const std::vector<PathChange>& changes);
  void LookAtSkipped();
  void Follow(const std::string& from, const std::string& to);
  void MakeDirty(const std::string& path, bool whole);
  void StartOver();
  void Unfold(const std::string& path);
  bool TakeDue();
  void Stirred(const std::string& path);
  void ContentChanged();
  bool PlanSlice();
  bool StartDisk();
  std::vector<DiskOp> TakeBatch();
  void RunBatch(std::vector<DiskOp> batch);
  void DiskDone(std::vector<DiskOp> ops,
                const absl::StatusOr<std::vector<DiskResult>>& results,
                WriteBatch rows);
  void PlanAnew();
  void Succeeded(const DiskOp& op, const DiskResult& result, WriteBatch& rows);
  void Failed(const DiskOp& op, const DiskResult& result, WriteBatch& rows);
  [[nodiscard]] absl::Status HeldBack(const DiskOp& op,
                                      const DiskResult& result) const;
  void Owe(const std::string& path, Owed owed, WriteBatch& rows);
  void Settled(const std::string& path, WriteBatch& rows);
  bool SaveCursor();

  Environment env;
  Options options;
  ScanOptions scan_options;
  std::shared_ptr<Life> life;
  std::atomic<bool> stop{false};
  std::unique_ptr<BaseTable> base;
  std::unique_ptr<BaseIntents> intents;
  std::unique_ptr<RootDir> root;  // Null while it is lost.
  std::unique_ptr<Watcher> watcher;
  std::unique_ptr<Emitter> emitter;
  std::unique_ptr<AppendLog::Waiter> waiter;
  std::unique_ptr<ContentWants::Watch> wants_watch;
  boost::asio::steady_timer timer;

  bool busy = false;    // A job is under way.
  bool posted = false;  // Step() is posted.
  bool paused = false;
  bool was_idle = false;
  absl::Status broken;      // For good: the replica or the rows.
  absl::Status root_error;  // Until the root is back.
  absl::Status disk_error;  // No space: until something could be written.
  absl::Status
      home_error;  // No space for what was read: until a sweep is told.
  std::int64_t reopen_ms = 0;
  std::int64_t disk_retry_ms = 0;
  std::int64_t home_retry_ms = 0;

  // From the disk.
  bool full_scan = true;
  bool scanning_full = false;  // The ops being read come from a full scan.
  bool scanned_once = false;
  bool confirmed = false;
  std::uint64_t held = 0;
  std::uint64_t scanned = 0;
  std::int64_t sweep_ms = 0;
  std::map<std::string, ScanDepth> scopes;
  // Directories to be scanned for the sake of their watches, once nothing
  // else is to be done or the time has come.
  std::set<std::string> fresh;
  std::int64_t fresh_ms = 0;
  IgnoreMap rules;  // As of the last look at each directory.
  std::string rules_digest;
  bool scanned_rules = false;
  std::map<std::string, Hot> hot;
  std::vector<LocalOp> local;
  std::size_t local_done = 0;
  bool emitted = false;  // FinishScan() waits for what was emitted.
  std::map<std::string, absl::Status> scan_errors;
  std::vector<std::function<void(absl::Status)>> asked;    // Next full scan.
  std::vector<std::function<void(absl::Status)>> waiting;  // This one.

  // From the project.
  std::map<std::string, bool> dirty;  // Path -> with all below it.
  std::set<std::string> dirty_rules;  // Those of rule files: they come first.
  std::vector<std::string> moved;     // Ends of renames: planned together.
  std::map<std::string, Recent> recent;
  std::vector<std::string> unfold;  // Once Base has what was planned.
  std::optional<Seq> taken;         // Records up to here are in `dirty`.
  std::set<std::uint64_t> own;      // Records that need no look.
  std::map<std::string, Owed> owed;
  std::vector<DiskOp> disk_ops;
  std::size_t disk_done = 0;
  std::map<std::string, absl::Status> disk_errors;

  std::function<void()> on_idle;
  std::vector<std::shared_ptr<const void>> kept;  // Until Told().
};

}  // namespace syncline
