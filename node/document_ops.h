#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "node/types.h"
#include "replication/replica.h"

// The documents of one project. Runs on the replica's executor; callbacks come
// there, once the change is durable. Common codes:
//   kInvalidArgument  a namespace, key or value beyond DocumentLimits, or a
//                     namespace with '/' or a control character

namespace syncline {

//   kNotFound  no such document, or none of that version
absl::StatusOr<DocumentInfo> GetDocument(const Replica& replica,
                                         const std::string& name_space,
                                         const std::string& key,
                                         const std::optional<Dot>& version);

// Up to about 1 MiB of them, at least one if there is one.
absl::StatusOr<DocumentList> ListDocuments(const Replica& replica,
                                           const DocumentQuery& query);

// Writes a document; nothing removes it. The same value again changes nothing.
//   kFailedPrecondition  DocumentPut::if_match does not hold
//   kNotFound            nothing to be removed, or to be resolved
//   kPermissionDenied    a setting of the project
void PutDocument(Replica& replica, const std::string& name_space,
                 const std::string& key, std::optional<std::string> value,
                 const DocumentPut& how, Callback<Written> done);

}  // namespace syncline
