#include "tests/faults/whole_path.h"

#include <boost/asio/executor_work_guard.hpp>
#include <fstream>
#include <iterator>
#include <utility>

#include "base/bytes.h"
#include "base/status.h"
#include "kv/file_content.h"
#include "kv/memory_store.h"
#include "log/record_span.h"
#include "log/subscription.h"
#include "proto/entry_codec.h"
#include "replication/state/edits.h"

namespace syncline::testing {
namespace {

Replica::Identity TheIdentity() {
  Replica::Identity identity;
  identity.project = {std::string(16, 'p')};
  identity.number = ProjectNumber{3};
  identity.self = *Origin::FromBytes(Sha256("self").view().substr(0, 16));
  identity.device = std::make_shared<const DeviceIdentity>(
      *DeviceIdentity::FromSecret(Sha256("device").view()));
  identity.device_key = identity.device->public_key();
  return identity;
}

std::string At(Seq seq, std::string_view what) {
  return "seq " + std::to_string(seq.value) + ": " + std::string(what);
}

// The state that the log alone makes.
struct Fold {
  MemoryStore store;
  std::unique_ptr<CausalState> state;
};

std::string FoldRecord(WholePath& path, const RecordView& record, Fold& fold) {
  const absl::StatusOr<DecodedEntry> decoded = DecodeEntry(record.entry);
  if (!decoded.ok()) return At(record.seq, decoded.status().ToString());
  if (decoded->entry.dot != record.dot) return At(record.seq, "another dot");
  const auto applied = fold.state->Apply(
      decoded->entry, record.seq.value,
      static_cast<std::int64_t>(decoded->entry.hlc.milliseconds()));
  if (!applied.ok()) return At(record.seq, applied.status().ToString());
  for (const Effect& effect : decoded->entry.effects) {
    const auto* content = std::get_if<ContentEffect>(&effect);
    if (content == nullptr || content->item.kind != ItemKind::kFile) continue;
    const absl::StatusOr<FileContent> file =
        FileContent::Decode(content->payload);
    if (!file.ok()) return At(record.seq, file.status().ToString());
    const absl::Status read =
        ReadContent(path.chunks(), *file,
                    [](std::string_view) { return absl::OkStatus(); });
    if (!read.ok()) return At(record.seq, read.ToString());
  }
  return {};
}

std::string ReadLog(WholePath& path, std::vector<Mark>& records, Fold& fold) {
  VersionVector counters;
  const auto reader = path.replica().log().Read({});
  for (; reader->Valid(); reader->Next()) {
    const RecordView& record = reader->record();
    if (record.seq.value != records.size() + 1) return At(record.seq, "a hole");
    if (record.dot.counter != counters.CounterOf(record.dot.origin) + 1) {
      return At(record.seq, "a counter was left out or given out twice");
    }
    counters.Raise(record.dot.origin, record.dot.counter);
    records.push_back(Mark::Of(record));
    if (std::string fault = FoldRecord(path, record, fold); !fault.empty()) {
      return fault;
    }
  }
  if (!reader->status().ok()) return reader->status().ToString();
  const AppendLog& log = path.replica().log();
  if (log.head().value != records.size()) return "the head is not the last";
  if (log.frontier() != counters) return "the frontier is another";
  return {};
}

// Tree and documents as text.
std::string Show(const CausalState& state, const std::string& directory) {
  std::string text;
  const auto rows = state.List(directory, "", 100'000);
  if (!rows.ok()) return rows.status().ToString();
  for (const auto& [name, row] : *rows) {
    const std::string path = directory.empty() ? name : directory + "/" + name;
    text += path + (row.IsDirectory() ? "/\n" : "\n");
    if (row.IsDirectory()) {
      text += Show(state, path);
    } else {
      text += row.shown_sibling().payload();
    }
  }
  return text;
}

std::string CheckView(const CausalState& shown, const CausalState& folded) {
  if (shown.Digest() != folded.Digest()) return "the registers are others";
  if (shown.item_count() != folded.item_count()) return "items are missing";
  if (Show(shown, "") != Show(folded, "")) return "the view is another";
  const auto docs = shown.ListDocs("docs", "");
  const auto expected = folded.ListDocs("docs", "");
  if (!docs.ok() || !expected.ok()) return "the documents cannot be read";
  if (docs->size() != expected->size()) return "documents are missing";
  return {};
}

std::string CheckMarks(std::string_view what, const std::vector<Mark>& marks,
                       const std::vector<Mark>& records) {
  for (const Mark& mark : marks) {
    if (mark.seq.value > records.size()) {
      return At(mark.seq, std::string(what) + " and gone");
    }
    const Mark& found = records[mark.seq.value - 1];
    if (found.dot != mark.dot ||
        (mark.content != 0 && found.content != mark.content)) {
      return At(mark.seq, std::string(what) + " and another entry's now");
    }
  }
  return {};
}

std::string Resume(WholePath& path, const std::vector<Mark>& seen,
                   const std::vector<Mark>& records) {
  for (std::size_t i = 0; i < seen.size(); ++i) {
    if (seen[i].seq.value != i + 1) return At(seen[i].seq, "not in its turn");
  }
  Seq cursor = {seen.size()};
  const auto subscription =
      path.replica().log().Subscribe(cursor, Visibility::kDurable, [] {});
  for (;;) {
    const auto span = subscription->Next(10'000);
    if (!span.ok()) return span.status().ToString();
    if (span->empty()) break;
    RecordWalk walk(span->first, span->bytes);
    for (; walk.Valid(); walk.Next()) {
      if (walk.record().seq != cursor.next()) return At(cursor, "a gap");
      cursor = walk.record().seq;
      if (records[cursor.value - 1].content !=
          Mark::Of(walk.record()).content) {
        return At(cursor, "the subscriber got another entry");
      }
    }
    if (!walk.status().ok()) return walk.status().ToString();
  }
  return cursor.value == records.size() ? "" : At(cursor, "the last one given");
}

std::string CheckNext(WholePath& path) {
  Replica& replica = path.replica();
  const Origin self = replica.identity().self;
  const Seq seq = replica.log().head().next();
  const Dot dot{self, replica.log().frontier().CounterOf(self) + 1};
  std::optional<absl::Status> outcome;
  const auto committed = replica.Commit(
      {EventEffect{"topic", "next"}}, "test", Durability::kDurable,
      [&](const absl::Status& status) { outcome = status; });
  if (!committed.ok()) return committed.status().ToString();
  path.io().restart();
  const auto work = boost::asio::make_work_guard(path.io());
  while (!outcome) path.io().run_one();
  if (!outcome->ok()) return outcome->ToString();
  if (committed->seq != seq) return "the next seq is another";
  if (committed->dot != dot) return "the next counter is another";
  return {};
}

}  // namespace

Mark Mark::Of(const RecordView& record) {
  const Hash hash = Sha256(record.entry);
  return {record.seq, record.dot, ByteReader(hash.view()).U64()};
}

std::string Mark::Encode() const {
  std::string bytes;
  AppendU64(bytes, seq.value);
  bytes += dot.origin.view();
  AppendU64(bytes, dot.counter);
  AppendU64(bytes, content);
  return bytes;
}

std::vector<Mark> Mark::ReadAll(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
  std::vector<Mark> marks;
  for (std::size_t at = 0; at + kBytes <= bytes.size(); at += kBytes) {
    ByteReader reader(std::string_view(bytes).substr(at, kBytes));
    Mark mark;
    mark.seq.value = reader.U64();
    mark.dot.origin = *Origin::FromBytes(reader.Bytes(16));
    mark.dot.counter = reader.U64();
    mark.content = reader.U64();
    marks.push_back(mark);
  }
  return marks;
}

absl::StatusOr<std::unique_ptr<WholePath>> WholePath::Open(
    const std::filesystem::path& home, std::unique_ptr<Store> store) {
  std::unique_ptr<WholePath> path(new WholePath(std::move(store)));
  SYNCLINE_ASSIGN_OR_RETURN(path->chunks_,
                            ChunkStore::Open(*path->store_, home / "chunks"));
  path->commits_ = std::make_unique<CommitQueue>(
      *path->store_, path->sync_thread_, path->io_.get_executor());
  Replica::Options options;
  options.dirty_bytes_max = 20'000;  // Written back now and then.
  SYNCLINE_ASSIGN_OR_RETURN(
      path->replica_,
      Replica::Open({*path->store_, *path->commits_, *path->chunks_,
                     path->random_, path->time_},
                    TheIdentity(), options));
  return path;
}

WholePath::~WholePath() = default;

absl::StatusOr<std::vector<Effect>> WholePath::PlanPut(
    const std::string& path, const std::string& bytes) {
  ContentWriter writer(*chunks_);
  SYNCLINE_RETURN_IF_ERROR(writer.Add(bytes));
  SYNCLINE_ASSIGN_OR_RETURN(const FileContent content, writer.Finish());
  SYNCLINE_RETURN_IF_ERROR(chunks_->Sync());
  const CausalState& state = replica_->state();
  SYNCLINE_ASSIGN_OR_RETURN(const std::optional<Token> seen,
                            state.Read(path, false));
  return seen ? EditEffects(state, *seen, content.Encode(), {})
              : CreateEffects(state, path, ItemKind::kFile, content.Encode(),
                              {}, 0);
}

absl::StatusOr<std::vector<Effect>> WholePath::Plan(RandomSource& random) {
  const CausalState& state = replica_->state();
  const std::string path = "f" + std::to_string(random.Below(20));
  switch (random.Below(10)) {
    case 0:
    case 1:
    case 2:
      return PlanPut(path, random.Bytes(1 + random.Below(3'000)));
    case 3:
      return PlanPut(path, random.Bytes(40'000 + random.Below(100'000)));
    case 4: {
      const std::string directory = "d" + std::to_string(random.Below(200));
      SYNCLINE_ASSIGN_OR_RETURN(const auto there, state.Lookup(directory));
      if (there) break;
      return CreateEffects(state, directory, ItemKind::kDirectory, "", {}, 0);
    }
    case 5: {
      SYNCLINE_ASSIGN_OR_RETURN(const auto seen, state.Read(path, false));
      if (!seen) break;
      return RemoveEffects(state, *seen);
    }
    case 6: {
      const std::string target = "f" + std::to_string(random.Below(20));
      SYNCLINE_ASSIGN_OR_RETURN(const auto seen, state.Read(path, false));
      SYNCLINE_ASSIGN_OR_RETURN(const auto there, state.Read(target, false));
      if (!seen || there) break;
      return RenameEffects(state, *seen, target, std::nullopt);
    }
    case 7:
      return DocEffects(state, "docs", path, random.Bytes(100));
    default:
      break;
  }
  return std::vector<Effect>{EventEffect{"topic", random.Bytes(256)}};
}

absl::Status WholePath::Change(RandomSource& random, Durability durability,
                               Done done) {
  SYNCLINE_ASSIGN_OR_RETURN(std::vector<Effect> effects, Plan(random));
  // The mark is known when the call returns, which is before `done`.
  auto mark = std::make_shared<Mark>();
  SYNCLINE_ASSIGN_OR_RETURN(
      const Replica::Committed committed,
      replica_->Commit(
          std::move(effects), "test", durability,
          [mark, done = std::move(done)](const absl::Status& status) {
            done(*mark, status);
          }));
  *mark = {committed.seq, committed.dot};
  return absl::OkStatus();
}

void WholePath::Tidy(RandomSource& random) {
  if (random.Below(15) == 0) replica_->Flush({});
  if (random.Below(30) == 0) {
    store_->Compact(Column::kLog, {}, {}).IgnoreError();
  }
}

std::string FindFault(WholePath& path, const std::vector<Mark>& acked,
                      const std::vector<Mark>& seen) {
  Fold fold;
  auto state = CausalState::Open(fold.store, ProjectNumber{3},
                                 path.replica().identity().self, {}, {});
  if (!state.ok()) return state.status().ToString();
  fold.state = *std::move(state);
  std::vector<Mark> records;
  std::string fault = ReadLog(path, records, fold);
  if (fault.empty()) fault = CheckMarks("acknowledged", acked, records);
  if (fault.empty()) fault = CheckMarks("delivered", seen, records);
  if (fault.empty()) fault = Resume(path, seen, records);
  if (fault.empty()) fault = CheckView(path.replica().state(), *fold.state);
  if (fault.empty()) fault = CheckNext(path);
  return fault;
}

}  // namespace syncline::testing
