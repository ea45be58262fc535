#include "node/verifier.h"

#include <set>

#include "base/status.h"
#include "kv/file_content.h"
#include "kv/memory_store.h"
#include "proto/entry_codec.h"

namespace syncline {
namespace {

absl::Status Stopped() {
  return absl::CancelledError("the node is being closed");
}

}  // namespace

void Verifier::Find(std::string where, std::string what) {
  if (report_.findings.size() >= VerifyReport::kFindingsMax) {
    report_.findings_left_out += 1;
    return;
  }
  report_.findings.push_back({input_.name, std::move(where), std::move(what)});
}

absl::StatusOr<VerifyReport> Verifier::Run() {
  report_.projects = 1;
  SYNCLINE_RETURN_IF_ERROR(CheckLog());
  SYNCLINE_RETURN_IF_ERROR(CheckState());
  SYNCLINE_RETURN_IF_ERROR(CheckContent());
  return std::move(report_);
}

absl::Status Verifier::CheckLog() {
  if (input_.horizon.value == 0) {
    SYNCLINE_ASSIGN_OR_RETURN(
        replayed_, CausalState::Open(store_, input_.number, input_.self, {},
                                     CausalState::Options()));
  }
  AppendLog::Reader& records = *input_.records;
  Seq expected = input_.horizon.next();
  for (; records.Valid(); records.Next()) {
    if (stop_) return Stopped();
    const RecordView& record = records.record();
    if (record.seq != expected) {
      Find("log " + std::to_string(expected.value), "the record is missing");
      replayed_ = nullptr;
    }
    expected = record.seq.next();
    report_.records += 1;
    CheckRecord(record);
  }
  if (!records.status().ok()) {
    Find("log " + std::to_string(expected.value),
         std::string(FromAbsl(records.status().message())));
    replayed_ = nullptr;
  } else if (expected != input_.head.next()) {
    Find("log " + std::to_string(expected.value), "the log ends too early");
    replayed_ = nullptr;
  } else {
    CheckChains();
  }
  if (replayed_ && replayed_->Digest() != input_.digest) {
    Find("state", "the log makes another state than the one shown");
  }
  return absl::OkStatus();
}

void Verifier::CheckRecord(const RecordView& record) {
  const std::string where = "log " + std::to_string(record.seq.value);
  if (record.joined()) return CheckJoined(where, record);
  const absl::StatusOr<DecodedEntry> decoded = DecodeEntry(record.entry);
  if (!decoded.ok() || decoded->entry.dot != record.dot) {
    Find(where, decoded.ok() ? "the entry has another dot than its record"
                             : "the entry cannot be read");
    replayed_ = nullptr;
    return;
  }
  if (!DecodePathChanges(record.changes).ok()) {
    Find(where, "its path changes cannot be read");
  }
  if (input_.horizon.value != 0) return;
  Hash& chain = chains_[record.dot.origin];
  chain = Sha256(chain.view(), record.entry);
  if (!replayed_) return;
  const absl::StatusOr<CausalState::Applied> applied = replayed_->Apply(
      decoded->entry, record.seq.value,
      static_cast<std::int64_t>(decoded->entry.hlc.milliseconds()));
  const bool ok = applied.ok() && (applied->outcome == ApplyOutcome::kApplied ||
                                   applied->outcome == ApplyOutcome::kVoid);
  if (ok) return;
  Find(where, "the entry does not follow what is before it");
  replayed_ = nullptr;
}

// The log alone no longer makes the state.
void Verifier::CheckJoined(const std::string& where, const RecordView& record) {
  if (!DecodePathChanges(record.changes).ok()) {
    Find(where, "its path changes cannot be read");
  }
  replayed_ = nullptr;
  joined_ = true;
}

void Verifier::CheckChains() {
  // They start with what is gone, or was never here.
  if (input_.horizon.value != 0 || joined_) return;
  for (const auto& [dot, hash] : input_.chains) {
    const auto found = chains_.find(dot.origin);
    if (found != chains_.end() && found->second == hash) continue;
    Find("origin " + dot.origin.ToHex(),
         "the hashes of its entries do not chain");
  }
}

absl::Status Verifier::CheckState() {
  MemoryStore store;
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<CausalState> rebuilt,
                            CausalState::Open(store, input_.number, input_.self,
                                              {}, CausalState::Options()));
  if (stop_) return Stopped();
  const absl::StatusOr<CausalState::Applied> joined =
      rebuilt->Join(input_.snapshot, 1, 0);
  if (!joined.ok()) {
    Find("state", std::string(FromAbsl(joined.status().message())));
  } else if (rebuilt->Digest() != input_.digest) {
    Find("state", "the heads do not have the digest that is stored");
  }
  return absl::OkStatus();
}

absl::Status Verifier::CheckContent() {
  std::set<Hash> seen;
  for (const auto& [reg, head] : input_.snapshot.heads) {
    if (reg.field != RegisterId::Field::kContent) continue;
    if (reg.item.kind != ItemKind::kFile) continue;
    if (stop_) return Stopped();
    const auto* payload = std::get_if<std::string>(&head.value);
    if (payload == nullptr || !seen.insert(Sha256(*payload)).second) continue;
    SYNCLINE_RETURN_IF_ERROR(CheckFile(reg, *payload));
  }
  return absl::OkStatus();
}

absl::Status Verifier::CheckFile(const RegisterId& reg,
                                 const std::string& payload) {
  const std::string where = "item " + reg.item.ToText();
  const absl::StatusOr<FileContent> content = FileContent::Decode(payload);
  if (!content.ok()) {
    Find(where, "its payload cannot be read");
    return absl::OkStatus();
  }
  report_.files += 1;
  const absl::StatusOr<std::vector<FileContent::Ref>> missing =
      MissingChunks(chunks_, *content);
  if (missing.ok() && !missing->empty()) {
    if (input_.repair) input_.lacking.push_back(payload);
    if (input_.wants) {
      report_.missing_chunks += missing->size();
    } else {
      Find(where, "pieces of its content are missing");
    }
    return absl::OkStatus();
  }
  const absl::Status read =
      ReadContent(chunks_, *content, [this](std::string_view bytes) {
        report_.bytes += bytes.size();
        return stop_ ? Stopped() : absl::OkStatus();
      });
  if (absl::IsCancelled(read)) return read;
  if (read.ok()) return absl::OkStatus();
  Find(where, std::string(FromAbsl(read.message())));
  if (!input_.repair || !absl::IsDataLoss(read)) return absl::OkStatus();
  SYNCLINE_ASSIGN_OR_RETURN(const auto damaged,
                            DiscardDamaged(chunks_, *content));
  if (!damaged.empty()) input_.lacking.push_back(payload);
  return absl::OkStatus();
}

}  // namespace syncline
