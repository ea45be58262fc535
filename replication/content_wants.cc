#include "replication/content_wants.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "base/status.h"
#include "replication/project_rows.h"

namespace syncline {
namespace {

// By size, so that many small files are complete early.
using Order = std::pair<std::uint32_t, Hash>;

}  // namespace

struct ContentWants::Impl {
  struct Chunk {
    std::uint32_t bytes = 0;
    bool taken = false;
    std::vector<Hash> payloads;  // Keys of `payloads` that wait for it.
  };
  struct Payload {
    FileContent content;
    std::size_t missing = 0;  // Chunks known to be missing.
  };
  struct Handle;

  Impl(const ChunkStore& chunk_store, ProjectNumber number)
      : chunks(chunk_store), project(number) {}

  // Notes what `content` lacks under `key`. False: it lacks nothing.
  absl::StatusOr<bool> Note(const Hash& key, const FileContent& content);
  void Notify();

  const ChunkStore& chunks;
  ProjectNumber project;
  absl::flat_hash_map<Hash, Payload> payloads;  // By SHA-256 of the payload.
  absl::flat_hash_map<Hash, Chunk> wanted;
  std::set<Order> offered;  // Those of `wanted` that are not taken.
  std::uint64_t bytes = 0;  // Of `wanted`.
  std::vector<Handle*> handles;
};

struct ContentWants::Impl::Handle final : ContentWants::Watch {
  Handle(Impl& owner, std::function<void()> callback)
      : impl(&owner), changed(std::move(callback)) {
    impl->handles.push_back(this);
  }
  ~Handle() override {
    if (impl) std::erase(impl->handles, this);
  }
  Impl* impl;
  std::function<void()> changed;
};

absl::StatusOr<bool> ContentWants::Impl::Note(const Hash& key,
                                              const FileContent& content) {
  SYNCLINE_ASSIGN_OR_RETURN(std::vector<FileContent::Ref> refs,
                            MissingChunks(chunks, content));
  if (refs.empty()) return false;
  std::set<Hash> distinct;
  for (const FileContent::Ref& ref : refs) {
    if (!distinct.insert(ref.hash).second) continue;
    Chunk& chunk = wanted[ref.hash];
    if (chunk.payloads.empty()) {
      chunk.bytes = ref.bytes;
      bytes += ref.bytes;
      offered.insert({ref.bytes, ref.hash});
    }
    chunk.payloads.push_back(key);
  }
  payloads[key] = {content, distinct.size()};
  return true;
}

void ContentWants::Impl::Notify() {
  // A callback may destroy handles, its own included.
  const std::vector<Handle*> now = handles;
  for (Handle* handle : now) {
    if (std::find(handles.begin(), handles.end(), handle) != handles.end()) {
      handle->changed();
    }
  }
}

ContentWants::ContentWants(std::unique_ptr<Impl> impl)
    : impl_(std::move(impl)) {}

ContentWants::~ContentWants() {
  for (Impl::Handle* handle : impl_->handles) handle->impl = nullptr;
}

absl::StatusOr<std::unique_ptr<ContentWants>> ContentWants::Open(
    Store& store, const ChunkStore& chunks, ProjectNumber project) {
  auto impl = std::make_unique<Impl>(chunks, project);
  const std::string prefix = ProjectRowPrefix(project, ProjectRow::kWant);
  IterateOptions options;
  options.lower_bound = prefix;
  options.upper_bound = PrefixEnd(prefix);
  auto rows = store.NewIterator(Column::kProjects, options);
  for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
    const std::optional<Hash> key =
        Hash::FromBytes(rows->key().substr(prefix.size()));
    if (!key) return DataLoss("content wants: a row's key is malformed");
    SYNCLINE_ASSIGN_OR_RETURN(const FileContent content,
                              FileContent::Decode(rows->value()));
    // Complete already: the chunks were durable, their row not yet deleted.
    // It goes with the next Arrived() or stays harmless.
    SYNCLINE_RETURN_IF_ERROR(impl->Note(*key, content).status());
  }
  SYNCLINE_RETURN_IF_ERROR(rows->status());
  return std::unique_ptr<ContentWants>(new ContentWants(std::move(impl)));
}

absl::Status ContentWants::AddPayload(std::string_view payload,
                                      WriteBatch& rows) {
  const Hash key = Sha256(payload);
  if (impl_->payloads.contains(key)) return absl::OkStatus();
  const absl::StatusOr<FileContent> content = FileContent::Decode(payload);
  if (!content.ok()) return absl::OkStatus();
  SYNCLINE_ASSIGN_OR_RETURN(const bool lacks, impl_->Note(key, *content));
  if (!lacks) return absl::OkStatus();
  rows.Put(Column::kProjects,
           ProjectRowKey(impl_->project, ProjectRow::kWant, key.view()),
           std::string(payload));
  impl_->Notify();
  return absl::OkStatus();
}

std::vector<ContentWants::Want> ContentWants::Take(std::size_t limit,
                                                   std::uint64_t bytes_max) {
  std::vector<Want> taken;
  std::uint64_t total = 0;
  while (taken.size() < limit && !impl_->offered.empty()) {
    const auto [bytes, hash] = *impl_->offered.begin();
    if (!taken.empty() && total + bytes > bytes_max) break;
    impl_->offered.erase(impl_->offered.begin());
    impl_->wanted[hash].taken = true;
    taken.push_back({hash, bytes});
    total += bytes;
  }
  return taken;
}

void ContentWants::Release(const Hash& hash) {
  const auto chunk = impl_->wanted.find(hash);
  if (chunk == impl_->wanted.end() || !chunk->second.taken) return;
  chunk->second.taken = false;
  impl_->offered.insert({chunk->second.bytes, hash});
}

absl::Status ContentWants::Arrived(const Hash& hash, WriteBatch& rows) {
  const auto found = impl_->wanted.find(hash);
  if (found == impl_->wanted.end()) return absl::OkStatus();
  const Impl::Chunk chunk = std::move(found->second);
  impl_->wanted.erase(found);
  impl_->offered.erase({chunk.bytes, hash});
  impl_->bytes -= chunk.bytes;
  absl::Status result = absl::OkStatus();
  for (const Hash& key : chunk.payloads) {
    const auto payload = impl_->payloads.find(key);
    if (--payload->second.missing > 0) continue;
    // A list of chunks may name more.
    const FileContent content = std::move(payload->second.content);
    impl_->payloads.erase(payload);
    const absl::StatusOr<bool> lacks = impl_->Note(key, content);
    if (!lacks.ok()) {
      result.Update(lacks.status());
    } else if (!*lacks) {
      rows.Delete(Column::kProjects,
                  ProjectRowKey(impl_->project, ProjectRow::kWant, key.view()));
    }
  }
  impl_->Notify();
  return result;
}

bool ContentWants::Awaits(std::string_view payload) const {
  return !impl_->payloads.empty() && impl_->payloads.contains(Sha256(payload));
}

std::size_t ContentWants::size() const { return impl_->wanted.size(); }

std::uint64_t ContentWants::bytes() const { return impl_->bytes; }

std::unique_ptr<ContentWants::Watch> ContentWants::OnChange(
    std::function<void()> changed) {
  return std::make_unique<Impl::Handle>(*impl_, std::move(changed));
}

}  // namespace syncline
