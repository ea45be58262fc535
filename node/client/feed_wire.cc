#include "node/client/feed_wire.h"

#include <string>
#include <string_view>

#include "base/status.h"

namespace syncline {
namespace {

std::string_view ViewOf(capnp::Data::Reader data) {
  return {reinterpret_cast<const char*>(data.begin()), data.size()};
}

}  // namespace

absl::Status StatusOf(control::Failure::Reader failure) {
  return MakeStatus(
      static_cast<absl::StatusCode>(failure.getCode()),
      {failure.getMessage().begin(), failure.getMessage().size()});
}

void FillSource(control::FeedSource::Builder out, const FeedSource& in) {
  out.setProject({in.project.c_str(), in.project.size()});
  switch (in.from) {
    case FeedSource::From::kLive:
      return out.setLive();
    case FeedSource::From::kOldest:
      return out.setOldest();
    case FeedSource::From::kPosition:
      break;
  }
  auto position = out.initBehind();
  const std::string& log = in.position.log.bytes;
  position.setLog({reinterpret_cast<const kj::byte*>(log.data()), log.size()});
  position.setSeq(in.position.seq.value);
}

FeedEnd EndOf(control::FeedEnd::Reader in) {
  FeedEnd end;
  end.source = in.getSource();
  const auto read = [&](control::Horizon::Reader horizon, const char* what) {
    end.horizon = Seq{horizon.getHorizon()};
    end.head = Seq{horizon.getHead()};
    end.status = FailedPrecondition(what);
  };
  switch (in.which()) {
    case control::FeedEnd::CANCELLED:
      end.why = FeedEnd::Why::kCancelled;
      end.status = StatusOf(in.getCancelled());
      return end;
    case control::FeedEnd::BEHIND_HORIZON:
      end.why = FeedEnd::Why::kBehindHorizon;
      read(in.getBehindHorizon(), "the position was truncated away");
      return end;
    case control::FeedEnd::CURSOR_INVALID:
      end.why = FeedEnd::Why::kCursorInvalid;
      read(in.getCursorInvalid(), "the position is not one of this log");
      return end;
    case control::FeedEnd::FAILED:
      end.why = FeedEnd::Why::kFailed;
      end.status = StatusOf(in.getFailed());
      return end;
  }
  end.why = FeedEnd::Why::kFailed;
  end.status = Internal("an answer of a newer program");
  return end;
}

std::vector<FeedStart> StartsOf(capnp::List<control::FeedStart>::Reader in) {
  std::vector<FeedStart> starts;
  starts.reserve(in.size());
  for (const auto start : in) {
    const auto position = start.getPosition();
    starts.push_back({{LogId{std::string(ViewOf(position.getLog()))},
                       Seq{position.getSeq()}},
                      Seq{start.getHead()}});
  }
  return starts;
}

void ReadPieces(capnp::List<control::FeedPiece>::Reader in,
                std::vector<FeedRecords>& out) {
  out.clear();
  for (const auto piece : in) {
    FeedRecords& records = out.emplace_back();
    records.source = piece.getSource();
    records.span.first = Seq{piece.getFirst()};
    records.span.last = Seq{piece.getLast()};
    records.span.bytes = ViewOf(piece.getRecords());
  }
}

}  // namespace syncline
