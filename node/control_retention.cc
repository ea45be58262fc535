// Truncation, retention and named cursors.

#include <utility>

#include "base/bytes.h"
#include "base/status.h"
#include "node/control_fill.h"
#include "node/control_service.h"
#include "node/log_keeper.h"

namespace syncline {
namespace {

LogBounds BoundsOf(control::Bounds::Reader in) {
  return {in.getEntries(), in.getAgeMs(), in.getBytes()};
}

void FillBounds(control::Bounds::Builder out, const LogBounds& in) {
  out.setEntries(in.entries);
  out.setAgeMs(in.age_ms);
  out.setBytes(in.bytes);
}

absl::Status CheckBounds(const LogBounds& bounds) {
  if (bounds.age_ms >= 0) return absl::OkStatus();
  return InvalidArgument("an age cannot be below zero");
}

absl::StatusOr<TruncateQuery> QueryOf(control::Truncation::Reader in) {
  TruncateQuery query;
  query.force = in.getForce();
  if (in.isThrough()) {
    query.through = Seq{in.getThrough()};
    return query;
  }
  query.keep = BoundsOf(in.getKeep());
  SYNCLINE_RETURN_IF_ERROR(CheckBounds(query.keep));
  if (query.keep.none()) {
    return InvalidArgument("a truncation needs a position or a bound");
  }
  return query;
}

void FillTruncated(control::Truncated::Builder out, const Truncated& in) {
  out.setRemoved(in.removed);
  out.setHorizon(in.horizon.value);
  out.setHead(in.head.value);
  out.setRefused(in.refused);
  out.setBeyondHead(in.state == CursorState::kInvalid);
  auto holders = out.initHolders(static_cast<unsigned>(in.holders.size()));
  for (unsigned i = 0; i < holders.size(); ++i) {
    const LogHolder& holder = in.holders[i];
    holders[i].setDevice(holder.kind == LogHolder::Kind::kDevice);
    holders[i].setName(ToKj(holder.name));
    holders[i].setPassed(holder.passed.value);
  }
}

control::Cursor::State StateOf(CursorState state) {
  switch (state) {
    case CursorState::kValid:
      return control::Cursor::State::VALID;
    case CursorState::kBehindHorizon:
      return control::Cursor::State::BEHIND_HORIZON;
    case CursorState::kInvalid:
      break;
  }
  return control::Cursor::State::INVALID;
}

void FillCursor(control::Cursor::Builder out, const CursorInfo& in) {
  out.setName(ToKj(in.name));
  out.setSeq(in.cursor.seq.value);
  out.setMovedMs(in.cursor.moved_ms);
  out.setState(StateOf(in.state));
  out.setLogId(ToKj(ToHex(in.cursor.log.bytes)));
}

}  // namespace

kj::Promise<void> ControlService::truncateLog(TruncateLogContext context) {
  const auto params = context.getParams();
  const absl::StatusOr<TruncateQuery> query = QueryOf(params.getWhat());
  if (!query.ok()) {
    FillFailure(context.getResults().initResult(), query.status());
    return kj::READY_NOW;
  }
  return AnswerLater(
      context, bridge_.Await<Truncated>([&](auto done) {
        core_.keeper().Truncate(FromKj(params.getProject()), *query,
                                std::move(done));
      }),
      [](auto out, const Truncated& in) { FillTruncated(out, in); });
}

kj::Promise<void> ControlService::retention(RetentionContext context) {
  const auto policy =
      core_.keeper().Retention(FromKj(context.getParams().getProject()));
  Answer(context, policy, [](auto out, const RetentionPolicy& in) {
    FillBounds(out.initKeep(), in.keep);
    FillBounds(out.initLimit(), in.limit);
  });
  return kj::READY_NOW;
}

kj::Promise<void> ControlService::setRetention(SetRetentionContext context) {
  const auto params = context.getParams();
  const RetentionPolicy policy{BoundsOf(params.getRetention().getKeep()),
                               BoundsOf(params.getRetention().getLimit())};
  absl::Status valid = CheckBounds(policy.keep);
  valid.Update(CheckBounds(policy.limit));
  if (!valid.ok()) {
    FillFailure(context.getResults().initResult(), valid);
    return kj::READY_NOW;
  }
  return AnswerLater(context, bridge_.AwaitStatus([&](StatusCallback done) {
    core_.keeper().SetRetention(FromKj(params.getProject()), policy,
                                std::move(done));
  }),
                     kFillNothing);
}

kj::Promise<void> ControlService::cursors(CursorsContext context) {
  const std::string name = FromKj(context.getParams().getProject());
  const absl::StatusOr<ProjectRuntime*> project = core_.Find(name);
  const auto cursors = core_.keeper().List(name);
  Answer(context, cursors, [&](auto out, const auto& in) {
    auto list = out.initCursors(static_cast<unsigned>(in.size()));
    for (unsigned i = 0; i < list.size(); ++i) FillCursor(list[i], in[i]);
    out.setHead((*project)->replica->log().durable().value);
  });
  return kj::READY_NOW;
}

kj::Promise<void> ControlService::setCursor(SetCursorContext context) {
  const auto params = context.getParams();
  CursorMove move;
  move.name = FromKj(params.getName());
  if (!params.getToHead()) move.seq = Seq{params.getSeq()};
  move.back = params.getBack();
  if (params.getLogId().size() > 0) {
    const std::optional<std::string> id = FromHex(FromKj(params.getLogId()));
    if (!id) {
      FillFailure(context.getResults().initResult(),
                  InvalidArgument("the log's id is not hexadecimal"));
      return kj::READY_NOW;
    }
    move.log = LogId{*id};
  }
  return AnswerLater(context, bridge_.Await<LogEnd>([&](auto done) {
    core_.keeper().Set(FromKj(params.getProject()), move, std::move(done));
  }),
                     [](auto out, const LogEnd& in) { Fill(out, in); });
}

kj::Promise<void> ControlService::removeCursor(RemoveCursorContext context) {
  const auto params = context.getParams();
  return AnswerLater(context, bridge_.AwaitStatus([&](StatusCallback done) {
    core_.keeper().Remove(FromKj(params.getProject()), FromKj(params.getName()),
                          std::move(done));
  }),
                     kFillNothing);
}

}  // namespace syncline
