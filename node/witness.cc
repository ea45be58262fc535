#include "node/witness.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/status.h"
#include "kv/durable_files.h"

namespace syncline {
namespace {

constexpr std::string_view kRowKey = "witness";
constexpr char kFileName[] = "witness";
constexpr char kMachineFile[] = "/etc/machine-id";
constexpr std::string_view kMagic = "syncline witness 1\n";
constexpr std::size_t kWitnessNonceBytes = 16;
constexpr std::uint64_t kProjectsMax = 1'000'000;

// The whole file; nothing if there is none.
absl::StatusOr<std::optional<std::string>> ReadFile(
    const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::error_code error;
    if (!std::filesystem::exists(path, error)) {
      return std::optional<std::string>();
    }
    return absl::UnavailableError("cannot read " + path.string());
  }
  return std::optional<std::string>(
      std::string(std::istreambuf_iterator<char>(file), {}));
}

}  // namespace

absl::StatusOr<std::string> Witness::PlaceOf(const std::filesystem::path& dir) {
  struct statx info {};
  if (statx(AT_FDCWD, dir.c_str(), 0, STATX_INO | STATX_BTIME, &info) != 0) {
    return ErrnoStatus(errno, "look at " + dir.string());
  }
  constexpr std::uint64_t kNsPerS = 1'000'000'000;
  std::uint64_t born = 0;
  // Numbers of devices change when a machine starts; they are told apart by
  // them only where nothing better is known.
  std::uint64_t device = makedev(info.stx_dev_major, info.stx_dev_minor);
  if ((info.stx_mask & STATX_BTIME) != 0) {
    born = static_cast<std::uint64_t>(info.stx_btime.tv_sec) * kNsPerS +
           info.stx_btime.tv_nsec;
    device = 0;
  }
  SYNCLINE_ASSIGN_OR_RETURN(const std::optional<std::string> machine,
                            ReadFile(kMachineFile));
  std::string place;
  AppendSized(place, machine.value_or(""));
  AppendU64(place, device);
  AppendU64(place, info.stx_ino);
  AppendU64(place, born);
  return place;
}

std::string Witness::Encode(const File& file) {
  std::string out(kMagic);
  AppendSized(out, file.place);
  AppendSized(out, file.nonce);
  AppendSized(out, file.next);
  AppendSized(out, file.origin.view());
  AppendVarint(out, file.published.size());
  for (const auto& [project, counter] : file.published) {
    AppendSized(out, project.bytes);
    AppendVarint(out, counter);
  }
  out += Sha256(out).view();
  return out;
}

bool Witness::Decode(std::string_view bytes, File& file) {
  if (bytes.size() < Hash::kBytes || !bytes.starts_with(kMagic)) return false;
  const std::string_view body = bytes.substr(0, bytes.size() - Hash::kBytes);
  if (Sha256(body).view() != bytes.substr(body.size())) return false;
  ByteReader reader(body.substr(kMagic.size()));
  file.place = reader.Sized();
  file.nonce = reader.Sized();
  file.next = reader.Sized();
  const std::optional<Origin> origin = Origin::FromBytes(reader.Sized());
  const std::uint64_t count = reader.Varint();
  if (!origin || count > kProjectsMax) return false;
  file.origin = *origin;
  for (std::uint64_t i = 0; i < count && reader.ok(); ++i) {
    ProjectId project{std::string(reader.Sized())};
    file.published[std::move(project)] = reader.Varint();
  }
  return reader.AtEnd();
}

absl::StatusOr<std::unique_ptr<Witness>> Witness::Open(
    const std::filesystem::path& home, Store& store) {
  std::unique_ptr<Witness> witness(new Witness(home, store));
  SYNCLINE_RETURN_IF_ERROR(witness->Load());
  return witness;
}

absl::Status Witness::Load() {
  SYNCLINE_ASSIGN_OR_RETURN(place_, PlaceOf(home_ / "store"));
  SYNCLINE_ASSIGN_OR_RETURN(const std::optional<std::string> bytes,
                            ReadFile(home_ / kFileName));
  absl::StatusOr<std::string> row = store_.Get(Column::kMeta, kRowKey);
  if (!row.ok() && !absl::IsNotFound(row.status())) return row.status();
  if (!row.ok() && !bytes) return absl::OkStatus();  // The first time.
  if (!row.ok()) {
    doubt_ = "the home knows a newer store than this one";
    return absl::OkStatus();
  }
  if (!bytes || !Decode(*bytes, file_)) {
    file_ = {};
    doubt_ = "the witness of this store is missing or damaged";
    return absl::OkStatus();
  }
  ByteReader reader(*row);
  const std::string place(reader.Sized());
  const std::string nonce(reader.Sized());
  if (!reader.AtEnd()) return DataLoss("the witness row cannot be read");
  if (place != place_ || file_.place != place_) {
    doubt_ = "this store was copied or restored from somewhere else";
  } else if (nonce != file_.nonce && nonce != file_.next) {
    doubt_ = "this store is older than the one that was closed last";
  }
  return absl::OkStatus();
}

absl::Status Witness::Save() const {
  return WriteDurableFile(home_ / kFileName, Encode(file_));
}

std::uint64_t Witness::Published(const Origin& origin,
                                 const ProjectId& project) const {
  const auto at = file_.published.find(project);
  return file_.origin != origin || at == file_.published.end() ? 0 : at->second;
}

// First both numbers are right, then only the new one.
absl::Status Witness::Renew(RandomSource& random) {
  const absl::StatusOr<std::string> row = store_.Get(Column::kMeta, kRowKey);
  nonce_ = random.Bytes(kWitnessNonceBytes);
  file_.place = place_;
  file_.nonce.clear();
  if (row.ok()) {
    ByteReader reader(*row);
    reader.Sized();
    file_.nonce = reader.Sized();
  }
  file_.next = nonce_;
  SYNCLINE_RETURN_IF_ERROR(Save());
  std::string fresh;
  AppendSized(fresh, place_);
  AppendSized(fresh, nonce_);
  WriteBatch batch;
  batch.Put(Column::kMeta, kRowKey, fresh);
  SYNCLINE_RETURN_IF_ERROR(store_.Write(batch, true));
  file_.nonce = nonce_;
  file_.next.clear();
  return Save();
}

absl::Status Witness::NotePublished(const Origin& origin,
                                    const ProjectId& project,
                                    std::uint64_t counter) {
  if (file_.origin != origin) {
    file_.origin = origin;
    file_.published.clear();
  }
  std::uint64_t& known = file_.published[project];
  if (known >= counter) return absl::OkStatus();
  known = counter;
  return Save();
}

}  // namespace syncline
