// The log as a stream.

#include <memory>
#include <utility>

#include "base/bytes.h"
#include "base/status.h"
#include "node/control_fill.h"
#include "node/control_service.h"
#include "node/control_texts.h"
#include "node/log_stream.h"

namespace syncline {
namespace {

absl::StatusOr<PathChange::Type> TypeFromName(const std::string& name) {
  constexpr int kLast = static_cast<int>(PathChange::Type::kSubtree);
  for (int i = 0; i <= kLast; ++i) {
    const auto type = static_cast<PathChange::Type>(i);
    if (PathChangeTypeName(type) == name) return type;
  }
  return InvalidArgument("'" + name + "' is no kind of change");
}

absl::StatusOr<LogQuery> QueryOf(control::LogQuery::Reader in) {
  LogQuery query;
  if (in.getResume()) query.since = Seq{in.getSince()};
  if (in.getUntil() != 0) query.until = Seq{in.getUntil()};
  query.limit = in.getLimit();
  query.reverse = in.getReverse();
  query.follow = in.getFollow();
  query.path = FromKj(in.getPath());
  query.device = FromKj(in.getDevice());
  query.cursor = FromKj(in.getCursor());
  for (const std::string& name : Texts(in.getKinds())) {
    SYNCLINE_ASSIGN_OR_RETURN(PathChange::Type type, TypeFromName(name));
    query.kinds.push_back(type);
  }
  if (in.getLogId().size() > 0) {
    const std::optional<std::string> id = FromHex(FromKj(in.getLogId()));
    if (!id) return InvalidArgument("the log's id is not hexadecimal");
    query.log = LogId{*id};
  }
  if (!query.cursor.empty() && query.since) {
    return InvalidArgument("either a position or a cursor");
  }
  if (query.follow && query.reverse) {
    return InvalidArgument("a log cannot be followed backwards");
  }
  return query;
}

// Hands batches to a sink that may be far away, one at a time. Ends the stream
// when it is dropped.
class LogDelivery {
 public:
  LogDelivery(KjLoop& loop, control::LogSink::Client sink)
      : loop_(loop), sink_(kj::mv(sink)) {}
  ~LogDelivery() {
    if (stream_) stream_->Stop();
  }

  void Follow(std::shared_ptr<LogStream> stream) {
    stream_ = std::move(stream);
  }

  void Deliver(const LogStream::Batch& batch, std::function<void()> next) {
    loop_.Enter([&] {
      auto request = sink_.deliverRequest();
      auto records = request.initRecords(static_cast<unsigned>(batch.size()));
      for (unsigned i = 0; i < records.size(); ++i) Fill(records[i], batch[i]);
      // A sink that fails gets no more; its caller is about to drop the call.
      call_ = request.send()
                  .ignoreResult()
                  .then([next = std::move(next)] { next(); },
                        [](kj::Exception&&) {})
                  .eagerlyEvaluate(nullptr);
    });
  }

 private:
  KjLoop& loop_;
  control::LogSink::Client sink_;
  std::shared_ptr<LogStream> stream_;
  kj::Promise<void> call_ = nullptr;
};

}  // namespace

kj::Promise<void> ControlService::readLog(ReadLogContext context) {
  const auto params = context.getParams();
  const absl::StatusOr<ProjectRuntime*> project =
      core_.Find(FromKj(params.getProject()));
  absl::StatusOr<LogQuery> query = QueryOf(params.getQuery());
  if (!project.ok() || !query.ok()) {
    FillFailure(context.getResults().initResult(),
                project.ok() ? query.status() : project.status());
    return kj::READY_NOW;
  }
  // Who follows may be gone; then it ends.
  context.allowCancellation();
  auto delivery = kj::heap<LogDelivery>(bridge_.loop(), params.getSink());
  LogDelivery& target = *delivery;
  return AnswerLater(context, bridge_.Await<LogEnd>([&](Callback<LogEnd> done) {
           target.Follow(LogStream::Start(
               core_, (*project)->number, *std::move(query),
               [&target](LogStream::Batch batch, auto next) {
                 target.Deliver(batch, std::move(next));
               },
               std::move(done)));
         }),
                     [](auto out, const LogEnd& in) { Fill(out, in); })
      .attach(kj::mv(delivery));
}

}  // namespace syncline
