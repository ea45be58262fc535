#include "log/cursors.h"

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "log/log_rows.h"

namespace syncline {
namespace {

bool IsAlphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c >= '0' && c <= '9');
}

}  // namespace

absl::Status CheckCursorName(std::string_view name) {
  if (name.empty() || name.size() > Cursors::kNameBytesMax) {
    return InvalidArgument("a cursor's name has 1 to 128 characters");
  }
  constexpr std::string_view kOther = "._:/-";
  const bool legal = std::all_of(name.begin(), name.end(), [&](char c) {
    return IsAlphanumeric(c) || kOther.find(c) != std::string_view::npos;
  });
  if (!legal || !IsAlphanumeric(name.front())) {
    return InvalidArgument(
        "a cursor's name has letters, digits and ._:/- only, and a letter or "
        "a digit first");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Cursors>> Cursors::Open(const Store& store,
                                                       AppendLog& log,
                                                       ProjectNumber project) {
  std::unique_ptr<Cursors> cursors(new Cursors(log, project));
  const std::string prefix = CursorRowsPrefix(project);
  IterateOptions range;
  range.lower_bound = prefix;
  range.upper_bound = PrefixEnd(prefix);
  const auto rows = store.NewIterator(Column::kProjects, range);
  for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
    const std::string_view name = rows->key().substr(prefix.size());
    if (!CheckCursorName(name).ok()) return DataLoss("log: malformed cursor");
    SYNCLINE_ASSIGN_OR_RETURN(Cursor cursor, DecodeCursor(rows->value()));
    cursors->cursors_.emplace(name, std::move(cursor));
  }
  SYNCLINE_RETURN_IF_ERROR(rows->status());
  return cursors;
}

const Cursor* Cursors::Find(std::string_view name) const {
  const auto found = cursors_.find(name);
  return found == cursors_.end() ? nullptr : &found->second;
}

absl::StatusOr<CursorState> Cursors::CheckMove(std::string_view name,
                                               const LogId& log, Seq seq,
                                               Move move) const {
  SYNCLINE_RETURN_IF_ERROR(CheckCursorName(name));
  const CursorState state = log_.Check(log, seq);
  if (state != CursorState::kValid) return state;
  const Cursor* known = Find(name);
  if (known == nullptr && cursors_.size() >= kCursorsMax) {
    return MakeStatus(absl::StatusCode::kResourceExhausted,
                      "the log has as many cursors as it may");
  }
  if (known != nullptr && known->log == log && seq < known->seq &&
      move == Move::kForward) {
    return FailedPrecondition("the cursor stands at " +
                              std::to_string(known->seq.value) +
                              " and would go back");
  }
  return state;
}

void Cursors::Set(std::string_view name, const LogId& log, Seq seq, Move move,
                  std::int64_t now_ms, const SetDone& done) {
  const absl::StatusOr<CursorState> checked = CheckMove(name, log, seq, move);
  if (!checked.ok() || *checked != CursorState::kValid) return done(checked);
  if (const absl::Status health = log_.health(); !health.ok()) {
    return done(FailedPrecondition("an earlier write of the log failed"));
  }
  Cursor& cursor = cursors_[std::string(name)];
  WriteBatch rows;
  if (cursor.log != log || cursor.seq != seq) {
    cursor = {log, seq, now_ms};
    rows.Put(Column::kProjects, CursorKey(project_, name),
             EncodeCursor(cursor));
  }
  // Also where it stands already: an earlier call may not be durable yet.
  log_.Append({}, rows, Durability::kDurable,
              [done](const absl::StatusOr<AppendLog::Appended>& written) {
                if (!written.ok()) return done(written.status());
                done(CursorState::kValid);
              });
}

void Cursors::Remove(std::string_view name, Done done) {
  const auto found = cursors_.find(name);
  if (found == cursors_.end()) {
    return done(NotFound("no cursor '" + std::string(name) + "'"));
  }
  WriteBatch rows;
  rows.Delete(Column::kProjects, CursorKey(project_, name));
  cursors_.erase(found);
  log_.Append({}, rows, Durability::kDurable,
              [done = std::move(done)](
                  const absl::StatusOr<AppendLog::Appended>& written) {
                done(written.status());
              });
}

std::optional<Seq> Cursors::Least() const {
  std::optional<Seq> least;
  for (const auto& [name, cursor] : cursors_) {
    if (log_.Check(cursor.log, cursor.seq) != CursorState::kValid) continue;
    least = std::min(least.value_or(cursor.seq), cursor.seq);
  }
  return least;
}

}  // namespace syncline
