#include "node/project_documents.h"

#include <utility>

#include "node/document_ops.h"
#include "node/node_calls.h"

namespace syncline {

Starter<absl::StatusOr<DocumentInfo>> Project::Documents::GetOf(
    std::string name_space, std::string key, std::optional<Dot> version) const {
  return OnProject<DocumentInfo>(
      core_, name_,
      [name_space = std::move(name_space), key = std::move(key), version](
          NodeCore&, ProjectRuntime& project,
          const Callback<DocumentInfo>& done) {
        done(GetDocument(*project.replica, name_space, key, version));
      });
}

Starter<absl::StatusOr<DocumentList>> Project::Documents::ListOf(
    DocumentQuery query) const {
  return OnProject<DocumentList>(
      core_, name_,
      [query = std::move(query)](NodeCore&, ProjectRuntime& project,
                                 const Callback<DocumentList>& done) {
        done(ListDocuments(*project.replica, query));
      });
}

Starter<absl::StatusOr<Written>> Project::Documents::PutOf(
    std::string name_space, std::string key, std::optional<std::string> value,
    DocumentPut how) const {
  return OnProject<Written>(
      core_, name_,
      [name_space = std::move(name_space), key = std::move(key),
       value = std::move(value),
       how](NodeCore&, ProjectRuntime& project, const Callback<Written>& done) {
        PutDocument(*project.replica, name_space, key, value, how, done);
      });
}

}  // namespace syncline
