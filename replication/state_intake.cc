#include "replication/state_intake.h"

#include <algorithm>
#include <set>
#include <utility>
#include <variant>

#include <boost/asio/post.hpp>

#include "base/bytes.h"
#include "base/status.h"
#include "replication/fork.h"
#include "replication/project_rows.h"

namespace syncline {
namespace {

// Rows below ProjectRow::kState.
constexpr std::string_view kHeaderKey = "h";
constexpr std::string_view kProgressKey = "p";
constexpr std::uint8_t kProgressFormat = 1;

// Registers joined in one turn of the loop, and in one batch.
constexpr std::size_t kPartMax = 512;
// What the log takes at once.
constexpr std::size_t kRecordsMax = 4096;
// Chain hashes that are compared where that takes reading.
constexpr std::size_t kHistoryMax = 64;
// Whoever sent nothing for so long may be replaced.
constexpr std::int64_t kQuietMs = 60'000;

}  // namespace

StateIntake::StateIntake(const Environment& environment, Host& host)
    : env_(environment), host_(host) {}

StateIntake::~StateIntake() = default;

// ---- rows

absl::Status StateIntake::Load() {
  const auto get = [this](std::string_view key) {
    return env_.store.Get(Column::kProjects,
                          ProjectRowKey(env_.project, ProjectRow::kState, key));
  };
  const absl::StatusOr<std::string> header = get(kHeaderKey);
  if (absl::IsNotFound(header.status())) return absl::OkStatus();
  SYNCLINE_RETURN_IF_ERROR(header.status());
  SYNCLINE_ASSIGN_OR_RETURN(header_, DecodeStateHeader(*header));
  SYNCLINE_ASSIGN_OR_RETURN(const std::string bytes, get(kProgressKey));
  ByteReader reader(bytes);
  const bool known = reader.U8() == kProgressFormat;
  const std::uint8_t phase = reader.U8();
  progress_.last_key = reader.Sized();
  const auto digest = Hash::FromBytes(reader.Bytes(Hash::kBytes));
  progress_.rows = reader.Varint();
  arrival_ = reader.U64();
  accepted_ = reader.U8() != 0;
  device_ = reader.Sized();
  if (!known || !digest || !reader.AtEnd() ||
      phase > static_cast<std::uint8_t>(Phase::kInstalling)) {
    return DataLoss("staged state: malformed progress");
  }
  progress_.digest = HeadDigest::FromHash(*digest);
  phase_ = static_cast<Phase>(phase);
  return absl::OkStatus();
}

void StateIntake::PutProgress(WriteBatch& rows) const {
  std::string out(1, static_cast<char>(kProgressFormat));
  out.push_back(static_cast<char>(phase_));
  AppendSized(out, progress_.last_key);
  out += progress_.digest.ToHash().view();
  AppendVarint(out, progress_.rows);
  AppendU64(out, arrival_);
  out.push_back(accepted_ ? '\1' : '\0');
  AppendSized(out, device_);
  rows.Put(Column::kProjects,
           ProjectRowKey(env_.project, ProjectRow::kState, kProgressKey), out);
}

void StateIntake::Drop(WriteBatch& rows) {
  DropStaged(env_.project, rows);
  for (const std::string_view key : {kHeaderKey, kProgressKey}) {
    rows.Delete(Column::kProjects,
                ProjectRowKey(env_.project, ProjectRow::kState, key));
  }
  phase_ = Phase::kNone;
  progress_ = {};
  held_.reset();
  accepted_ = false;
}

void StateIntake::Append(const WriteBatch& rows, Durability durability,
                         Done done) {
  env_.log.Append({}, rows, durability,
                  [alive = std::weak_ptr<char>(alive_), done = std::move(done)](
                      const absl::StatusOr<AppendLog::Appended>& written) {
                    if (!alive.expired() && done) done(written.status());
                  });
}

void StateIntake::Resume() {
  if (phase_ == Phase::kInstalling) {
    Begin(&StateIntake::Step);
  } else if (phase_ == Phase::kWhole) {
    Begin(&StateIntake::Look);
  }
}

// ---- staging

std::optional<StateIntake::Resumption> StateIntake::resumption() const {
  if (phase_ != Phase::kStaging) return std::nullopt;
  return Resumption{header_.id, progress_.last_key};
}

absl::Status StateIntake::HeldBack() const {
  return FailedPrecondition(
      "held back: the state that " + held_->device + " sent would remove " +
      std::to_string(held_->loss.dropped) + " of " +
      std::to_string(held_->loss.items) +
      " items; a second device must offer the same, or a user accept it "
      "('syncline device accept-state PROJECT')");
}

absl::Status StateIntake::CheckHistory(const StateHeader& header,
                                       const VersionVector& compared) const {
  const Origin& self = env_.state.self();
  if (header.frontier.CounterOf(self) > env_.log.frontier().CounterOf(self)) {
    return MakeStatus(
        absl::StatusCode::kAborted,
        "this node was set back: the state has more of its entries");
  }
  const std::set<Origin> doubted(header.doubted.begin(), header.doubted.end());
  std::size_t looked_up = 0;
  for (const auto& [dot, hash, signature] : header.chains) {
    const std::uint64_t known = env_.log.frontier().CounterOf(dot.origin);
    if (known < dot.counter) {
      // Its sender could tell, of what was here when the two compared.
      if (known == 0 || known == compared.CounterOf(dot.origin) ||
          (!doubted.contains(dot.origin) && !host_.InDoubt(dot.origin))) {
        continue;
      }
      return ForkStatus(dot.origin, CannotTellText(dot.origin));
    }
    // One that is not the newest takes reading.
    if (known != dot.counter && ++looked_up > kHistoryMax) continue;
    const absl::StatusOr<Hash> mine = env_.log.ChainAt(dot);
    if (absl::IsNotFound(mine.status())) continue;
    SYNCLINE_RETURN_IF_ERROR(mine.status());
    if (*mine != hash) {
      return ForkStatus(dot.origin, "fork: the history of origin " +
                                        dot.origin.ToHex() +
                                        " differs at or before " +
                                        std::to_string(dot.counter));
    }
  }
  return absl::OkStatus();
}

absl::Status StateIntake::Offer(const StateHeader& header,
                                const std::string& from,
                                const std::string& device,
                                const VersionVector& compared) {
  SYNCLINE_RETURN_IF_ERROR(header.Check());
  SYNCLINE_RETURN_IF_ERROR(CheckHistory(header, compared));
  const absl::Status here =
      MakeStatus(absl::StatusCode::kAlreadyExists, "the state is here");
  // Nothing takes its place while it is looked at, or installed.
  const bool looking = phase_ == Phase::kWhole && !held_;
  if (phase_ == Phase::kInstalling || looking) return here;
  const bool same =
      header.frontier == header_.frontier && header.digest == header_.digest;
  if (held_ && same) {
    if (device == device_) return HeldBack();
    return Accept().ok() ? here : HeldBack();
  }
  const std::int64_t now_ms = env_.time.SteadyMs();
  if (phase_ == Phase::kStaging && device != device_ &&
      now_ms - touched_ms_ < kQuietMs) {
    return MakeStatus(absl::StatusCode::kUnavailable,
                      "the state of another device is coming in");
  }
  touched_ms_ = now_ms;
  if (phase_ == Phase::kStaging && header.id == header_.id) {
    device_ = device;
    compared_ = compared;
    return from == progress_.last_key
               ? absl::OkStatus()
               : InvalidArgument("state: pieces from another place");
  }
  if (!from.empty()) return InvalidArgument("state: a part of an unknown one");
  SYNCLINE_RETURN_IF_ERROR(host_.CheckProofs(header));
  WriteBatch rows;
  // What an earlier program or an aborted write may have left goes as well.
  Drop(rows);
  header_ = header;
  device_ = device;
  compared_ = compared;
  phase_ = Phase::kStaging;
  rows.Put(Column::kProjects,
           ProjectRowKey(env_.project, ProjectRow::kState, kHeaderKey),
           EncodeStateHeader(header_));
  PutProgress(rows);
  Append(rows, Durability::kBuffered, {});
  return absl::OkStatus();
}

void StateIntake::Stage(const std::string& id, std::string_view piece, bool end,
                        Done done) {
  if (phase_ != Phase::kStaging || id != header_.id) {
    return done(
        MakeStatus(absl::StatusCode::kAborted, "another state took its place"));
  }
  WriteBatch rows;
  const absl::Status staged =
      StagePiece(env_.project, piece, header_.frontier, progress_, rows);
  if (!staged.ok()) return done(staged);
  touched_ms_ = env_.time.SteadyMs();
  if (end && progress_.digest.ToHash() != header_.digest) {
    WriteBatch drop;
    Drop(drop);
    Append(drop, Durability::kBuffered, {});
    return done(InvalidArgument("state: not the digest that was announced"));
  }
  if (end) phase_ = Phase::kWhole;
  PutProgress(rows);
  Append(rows, Durability::kBuffered, std::move(done));
  if (end) Begin(&StateIntake::Look);
}

// ---- the guard

// Nothing changes the state from here on until it is decided or done.
void StateIntake::Begin(void (StateIntake::*next)()) {
  census_.reset();
  join_.reset();
  host_.BeginInstall([this, next, alive = std::weak_ptr<char>(alive_)](
                         const absl::Status& status) {
    if (alive.expired()) return;
    if (!status.ok()) return Fail(status);
    Post(next);
  });
}

void StateIntake::Post(void (StateIntake::*next)()) {
  boost::asio::post(env_.executor,
                    [this, next, alive = std::weak_ptr<char>(alive_)] {
                      if (!alive.expired()) (this->*next)();
                    });
}

void StateIntake::Look() {
  if (accepted_) return Install();
  if (!census_) census_.emplace(env_.store, env_.project, header_.frontier);
  const absl::StatusOr<bool> end = census_->Step();
  if (!end.ok()) return Fail(end.status());
  if (*end) return Decide();
  Post(&StateIntake::Look);
}

void StateIntake::Decide() {
  const JoinLoss loss = census_->loss();
  if (loss.dropped <= kDroppedMax ||
      loss.dropped <= loss.items / kDroppedTenth) {
    return Install();
  }
  held_ = Held{loss, device_};
  host_.EndInstall();
  Settle(HeldBack());
}

absl::Status StateIntake::Accept() {
  if (!held_) return FailedPrecondition("no state is held back");
  held_.reset();
  accepted_ = true;
  WriteBatch rows;
  PutProgress(rows);
  Append(rows, Durability::kBuffered, {});
  Begin(&StateIntake::Look);
  return absl::OkStatus();
}

void StateIntake::Await(Done done) {
  if (held_) return done(HeldBack());
  if (phase_ == Phase::kNone || phase_ == Phase::kStaging) {
    return done(absl::OkStatus());
  }
  waiting_.push_back(std::move(done));
}

void StateIntake::Settle(const absl::Status& outcome) {
  for (const Done& done : std::exchange(waiting_, {})) done(outcome);
}

void StateIntake::Fail(const absl::Status& why) {
  host_.Failed(why);
  Settle(why);
}

// It is no longer what may come in.
void StateIntake::Refuse(const absl::Status& why) {
  WriteBatch rows;
  Drop(rows);
  Append(rows, Durability::kBuffered, {});
  host_.EndInstall();
  Settle(why);
}

// ---- installing

// Entries came in while it was staged.
void StateIntake::Install() {
  const absl::Status known = CheckHistory(header_, compared_);
  if (absl::IsAborted(known)) return Refuse(known);
  if (!known.ok()) return Fail(known);
  ++states_;
  phase_ = Phase::kInstalling;
  arrival_ = env_.log.head().next().value;
  WriteBatch rows;
  PutProgress(rows);
  Append(rows, Durability::kDurable, [this](const absl::Status& status) {
    if (!status.ok()) return Fail(status);
    Step();
  });
}

void StateIntake::Step() {
  if (!join_) join_.emplace(env_.store, env_.project, header_.frontier);
  const absl::StatusOr<StatePart> part = join_->Next(kPartMax);
  if (!part.ok()) return Fail(part.status());
  if (part->size() == 0) {
    return part->end ? Finish() : Post(&StateIntake::Step);
  }
  WriteBatch rows;
  if (const absl::Status wanted = Want(*part, rows); !wanted.ok()) {
    return Fail(wanted);
  }
  const absl::StatusOr<CausalState::Applied> joined =
      env_.state.JoinPart(*part, header_.frontier, arrival_, env_.time.NowMs());
  if (!joined.ok()) return Fail(joined.status());
  if (const absl::Status noted = host_.NoteJoined(*joined, rows); !noted.ok()) {
    return Fail(noted);
  }
  Write(joined->changes, std::move(rows), part->end);
}

absl::Status StateIntake::Want(const StatePart& part, WriteBatch& rows) {
  for (const StatePart::Item& item : part.items) {
    if (item.id.kind != ItemKind::kFile) continue;
    for (const StoredHead& head : item.heads.contents) {
      if (env_.state.frontier().Covers(head.order.dot())) continue;
      SYNCLINE_RETURN_IF_ERROR(host_.WantContent(head.value, rows));
    }
  }
  return absl::OkStatus();
}

// One record for each change, so that followers see them one by one.
void StateIntake::Write(const std::vector<PathChange>& changes, WriteBatch rows,
                        bool end) {
  const std::size_t each = (changes.size() + kRecordsMax - 1) / kRecordsMax;
  std::vector<std::string> encoded;
  for (std::size_t at = 0; at < changes.size(); at += each) {
    const auto from = changes.begin() + static_cast<std::ptrdiff_t>(at);
    const auto count =
        static_cast<std::ptrdiff_t>(std::min(each, changes.size() - at));
    encoded.push_back(EncodePathChanges({from, from + count}));
  }
  std::vector<Draft> drafts(encoded.size());
  for (std::size_t i = 0; i < drafts.size(); ++i) {
    drafts[i].changes = encoded[i];
    drafts[i].joined_ms = env_.time.NowMs();
  }
  host_.WriteJoined(drafts, std::move(rows),
                    [this, end, alive = std::weak_ptr<char>(alive_)](
                        const absl::Status& status) {
                      if (alive.expired()) return;
                      if (!status.ok()) return Fail(status);
                      Post(end ? &StateIntake::Finish : &StateIntake::Step);
                    });
}

void StateIntake::Finish() {
  join_.reset();
  const StateHeader header = std::exchange(header_, {});
  env_.state.FinishJoin(header.frontier);
  WriteBatch rows;
  Drop(rows);
  phase_ = Phase::kInstalling;  // Until that is on the disk.
  host_.WriteJoinEnd(
      header, std::move(rows),
      [this, alive = std::weak_ptr<char>(alive_)](const absl::Status& status) {
        if (alive.expired()) return;
        if (!status.ok()) return Fail(status);
        phase_ = Phase::kNone;
        host_.EndInstall();
        Settle(absl::OkStatus());
      });
}

}  // namespace syncline
