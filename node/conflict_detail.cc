#include "node/conflict_detail.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "base/status.h"
#include "kv/file_content.h"
#include "node/conflict_ops.h"
#include "node/node_core.h"
#include "replication/ancestry.h"
#include "replication/text_merge.h"

namespace syncline {
namespace {

// A value and where it is: what a worker compares.
struct Value {
  Dot version;
  std::optional<ItemKind> kind;
  std::string payload;
};

// The bytes to be compared; nothing if there is no text, or not all of it is
// here.
std::optional<std::string> TextOf(const ChunkStore& chunks,
                                  const Value& value) {
  if (!value.kind) return value.payload;
  if (value.kind != ItemKind::kFile) return std::nullopt;
  const auto content = FileContent::Decode(value.payload);
  if (!content.ok() || content->size > kTextBytesMax) return std::nullopt;
  std::string bytes;
  const absl::Status read =
      ReadContent(chunks, *content, [&bytes](std::string_view part) {
        bytes += part;
        return absl::OkStatus();
      });
  if (!read.ok()) return std::nullopt;
  return bytes;
}

// Of each of `values` against the first.
std::vector<ConflictDiff> Compare(const ChunkStore& chunks,
                                  const std::vector<Value>& values,
                                  bool ancestor) {
  std::vector<ConflictDiff> diffs;
  const std::optional<std::string> before = TextOf(chunks, values.front());
  for (std::size_t i = 1; i < values.size(); ++i) {
    ConflictDiff diff;
    if (ancestor) diff.from = values.front().version;
    diff.to = values[i].version;
    const std::optional<std::string> after = TextOf(chunks, values[i]);
    if (before && after) diff.text = DiffText(*before, *after);
    diffs.push_back(std::move(diff));
  }
  return diffs;
}

class Detail : public std::enable_shared_from_this<Detail> {
 public:
  Detail(NodeCore& core, ProjectNumber project, std::string path,
         Callback<ConflictDetail> done)
      : core_(core.weak_from_this()),
        project_(project),
        path_(std::move(path)),
        done_(std::move(done)) {}

  void Begin() {
    const absl::Status begun = Start();
    if (!begun.ok()) return done_(begun);
    Step();
  }

 private:
  // The project's replica; null once it is gone.
  Replica* Find() {
    const std::shared_ptr<NodeCore> core = core_.lock();
    ProjectRuntime* runtime =
        core && !core->closing() ? core->Find(project_) : nullptr;
    return runtime == nullptr ? nullptr : runtime->replica.get();
  }

  absl::Status Start() {
    Replica& replica = *Find();
    ConflictQuery query;
    query.path = path_;
    SYNCLINE_ASSIGN_OR_RETURN(
        auto conflicts,
        ListConflicts(replica,
                      core_.lock()->NameOf(*core_.lock()->Find(project_)),
                      query));
    detail_.conflict = std::move(conflicts.front());
    SYNCLINE_ASSIGN_OR_RETURN(const Row row,
                              ConflictAt(replica.state(), path_));
    reg_ = row.shown_sibling().reg;
    std::map<std::string_view, Dots> sides;
    for (const Sibling& sibling : row.siblings) {
      Value value{sibling.head.order.dot(), row.kind, sibling.payload()};
      if (row.kind) value.kind = sibling.reg.item.kind;
      if (sibling.reg == reg_) {
        sides[sibling.payload()].push_back(value.version);
      }
      values_.push_back(std::move(value));
    }
    std::sort(
        values_.begin(), values_.end(),
        [](const Value& a, const Value& b) { return a.version < b.version; });
    // Values of several items have no history in common.
    if (sides.size() < 2 || sides.size() > 2) return absl::OkStatus();
    search_.emplace(replica.log(), reg_);
    return search_->Begin(sides.begin()->second, sides.rbegin()->second);
  }

  void Step() {
    constexpr std::size_t kRecordsInTurn = 64;
    Replica* replica = Find();
    if (replica == nullptr) {
      return done_(absl::CancelledError("the node or the project was closed"));
    }
    if (search_) {
      const absl::StatusOr<bool> over =
          search_->Step(kRecordsInTurn, [](std::string_view) { return true; });
      if (!over.ok()) return done_(over.status());
      if (!*over) {
        return core_.lock()->Later(
            [self = shared_from_this()] { self->Step(); });
      }
    }
    Finish(*replica);
  }

  void Finish(const Replica& replica) {
    const bool ancestor = search_ && search_->found();
    if (ancestor) {
      const AncestorSearch::Found& found = *search_->found();
      detail_.conflict.ancestor =
          DescribeSide(replica, DescribeSide(ValueOf(reg_, found)));
      values_.insert(values_.begin(),
                     {found.order.dot(),
                      reg_.field == RegisterId::Field::kDoc
                          ? std::nullopt
                          : std::optional<ItemKind>(reg_.item.kind),
                      found.payload});
    }
    const std::shared_ptr<NodeCore> core = core_.lock();
    core->OnPool<std::vector<ConflictDiff>>(
        [&chunks = core->chunks(), values = std::move(values_),
         ancestor]() -> absl::StatusOr<std::vector<ConflictDiff>> {
          return Compare(chunks, values, ancestor);
        },
        [self = shared_from_this()](
            absl::StatusOr<std::vector<ConflictDiff>> diffs) {
          if (!diffs.ok()) return self->done_(diffs.status());
          self->detail_.diffs = *std::move(diffs);
          self->done_(std::move(self->detail_));
        });
  }

  std::weak_ptr<NodeCore> core_;
  ProjectNumber project_;
  std::string path_;
  Callback<ConflictDetail> done_;
  ConflictDetail detail_;
  RegisterId reg_;
  std::vector<Value> values_;
  std::optional<AncestorSearch> search_;
};

}  // namespace

void ShowConflict(NodeCore& core, ProjectNumber project,
                  const std::string& path, Callback<ConflictDetail> done) {
  std::make_shared<Detail>(core, project, path, std::move(done))->Begin();
}

}  // namespace syncline
