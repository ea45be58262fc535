// Documents of a project.

#include "base/status.h"
#include "node/control_fill.h"
#include "node/control_service.h"
#include "node/document_ops.h"

namespace syncline {
namespace {

absl::StatusOr<DocumentInfo> Get(
    NodeCore& core,
    control::DocumentControl::GetDocumentParams::Reader params) {
  SYNCLINE_ASSIGN_OR_RETURN(ProjectRuntime * project,
                            core.Find(FromKj(params.getProject())));
  std::optional<Dot> version;
  if (params.getVersion().size() > 0) {
    SYNCLINE_ASSIGN_OR_RETURN(const IfMatch wanted,
                              IfMatch::FromText(FromKj(params.getVersion())));
    version = wanted.version;
  }
  return GetDocument(*project->replica, FromKj(params.getNameSpace()),
                     FromKj(params.getKey()), version);
}

}  // namespace

kj::Promise<void> ControlService::getDocument(GetDocumentContext context) {
  Answer(context, Get(core_, context.getParams()),
         [](auto out, const DocumentInfo& in) { Fill(out, in); });
  return kj::READY_NOW;
}

kj::Promise<void> ControlService::listDocuments(ListDocumentsContext context) {
  const auto params = context.getParams();
  const auto run = [&]() -> absl::StatusOr<DocumentList> {
    SYNCLINE_ASSIGN_OR_RETURN(ProjectRuntime * project,
                              core_.Find(FromKj(params.getProject())));
    DocumentQuery query;
    query.name_space = FromKj(params.getNameSpace());
    query.key_prefix = FromKj(params.getPrefix());
    query.after_name_space = FromKj(params.getAfterNameSpace());
    query.after_key = FromKj(params.getAfterKey());
    return ListDocuments(*project->replica, query);
  };
  Answer(context, run(), [](auto out, const DocumentList& in) {
    out.setMore(in.more);
    auto list = out.initDocuments(static_cast<unsigned>(in.documents.size()));
    for (unsigned i = 0; i < list.size(); ++i) Fill(list[i], in.documents[i]);
  });
  return kj::READY_NOW;
}

kj::Promise<void> ControlService::putDocument(PutDocumentContext context) {
  const auto params = context.getParams();
  return AnswerLater(
      context,
      Change(params.getProject(),
             [&](Replica& replica, Callback<Written> done) {
               DocumentPut how;
               const absl::StatusOr<IfMatch> if_match =
                   IfMatch::FromText(FromKj(params.getIfMatch()));
               if (!if_match.ok()) return done(if_match.status());
               how.if_match = *if_match;
               how.resolve = params.getResolve();
               std::optional<std::string> value;
               if (!params.getRemove()) value = FromKj(params.getValue());
               PutDocument(replica, FromKj(params.getNameSpace()),
                           FromKj(params.getKey()), std::move(value), how,
                           std::move(done));
             }),
      [](auto out, const Written& in) { Fill(out, in); });
}

}  // namespace syncline
