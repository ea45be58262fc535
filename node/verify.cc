// Checking projects, one after the other, on a worker thread.

#include <memory>
#include <utility>

#include "base/status.h"
#include "node/node_core.h"
#include "node/verifier.h"

namespace syncline {

class NodeCore::Verification
    : public std::enable_shared_from_this<Verification> {
 public:
  // `total`: what is known already.
  Verification(NodeCore& core, std::vector<ProjectNumber> projects, bool repair,
               VerifyReport total, Callback<VerifyReport> done)
      : core_(core.weak_from_this()),
        projects_(std::move(projects)),
        repair_(repair),
        done_(std::move(done)),
        total_(std::move(total)) {}

  void Step() {
    const std::shared_ptr<NodeCore> core = core_.lock();
    if (!core || core->closing_) return Finish(NodeClosed());
    ProjectRuntime* project = nullptr;
    while (project == nullptr && next_ < projects_.size()) {
      project = core->Find(projects_[next_++]);
    }
    if (project == nullptr) return Finish(std::move(total_));
    if (project->verifying) {
      return Finish(absl::AbortedError("it is being verified already"));
    }
    // Behind everything that was committed so far.
    project->replica->log().Append(
        {}, {}, Durability::kDurable,
        [self = shared_from_this(), number = project->number](
            const absl::StatusOr<AppendLog::Appended>& written) {
          self->Check(number, written.status());
        });
  }

 private:
  void Check(ProjectNumber number, const absl::Status& written) {
    const std::shared_ptr<NodeCore> core = core_.lock();
    if (!core || core->closing_) return Finish(NodeClosed());
    ProjectRuntime* project = core->Find(number);
    if (project == nullptr) return Step();
    if (!written.ok()) {
      const absl::Status health = project->replica->health();
      return Finish(health.ok() ? written : health);
    }
    const AppendLog& log = project->replica->log();
    if (log.durable() != log.head()) {  // Somebody wrote meanwhile.
      --next_;
      return core->Later([self = shared_from_this()] { self->Step(); });
    }
    absl::StatusOr<std::shared_ptr<VerifyInput>> input =
        Gather(*core, *project);
    if (!input.ok()) return Finish(input.status());
    (*input)->repair = repair_;
    project->verifying = true;
    core->OnPool<VerifyReport>(
        [&chunks = *core->chunks_, &stop = core->stop_work_, input = *input] {
          absl::StatusOr<VerifyReport> report =
              Verifier(chunks, *input, stop).Run();
          input->records.reset();  // Not to outlive the log.
          return report;
        },
        [self = shared_from_this(), number,
         input = *input](absl::StatusOr<VerifyReport> report) {
          self->Checked(number, input->lacking, std::move(report));
        });
  }

  static absl::StatusOr<std::shared_ptr<VerifyInput>> Gather(
      NodeCore& core, ProjectRuntime& project) {
    Replica& replica = *project.replica;
    auto input = std::make_shared<VerifyInput>();
    input->name = core.NameOf(project);
    input->number = project.number;
    input->self = replica.state().self();
    input->frontier = replica.state().frontier();
    input->digest = replica.state().Digest();
    SYNCLINE_ASSIGN_OR_RETURN(input->snapshot, replica.state().TakeSnapshot());
    input->horizon = replica.log().horizon();
    input->head = replica.log().durable();
    for (const VersionVector::Slot& slot : input->frontier.slots()) {
      if (slot.counter == replica.log().frontier().CounterOf(slot.origin)) {
        input->chains.emplace_back(Dot{slot.origin, slot.counter},
                                   replica.log().ChainOf(slot.origin));
      }
    }
    AppendLog::ReadOptions options;
    options.since = input->horizon;
    options.until = input->head;
    input->records = replica.log().Read(options);
    input->wants = replica.wants().size() > 0;
    return input;
  }

  void Checked(ProjectNumber number, const std::vector<std::string>& lacking,
               absl::StatusOr<VerifyReport> report) {
    const std::shared_ptr<NodeCore> core = core_.lock();
    ProjectRuntime* project = core ? core->Find(number) : nullptr;
    if (project == nullptr) return Finish(NodeClosed());
    project->verifying = false;
    if (!report.ok()) return Finish(report.status());
    total_.projects += report->projects;
    total_.records += report->records;
    total_.files += report->files;
    total_.bytes += report->bytes;
    total_.missing_chunks += report->missing_chunks;
    total_.findings_left_out += report->findings_left_out;
    for (Finding& finding : report->findings) {
      NamePath(*project, finding);
      total_.findings.push_back(std::move(finding));
    }
    if (lacking.empty()) return Step();
    WriteBatch rows;
    ContentWants& wants = project->replica->wants();
    for (const std::string& payload : lacking) {
      const std::size_t before = wants.size();
      const absl::Status wanted = wants.AddPayload(payload, rows);
      // A malformed list of chunks is a finding; nothing can be fetched for it.
      if (!wanted.ok() && !absl::IsDataLoss(wanted)) return Finish(wanted);
      if (wants.size() > before) ++total_.wanted_again;
    }
    if (rows.empty()) return Step();
    project->replica->log().Append(
        {}, std::move(rows), Durability::kDurable,
        [self = shared_from_this()](
            const absl::StatusOr<AppendLog::Appended>& written) {
          written.ok() ? self->Step() : self->Finish(written.status());
        });
  }

  // People know files by their paths.
  static void NamePath(const ProjectRuntime& project, Finding& finding) {
    constexpr std::string_view kItem = "item ";
    if (!finding.where.starts_with(kItem)) return;
    const std::optional<ItemId> item =
        ItemId::FromText(std::string_view(finding.where).substr(kItem.size()));
    if (!item) return;
    const auto path = project.replica->state().PathOf(*item);
    if (path.ok() && *path) finding.where = **path;
  }

  void Finish(absl::StatusOr<VerifyReport> result) {
    const Callback<VerifyReport> done = std::move(done_);
    done_ = nullptr;
    if (done) done(std::move(result));
  }

  std::weak_ptr<NodeCore> core_;
  std::vector<ProjectNumber> projects_;
  const bool repair_;
  Callback<VerifyReport> done_;
  std::size_t next_ = 0;
  VerifyReport total_;
};

void NodeCore::Verify(const std::vector<std::string>& names, bool repair,
                      Callback<VerifyReport> done) {
  const absl::StatusOr<std::vector<ProjectRuntime*>> selected = Select(names);
  if (!selected.ok()) return done(selected.status());
  std::vector<ProjectNumber> numbers;
  for (const ProjectRuntime* project : *selected) {
    numbers.push_back(project->number);
  }
  VerifyReport found;
  if (names.empty()) {
    for (const auto& [number, why] : damaged_) {
      ++found.projects;
      found.findings.push_back({settings_->projects().at(number).name, "log",
                                std::string(FromAbsl(why.message()))});
    }
  }
  std::make_shared<Verification>(*this, std::move(numbers), repair,
                                 std::move(found), std::move(done))
      ->Step();
}

}  // namespace syncline
