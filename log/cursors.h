#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kv/keys.h"
#include "kv/store.h"
#include "log/append_log.h"

namespace syncline {

// Where a named consumer of a log stands: it has dealt with every record up
// to `seq`.
struct Cursor {
  LogId log;
  Seq seq;
  std::int64_t moved_ms = 0;  // When it last moved; since 1970.
  friend bool operator==(const Cursor&, const Cursor&) = default;
};

// Whether `name` may name a cursor: 1..128 of A-Z a-z 0-9 . _ : / -, the first
// one a letter or a digit.
//   kInvalidArgument  it may not; the message says why
absl::Status CheckCursorName(std::string_view name);

// The named cursors of one log, kept beside it (log/FORMAT.md). A consumer
// that stores its position here resumes from it after any crash, and retention
// keeps what it has not passed (log/retention.h). A position that the consumer
// stores together with its own effects gives exactly-once; one stored here
// gives at-least-once.
//
// A change shows at once; `done` comes when it is durable, through the log's
// groups. Bound to the log's executor; callbacks come there. All cursors are in
// memory.
class Cursors {
 public:
  static constexpr std::size_t kNameBytesMax = 128;
  static constexpr std::size_t kCursorsMax = 4096;

  enum class Move : std::uint8_t {
    kForward,  // Refuses to go back.
    kAnywhere,
  };
  // kValid: it stands there. Else nothing changed: the position was truncated
  // away, or is beyond the durable head or of another log.
  using SetDone = std::function<void(absl::StatusOr<CursorState>)>;
  using Done = std::function<void(absl::Status)>;

  // Reads the rows, blocking. Borrows `log`, which must be the one that
  // `store` has under `project` and must outlive the cursors.
  //   kDataLoss  a row that cannot be read
  static absl::StatusOr<std::unique_ptr<Cursors>> Open(const Store& store,
                                                       AppendLog& log,
                                                       ProjectNumber project);

  // By name.
  [[nodiscard]] const std::map<std::string, Cursor, std::less<>>& all() const {
    return cursors_;
  }
  [[nodiscard]] const Cursor* Find(std::string_view name) const;

  // Makes the cursor or moves it to `seq` of `log`. `done` is called from
  // within where the call is refused.
  //   kInvalidArgument     see CheckCursorName
  //   kFailedPrecondition  it would go back and `move` says not to, or an
  //                        earlier write of the log failed
  //   kResourceExhausted   there are kCursorsMax already
  //   other                this write failed
  void Set(std::string_view name, const LogId& log, Seq seq, Move move,
           std::int64_t now_ms, const SetDone& done);
  //   kNotFound  none such
  void Remove(std::string_view name, Done done);

  // The least position of the cursors that can still be resumed from; nothing
  // if there are none: what lies behind the horizon holds nothing back.
  [[nodiscard]] std::optional<Seq> Least() const;

 private:
  Cursors(AppendLog& log, ProjectNumber project)
      : log_(log), project_(project) {}
  [[nodiscard]] absl::StatusOr<CursorState> CheckMove(std::string_view name,
                                                      const LogId& log, Seq seq,
                                                      Move move) const;

  AppendLog& log_;
  const ProjectNumber project_;
  std::map<std::string, Cursor, std::less<>> cursors_;
};

}  // namespace syncline
