#include "replication/mirror/base_intents.h"

#include <utility>

#include "base/bytes.h"
#include "base/status.h"

namespace syncline {
namespace {

constexpr std::uint8_t kIntentFormat = 1;

std::string IntentPrefix(ProjectNumber project, std::uint32_t id) {
  std::string prefix = ProjectPrefix(project);
  AppendU32(prefix, id);
  prefix += kIntentTag;
  return prefix;
}

std::string EncodeIntents(const BaseIntents::Paths& paths) {
  std::string out(1, static_cast<char>(kIntentFormat));
  AppendVarint(out, paths.size());
  for (const auto& [path, entry] : paths) {
    AppendSized(out, path);
    AppendSized(out, entry ? EncodeBaseEntry(*entry) : std::string());
  }
  return out;
}

absl::StatusOr<BaseIntents::Paths> DecodeIntents(std::string_view bytes) {
  ByteReader reader(bytes);
  BaseIntents::Paths paths;
  const bool known = reader.U8() == kIntentFormat;
  const std::uint64_t count = reader.Varint();
  for (std::uint64_t i = 0; known && reader.ok() && i < count; ++i) {
    std::string path(reader.Sized());
    const std::string_view row = reader.Sized();
    std::optional<BaseEntry> entry;
    if (!row.empty()) {
      SYNCLINE_ASSIGN_OR_RETURN(entry, DecodeBaseEntry(row));
    }
    paths.emplace(std::move(path), std::move(entry));
  }
  if (!known || !reader.AtEnd()) return DataLoss("malformed intents");
  return paths;
}

// Gives each row to `visit`: its key and what it says.
absl::Status ForEachRow(
    const Store& store, const std::string& prefix,
    const std::function<absl::Status(std::string_view, BaseIntents::Paths)>&
        visit) {
  IterateOptions options;
  options.lower_bound = prefix;
  options.upper_bound = PrefixEnd(prefix);
  options.fill_cache = false;
  const auto rows = store.NewIterator(Column::kMirror, options);
  for (rows->Seek(prefix); rows->Valid(); rows->Next()) {
    auto paths = DecodeIntents(rows->value());
    if (!paths.ok()) {
      return DataLoss("mirror row " + ToHex(rows->key()) + " cannot be read");
    }
    SYNCLINE_RETURN_IF_ERROR(visit(rows->key(), *std::move(paths)));
  }
  return rows->status();
}

std::string RowKey(const std::string& prefix, std::uint64_t batch) {
  std::string key = prefix;
  AppendU64(key, batch);
  return key;
}

}  // namespace

absl::StatusOr<std::unique_ptr<BaseIntents>> BaseIntents::Open(
    const Store& store, ProjectNumber project, std::uint32_t id) {
  std::unique_ptr<BaseIntents> intents(
      new BaseIntents(IntentPrefix(project, id)));
  SYNCLINE_RETURN_IF_ERROR(ForEachRow(
      store, intents->prefix_, [&](std::string_view key, Paths paths) {
        ByteReader reader(key.substr(intents->prefix_.size()));
        const std::uint64_t batch = reader.U64();
        if (!reader.AtEnd()) {
          return DataLoss("mirror row " + ToHex(key) + " cannot be read");
        }
        intents->batches_[batch] = std::move(paths);
        intents->next_ = batch + 1;
        return absl::OkStatus();
      }));
  return intents;
}

absl::Status BaseIntents::MapTokens(
    const Store& store, ProjectNumber project, std::uint32_t id,
    const std::function<Token(const Token&)>& map, WriteBatch& rows) {
  return ForEachRow(store, IntentPrefix(project, id),
                    [&](std::string_view key, Paths paths) -> absl::Status {
                      for (auto& [path, entry] : paths) {
                        if (!entry || entry->token.empty()) continue;
                        const absl::StatusOr<Token> token =
                            DecodeToken(entry->token);
                        if (!token.ok())
                          return DataLoss(path + ": malformed token");
                        entry->token = EncodeToken(map(*token));
                      }
                      rows.Put(Column::kMirror, key, EncodeIntents(paths));
                      return absl::OkStatus();
                    });
}

std::uint64_t BaseIntents::Begin(Paths paths, WriteBatch& rows) {
  const std::uint64_t batch = next_++;
  rows.Put(Column::kMirror, RowKey(prefix_, batch), EncodeIntents(paths));
  batches_[batch] = std::move(paths);
  return batch;
}

void BaseIntents::End(std::uint64_t batch, WriteBatch& rows) {
  if (batches_.erase(batch) == 0) return;
  rows.Delete(Column::kMirror, RowKey(prefix_, batch));
}

const BaseEntry* BaseIntents::Find(
    const std::string& path,
    const std::function<bool(const BaseEntry&)>& fits) const {
  for (const auto& [batch, paths] : batches_) {
    const auto [begin, end] = paths.equal_range(path);
    for (auto at = begin; at != end; ++at) {
      if (at->second && fits(*at->second)) return &*at->second;
    }
  }
  return nullptr;
}

bool BaseIntents::Removes(const std::string& path) const {
  for (const auto& [batch, paths] : batches_) {
    const auto [begin, end] = paths.equal_range(path);
    for (auto at = begin; at != end; ++at) {
      if (!at->second) return true;
    }
  }
  return false;
}

void BaseIntents::Forget(
    const std::function<bool(const std::string& path)>& keep,
    WriteBatch& rows) {
  for (auto at = batches_.begin(); at != batches_.end();) {
    std::erase_if(at->second,
                  [&](const auto& path) { return !keep(path.first); });
    if (!at->second.empty()) {
      ++at;
      continue;
    }
    rows.Delete(Column::kMirror, RowKey(prefix_, at->first));
    at = batches_.erase(at);
  }
}

}  // namespace syncline
