// Files of a project, with or without a mirror.

#include <utility>

#include "base/status.h"
#include "node/content_source.h"
#include "node/control_fill.h"
#include "node/control_service.h"
#include "node/file_ops.h"
#include "node/file_writer.h"
#include "node/paths.h"

namespace syncline {
namespace {

class SourceServer final : public control::ByteSource::Server {
 public:
  SourceServer(KjLoop& loop, std::shared_ptr<ContentSource> source)
      : bridge_(loop), source_(std::move(source)) {}

 protected:
  kj::Promise<void> next(NextContext context) override {
    return AnswerLater(
        context, bridge_.Await<std::string>([&](Callback<std::string> done) {
          source_->Next(std::move(done));
        }),
        [](auto out, const std::string& in) {
          out.setBytes(capnp::Data::Reader(
              reinterpret_cast<const kj::byte*>(in.data()), in.size()));
        });
  }

 private:
  ControlBridge bridge_;
  std::shared_ptr<ContentSource> source_;
};

class SinkServer final : public control::ByteSink::Server {
 public:
  SinkServer(KjLoop& loop, std::shared_ptr<FileWriter> writer)
      : bridge_(loop), writer_(std::move(writer)) {}

 protected:
  kj::Promise<void> add(AddContext context) override {
    constexpr std::size_t kPieceMax = 1u << 20;
    const capnp::Data::Reader bytes = context.getParams().getBytes();
    if (bytes.size() > kPieceMax) {
      FillFailure(context.getResults().initResult(),
                  InvalidArgument("a piece has at most 1 MiB"));
      return kj::READY_NOW;
    }
    std::string copy(reinterpret_cast<const char*>(bytes.begin()),
                     bytes.size());
    return AnswerLater(context, bridge_.AwaitStatus([&](StatusCallback done) {
      writer_->Add(std::move(copy), std::move(done));
    }),
                       kFillNothing);
  }

  kj::Promise<void> finish(FinishContext context) override {
    return AnswerLater(context,
                       bridge_.Await<Written>([&](Callback<Written> done) {
                         writer_->Finish(std::move(done));
                       }),
                       [](auto out, const Written& in) { Fill(out, in); });
  }

 private:
  ControlBridge bridge_;
  std::shared_ptr<FileWriter> writer_;
};

absl::StatusOr<PutOptions> OptionsOfPut(
    control::FileControl::PutParams::Reader params) {
  PutOptions options;
  SYNCLINE_ASSIGN_OR_RETURN(options.if_match,
                            IfMatch::FromText(FromKj(params.getIfMatch())));
  if (params.getExec() != control::Bit::KEEP) {
    options.exec = params.getExec() == control::Bit::SET;
  }
  options.parents = params.getParents();
  options.resolve = params.getResolve();
  options.mtime_ms = params.getMtimeMs();
  return options;
}

constexpr auto kFillWritten = [](auto out, const Written& in) {
  Fill(out, in);
};

}  // namespace

kj::Promise<absl::StatusOr<Written>> ControlService::Change(
    capnp::Text::Reader name,
    absl::FunctionRef<void(Replica&, Callback<Written>)> change) {
  return bridge_.Await<Written>([&](Callback<Written> done) {
    const absl::StatusOr<ProjectRuntime*> project = core_.Find(FromKj(name));
    if (!project.ok()) return done(project.status());
    change(*(*project)->replica, std::move(done));
  });
}

kj::Promise<void> ControlService::stat(StatContext context) {
  const auto run = [&]() -> absl::StatusOr<FileInfo> {
    SYNCLINE_ASSIGN_OR_RETURN(
        ProjectRuntime * project,
        core_.Find(FromKj(context.getParams().getProject())));
    return StatPath(*project->replica, FromKj(context.getParams().getPath()));
  };
  Answer(context, run(), [](auto out, const FileInfo& in) { Fill(out, in); });
  return kj::READY_NOW;
}

kj::Promise<void> ControlService::list(ListContext context) {
  const auto params = context.getParams();
  const auto run = [&]() -> absl::StatusOr<FileList> {
    SYNCLINE_ASSIGN_OR_RETURN(ProjectRuntime * project,
                              core_.Find(FromKj(params.getProject())));
    return ListPath(*project->replica, FromKj(params.getPath()),
                    FromKj(params.getAfter()), params.getLimit());
  };
  Answer(context, run(), [](auto out, const FileList& in) { Fill(out, in); });
  return kj::READY_NOW;
}

kj::Promise<void> ControlService::read(ReadContext context) {
  const auto params = context.getParams();
  const auto run = [&]() -> absl::StatusOr<std::pair<FileInfo, std::string>> {
    SYNCLINE_ASSIGN_OR_RETURN(ProjectRuntime * project,
                              core_.Find(FromKj(params.getProject())));
    std::optional<Dot> version;
    if (params.getVersion().size() > 0) {
      SYNCLINE_ASSIGN_OR_RETURN(IfMatch wanted,
                                IfMatch::FromText(FromKj(params.getVersion())));
      version = wanted.version;
    }
    return PayloadAt(*project->replica, FromKj(params.getPath()), version);
  };
  Answer(context, run(), [this](auto out, const auto& in) {
    Fill(out.initInfo(), in.first);
    out.setSource(kj::heap<SourceServer>(
        bridge_.loop(), ContentSource::Open(core_, in.first, in.second)));
  });
  return kj::READY_NOW;
}

kj::Promise<void> ControlService::put(PutContext context) {
  const auto params = context.getParams();
  const auto run = [&]() -> absl::StatusOr<std::shared_ptr<FileWriter>> {
    SYNCLINE_ASSIGN_OR_RETURN(ProjectRuntime * project,
                              core_.Find(FromKj(params.getProject())));
    SYNCLINE_ASSIGN_OR_RETURN(PutOptions options, OptionsOfPut(params));
    return FileWriter::Open(core_, project->number, FromKj(params.getPath()),
                            options);
  };
  Answer(context, run(), [this](auto out, const auto& writer) {
    out.setSink(kj::heap<SinkServer>(bridge_.loop(), writer));
  });
  return kj::READY_NOW;
}

kj::Promise<void> ControlService::remove(RemoveContext context) {
  const auto params = context.getParams();
  return AnswerLater(
      context,
      Change(params.getProject(),
             [&](Replica& replica, Callback<Written> done) {
               const absl::StatusOr<IfMatch> if_match =
                   IfMatch::FromText(FromKj(params.getIfMatch()));
               if (!if_match.ok()) return done(if_match.status());
               RemovePath(replica, FromKj(params.getPath()),
                          params.getRecursive(), *if_match, std::move(done));
             }),
      kFillWritten);
}

kj::Promise<void> ControlService::move(MoveContext context) {
  const auto params = context.getParams();
  return AnswerLater(context,
                     Change(params.getProject(),
                            [&](Replica& replica, Callback<Written> done) {
                              MovePath(replica, FromKj(params.getFrom()),
                                       FromKj(params.getTo()), std::move(done));
                            }),
                     kFillWritten);
}

kj::Promise<void> ControlService::makeDirectory(MakeDirectoryContext context) {
  const auto params = context.getParams();
  return AnswerLater(context,
                     Change(params.getProject(),
                            [&](Replica& replica, Callback<Written> done) {
                              MakeDirectory(replica, FromKj(params.getPath()),
                                            params.getParents(),
                                            std::move(done));
                            }),
                     kFillWritten);
}

kj::Promise<void> ControlService::makeSymlink(MakeSymlinkContext context) {
  const auto params = context.getParams();
  return AnswerLater(context,
                     Change(params.getProject(),
                            [&](Replica& replica, Callback<Written> done) {
                              PutSymlink(replica, FromKj(params.getPath()),
                                         FromKj(params.getTarget()),
                                         params.getParents(), std::move(done));
                            }),
                     kFillWritten);
}

}  // namespace syncline
