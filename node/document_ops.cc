#include "node/document_ops.h"

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "node/file_ops.h"
#include "replication/device_identity.h"
#include "replication/document_limits.h"
#include "replication/state/edits.h"

namespace syncline {
namespace {

absl::Status CheckNamespace(const std::string& name_space) {
  if (name_space.empty() ||
      name_space.size() > DocumentLimits::kNamespaceBytesMax) {
    return InvalidArgument("a namespace has 1 to 255 bytes");
  }
  const bool plain =
      std::all_of(name_space.begin(), name_space.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte >= 0x20 && byte != 0x7f && c != '/';
      });
  if (plain) return absl::OkStatus();
  return InvalidArgument("a namespace has no '/' and no control characters");
}

absl::Status CheckName(const std::string& name_space, const std::string& key) {
  SYNCLINE_RETURN_IF_ERROR(CheckNamespace(name_space));
  if (!key.empty() && key.size() <= DocumentLimits::kKeyBytesMax &&
      key.find('\0') == std::string::npos) {
    return absl::OkStatus();
  }
  return InvalidArgument("a key has 1 to 1024 bytes, none of them 0");
}

std::string Quoted(const std::string& name_space, const std::string& key) {
  return "'" + name_space + "/" + key + "'";
}

DocumentInfo Describe(const Replica& replica, std::string name_space,
                      std::string key, const Row& row, const Sibling& sibling) {
  DocumentInfo info;
  info.name_space = std::move(name_space);
  info.key = std::move(key);
  info.version = sibling.head.order.dot();
  const std::string device = replica.DeviceOf(info.version.origin);
  if (!device.empty()) info.device = DeviceId::Of(device).ToText();
  info.time_ms =
      static_cast<std::int64_t>(sibling.head.order.hlc.milliseconds());
  info.value = sibling.payload();
  info.conflict = row.conflict();
  return info;
}

absl::Status CheckDocumentMatch(const IfMatch& condition,
                                const std::string& what,
                                const std::optional<Row>& row) {
  switch (condition.kind) {
    case IfMatch::Kind::kAny:
      return absl::OkStatus();
    case IfMatch::Kind::kAbsent:
      if (!row) return absl::OkStatus();
      return FailedPrecondition(what + " is there already");
    case IfMatch::Kind::kVersion:
      if (row && row->shown_sibling().head.order.dot() == condition.version) {
        return absl::OkStatus();
      }
      return FailedPrecondition(what + " has another version by now");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Effect>> EffectsOfPut(
    const CausalState& state, const std::string& name_space,
    const std::string& key, std::optional<std::string> value,
    const DocumentPut& how) {
  SYNCLINE_RETURN_IF_ERROR(CheckName(name_space, key));
  const std::string what = Quoted(name_space, key);
  if (name_space == kSettingsNamespace) {
    return absl::PermissionDeniedError(
        what + " is a setting of the project (see 'syncline strategy')");
  }
  if (value && value->size() > DocumentLimits::kValueBytesMax) {
    return InvalidArgument("a document has at most 1 MiB");
  }
  SYNCLINE_ASSIGN_OR_RETURN(const std::optional<Row> row,
                            state.LookupDoc(name_space, key));
  SYNCLINE_RETURN_IF_ERROR(CheckDocumentMatch(how.if_match, what, row));
  if (how.resolve && (!row || !row->conflict())) {
    return NotFound("no open conflict is at 'doc:" + name_space + "/" + key +
                    "'");
  }
  if (!value && !row) return NotFound("no document " + what);
  if (how.resolve && value) {
    return ChooseEffects(state, "doc:" + name_space + "/" + key,
                         *std::move(value));
  }
  if (value && row && !row->conflict() &&
      *value == row->shown_sibling().payload()) {
    return std::vector<Effect>();
  }
  return DocEffects(state, name_space, key, std::move(value));
}

}  // namespace

absl::StatusOr<DocumentInfo> GetDocument(const Replica& replica,
                                         const std::string& name_space,
                                         const std::string& key,
                                         const std::optional<Dot>& version) {
  SYNCLINE_RETURN_IF_ERROR(CheckName(name_space, key));
  SYNCLINE_ASSIGN_OR_RETURN(const std::optional<Row> row,
                            replica.state().LookupDoc(name_space, key));
  if (!row) return NotFound("no document " + Quoted(name_space, key));
  if (!version) {
    return Describe(replica, name_space, key, *row, row->shown_sibling());
  }
  for (const Sibling& sibling : row->siblings) {
    if (sibling.head.order.dot() == *version) {
      return Describe(replica, name_space, key, *row, sibling);
    }
  }
  return NotFound(Quoted(name_space, key) + " has no version " +
                  version->ToText());
}

absl::StatusOr<DocumentList> ListDocuments(const Replica& replica,
                                           const DocumentQuery& query) {
  constexpr std::size_t kAtOnce = 64;
  constexpr std::size_t kBytesMax = 1u << 20;
  if (!query.name_space.empty()) {
    SYNCLINE_RETURN_IF_ERROR(CheckNamespace(query.name_space));
  }
  const bool resume = !query.after_name_space.empty();
  std::string name_space = resume ? query.after_name_space : query.name_space;
  std::string key = resume ? query.after_key : query.key_prefix;
  bool behind = resume;
  DocumentList list;
  std::size_t bytes = 0;
  for (;;) {
    SYNCLINE_ASSIGN_OR_RETURN(
        const auto rows,
        replica.state().ListDocsFrom(name_space, key, behind, kAtOnce));
    for (const CausalState::DocRow& at : rows) {
      if (!query.name_space.empty() &&
          (at.name_space != query.name_space ||
           !at.key.starts_with(query.key_prefix))) {
        return list;
      }
      if (query.name_space.empty() && at.name_space == kSettingsNamespace) {
        continue;
      }
      if (bytes >= kBytesMax) {
        list.more = true;
        return list;
      }
      list.documents.push_back(Describe(replica, at.name_space, at.key, at.row,
                                        at.row.shown_sibling()));
      bytes += at.key.size() + list.documents.back().value.size() + 200;
    }
    if (rows.size() < kAtOnce) return list;
    name_space = rows.back().name_space;
    key = rows.back().key;
    behind = true;
  }
}

void PutDocument(Replica& replica, const std::string& name_space,
                 const std::string& key, std::optional<std::string> value,
                 const DocumentPut& how, Callback<Written> done) {
  absl::StatusOr<std::vector<Effect>> effects =
      EffectsOfPut(replica.state(), name_space, key, std::move(value), how);
  if (!effects.ok()) return done(effects.status());
  std::vector<std::vector<Effect>> entries;
  entries.push_back(*std::move(effects));
  CommitAll(replica, std::move(entries), std::move(done));
}

}  // namespace syncline
