// How a replica writes its view back, pins its state for peers, and takes in
// theirs.

#include <utility>

#include "base/status.h"
#include "replication/replica_impl.h"

namespace syncline {

void Replica::Impl::FlushIfLarge() {
  if (state->dirty_bytes() > options.dirty_bytes_max && !flushing) Flush({});
}

void Replica::Impl::Flush(std::function<void(absl::Status)> done) {
  if (flushing || installing || !Health().ok()) {
    if (done) done(Health());
    return;
  }
  WriteBack({}, {}, Durability::kBuffered, std::move(done));
}

void Replica::Impl::WriteBack(std::span<const Draft> drafts, WriteBatch rows,
                              Durability durability,
                              std::function<void(absl::Status)> done) {
  flushing = true;
  const Seq through{log->head().value + drafts.size()};
  rows.Append(state->TakeFlush(through.value));
  log->Append(drafts, rows, durability,
              [this, through, done = std::move(done)](
                  const absl::StatusOr<AppendLog::Appended>& written) {
                OnWrittenBack(through, written.status(), done);
              });
}

// `done` first: it may pin what the store holds now.
void Replica::Impl::OnWrittenBack(
    Seq through, const absl::Status& written,
    const std::function<void(absl::Status)>& done) {
  flushing = false;
  if (written.ok()) {
    state->FlushWritten();
    flushed = through;
  }
  if (done) done(written);
  for (const auto& waiter : std::exchange(flush_waiters, {})) waiter(written);
}

void Replica::Impl::Truncate(Seq through,
                             std::function<void(absl::Status)> done) {
  if (installing) {
    ready_waiters.push_back(
        [this, through, done = std::move(done)] { Truncate(through, done); });
    return;
  }
  if (through <= flushed || through > log->durable()) {
    absl::Status truncated = log->TruncateThrough(through);
    if (truncated.ok()) PruneRows();
    return done(std::move(truncated));
  }
  if (const absl::Status health = Health(); !health.ok()) return done(health);
  auto again = [this, through, done = std::move(done)](absl::Status status) {
    if (!status.ok()) return done(std::move(status));
    Truncate(through, done);
  };
  // What is being written may have been taken before `through`.
  if (flushing) {
    flush_waiters.push_back(std::move(again));
  } else {
    Flush(std::move(again));
  }
}

// What is left after a crash goes with the next truncation.
void Replica::Impl::PruneRows() {
  WriteBatch rows;
  cuts.Truncate(log->horizon(), rows);
  const absl::Status pruned = records->Prune(log->horizon(), rows);
  if (!pruned.ok()) Break(pruned).IgnoreError();
  if (!rows.empty()) log->Append({}, rows, Durability::kBuffered, {});
}

absl::Status Replica::Impl::Ready() const {
  SYNCLINE_RETURN_IF_ERROR(Health());
  if (!installing) return absl::OkStatus();
  return MakeStatus(absl::StatusCode::kUnavailable,
                    "the state of another device is being installed");
}

// ---- pins

absl::StatusOr<StateHeader> Replica::Impl::HeaderNow() {
  StateHeader header;
  header.id = env.random.Bytes(StateHeader::kIdBytes);
  header.frontier = state->frontier();
  for (const VersionVector::Slot& slot : header.frontier.slots()) {
    const Dot dot{slot.origin, slot.counter};
    SYNCLINE_ASSIGN_OR_RETURN(const std::optional<ChainHead> proof,
                              NewestHead(slot.origin));
    if (!proof || proof->dot != dot) {
      return FailedPrecondition("entries without a signature of their device");
    }
    header.chains.push_back(*proof);
    const auto device = devices.find(slot.origin);
    if (device != devices.end()) header.devices.push_back(*device);
    if (doubted.contains(slot.origin)) header.doubted.push_back(slot.origin);
  }
  header.digest = state->Digest();
  header.items = state->item_count();
  return header;
}

void Replica::Impl::PinState(std::string id, PinDone done) {
  if (const absl::Status ready = Ready(); !ready.ok()) return done(ready);
  const std::int64_t now_ms = env.time.SteadyMs();
  if (auto pin = pins.Find(id, now_ms)) return done(std::move(pin));
  if (auto pin = pins.At(log->durable_frontier(), now_ms)) {
    return done(std::move(pin));
  }
  if (flushing) {
    flush_waiters.push_back([this, id = std::move(id), done = std::move(done)](
                                const absl::Status& status) {
      if (!status.ok()) return done(status);
      PinState(id, done);
    });
    return;
  }
  absl::StatusOr<StateHeader> header = HeaderNow();
  if (!header.ok()) return done(header.status());
  // Head rows are written by nothing else: when this batch is durable, the
  // store has exactly what the header says.
  WriteBack({}, {}, Durability::kDurable,
            [this, header = *std::move(header), now_ms,
             done = std::move(done)](const absl::Status& status) {
              if (!status.ok()) return done(status);
              auto pin = std::make_shared<const PinnedState>(
                  env.store, identity.number, header, now_ms);
              pins.Add(pin);
              ExpirePins();
              done(std::move(pin));
            });
}

void Replica::Impl::ExpirePins() {
  const std::int64_t now_ms = env.time.SteadyMs();
  pins.Expire(now_ms);
  const std::optional<std::int64_t> due_ms = pins.due_ms();
  if (!due_ms || !env.timers) return;
  if (!pin_timer) pin_timer = env.timers();
  pin_timer->Start(*due_ms - now_ms, [this] { ExpirePins(); });
}

// ---- StateIntake::Host

void Replica::Impl::WriteJoined(std::span<const Draft> drafts, WriteBatch rows,
                                StateIntake::Done done) {
  WriteBack(drafts, std::move(rows), Durability::kBuffered, std::move(done));
}

void Replica::Impl::WriteJoinEnd(const StateHeader& header, WriteBatch rows,
                                 StateIntake::Done done) {
  for (const auto& [origin, key] : header.devices) {
    if (!devices.contains(origin)) NoteDevice(origin, key, rows);
  }
  NoteDoubts(header.doubted, rows);
  cuts.Adopt(OthersOf(header.chains), rows);
  flushing = true;
  const Seq through = log->head().next();
  rows.Append(state->TakeFlush(through.value));
  Draft last;
  last.joined_ms = env.time.NowMs();
  log->AppendJoin(last, header.chains, rows,
                  [this, through, done = std::move(done)](
                      const absl::StatusOr<AppendLog::Appended>& written) {
                    OnWrittenBack(through, written.status(), done);
                  });
}

void Replica::Impl::BeginInstall(StateIntake::Done ready) {
  installing = true;
  if (const absl::Status health = Health(); !health.ok()) return ready(health);
  if (flushing) {
    flush_waiters.push_back(
        [this, ready = std::move(ready)](const absl::Status& status) {
          if (!status.ok()) return ready(status);
          BeginInstall(ready);
        });
    return;
  }
  WriteBack({}, {}, Durability::kBuffered, std::move(ready));
}

void Replica::Impl::EndInstall() {
  installing = false;
  event_writer.reset();
  if (const absl::Status read = ReadSettings(nullptr); !read.ok()) {
    Break(read).IgnoreError();
  }
  for (const auto& waiter : std::exchange(ready_waiters, {})) waiter();
}

absl::Status Replica::Impl::WantContent(std::string_view payload,
                                        WriteBatch& rows) {
  return wants->AddPayload(payload, rows);
}

absl::Status Replica::Impl::NoteJoined(const CausalState::Applied& joined,
                                       WriteBatch& rows) {
  return records->Note(*state, {log->head().next(), Dot{}, "state"},
                       joined.changes, joined.open_conflicts, rows);
}

void Replica::Impl::Failed(const absl::Status& why) {
  Break(why).IgnoreError();
  installing = false;
  for (const auto& waiter : std::exchange(ready_waiters, {})) waiter();
}

}  // namespace syncline
