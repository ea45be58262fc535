#include "node/settings.h"

#include <algorithm>
#include <utility>

#include <boost/asio/post.hpp>

#include "base/bytes.h"
#include "base/status.h"
#include "node/node_scope.h"

// Keys: kMeta "node", "incident", "project/<number>", "retention/<number>",
// "mirror/<id>"; kPeers "d/<device id>", "f/<device id><project id>",
// "i/<invitation id>". Numbers are big-endian, ids raw.

namespace syncline {
namespace {

constexpr std::string_view kNodeKey = "node";
constexpr std::string_view kIncidentKey = "incident";
constexpr std::string_view kProjectPrefix = "project/";
constexpr std::string_view kRetentionPrefix = "retention/";
constexpr std::string_view kMirrorPrefix = "mirror/";
constexpr std::string_view kDevicePrefix = "d/";
constexpr std::string_view kFrontierPrefix = "f/";
constexpr std::string_view kInvitationPrefix = "i/";
constexpr std::int64_t kForgetAfterMs = 86'400'000;

std::string NumberKey(std::string_view prefix, std::uint32_t number) {
  std::string key(prefix);
  AppendU32(key, number);
  return key;
}

std::string BytesKey(std::string_view prefix, std::string_view bytes) {
  std::string key(prefix);
  key += bytes;
  return key;
}

std::string FrontierKey(const DeviceId& device, const ProjectId& project) {
  return BytesKey(kFrontierPrefix, device.hash.view()) + project.bytes;
}

void EraseProject(std::vector<ProjectId>& ids, const ProjectId& id) {
  ids.erase(std::remove(ids.begin(), ids.end(), id), ids.end());
}

}  // namespace

Settings::Settings(Store& store, SyncThread& sync_thread,
                   boost::asio::any_io_executor executor)
    : store_(store),
      sync_thread_(sync_thread),
      executor_(std::move(executor)) {}

Settings::~Settings() = default;

absl::StatusOr<std::unique_ptr<Settings>> Settings::Open(
    Store& store, SyncThread& sync_thread,
    boost::asio::any_io_executor executor, RandomSource& random,
    std::string_view default_name) {
  std::unique_ptr<Settings> settings(
      new Settings(store, sync_thread, std::move(executor)));
  absl::StatusOr<std::string> node = store.Get(Column::kMeta, kNodeKey);
  if (absl::IsNotFound(node.status())) {
    SYNCLINE_RETURN_IF_ERROR(settings->Create(random, default_name));
    return settings;
  }
  SYNCLINE_RETURN_IF_ERROR(node.status());
  SYNCLINE_RETURN_IF_ERROR(settings->Load());
  return settings;
}

absl::Status Settings::Create(RandomSource& random, std::string_view name) {
  origin_ = Origin::Random(random);
  name_ = name;
  WriteBatch batch;
  batch.Put(Column::kMeta, std::string(kNodeKey), NodeRow());
  return store_.Write(batch, true);
}

absl::Status Settings::TakeOrigin(RandomSource& random,
                                  const Incident& incident) {
  const Origin before = std::exchange(origin_, Origin::Random(random));
  WriteBatch batch;
  batch.Put(Column::kMeta, kNodeKey, NodeRow());
  batch.Put(Column::kMeta, kIncidentKey, EncodeIncident(incident));
  const absl::Status written = store_.Write(batch, true);
  if (written.ok()) {
    incident_ = incident;
  } else {
    origin_ = before;
  }
  return written;
}

std::string Settings::NodeRow() const {
  std::string row;
  AppendU32(row, kFormat);
  AppendSized(row, origin_.view());
  AppendSized(row, name_);
  AppendU32(row, next_project_);
  AppendU32(row, next_mirror_);
  return row;
}

absl::Status Settings::Load() {
  auto meta = store_.NewIterator(Column::kMeta);
  for (meta->SeekToFirst(); meta->Valid(); meta->Next()) {
    SYNCLINE_RETURN_IF_ERROR(LoadNode(meta->key(), meta->value()));
  }
  SYNCLINE_RETURN_IF_ERROR(meta->status());
  auto peers = store_.NewIterator(Column::kPeers);
  for (peers->SeekToFirst(); peers->Valid(); peers->Next()) {
    SYNCLINE_RETURN_IF_ERROR(LoadPeer(peers->key(), peers->value()));
  }
  return peers->status();
}

absl::Status Settings::LoadNode(std::string_view key, std::string_view value) {
  if (key == kNodeKey) {
    ByteReader reader(value);
    const std::uint32_t format = reader.U32();
    if (reader.ok() && format > kFormat) {
      return FailedPrecondition("format " + std::to_string(format) +
                                " is newer than this program knows (" +
                                std::to_string(kFormat) + ")");
    }
    const std::optional<Origin> origin = Origin::FromBytes(reader.Sized());
    name_ = reader.Sized();
    next_project_ = reader.U32();
    next_mirror_ = reader.U32();
    if (!reader.AtEnd() || !origin) {
      return DataLoss("the node's row cannot be read");
    }
    origin_ = *origin;
  } else if (key == kIncidentKey) {
    SYNCLINE_ASSIGN_OR_RETURN(incident_, DecodeIncident(value));
  } else if (key.starts_with(kProjectPrefix)) {
    SYNCLINE_ASSIGN_OR_RETURN(ProjectRow row, DecodeProjectRow(value));
    KeepProject(std::move(row));
  } else if (key.starts_with(kMirrorPrefix)) {
    SYNCLINE_ASSIGN_OR_RETURN(MirrorRow row, DecodeMirrorRow(value));
    mirrors_.emplace(row.id, std::move(row));
  } else if (key.starts_with(kRetentionPrefix)) {
    ByteReader number(key.substr(kRetentionPrefix.size()));
    const ProjectNumber project{number.U32()};
    SYNCLINE_ASSIGN_OR_RETURN(RetentionPolicy policy, DecodeRetention(value));
    if (!number.AtEnd()) return DataLoss("a retention row cannot be read");
    retention_.emplace(project, policy);
  }
  return absl::OkStatus();  // Other keys of this column are not ours.
}

absl::Status Settings::LoadPeer(std::string_view key, std::string_view value) {
  if (key.starts_with(kDevicePrefix)) {
    SYNCLINE_ASSIGN_OR_RETURN(PeerRow row, DecodePeerRow(value));
    peers_.emplace(row.id, std::move(row));
  } else if (key.starts_with(kInvitationPrefix)) {
    SYNCLINE_ASSIGN_OR_RETURN(InvitationRow row, DecodeInvitationRow(value));
    invitations_.emplace(row.id, std::move(row));
  } else if (key.starts_with(kFrontierPrefix)) {
    SYNCLINE_ASSIGN_OR_RETURN(FrontierRow row, DecodeFrontierRow(value));
    frontiers_[{row.device, row.project}] = std::move(row.frontier);
  }
  return absl::OkStatus();
}

void Settings::Write(WriteBatch batch, Done done) {
  auto shared = std::make_shared<WriteBatch>(std::move(batch));
  sync_thread_.Submit(
      [&store = store_, shared] { return store.Write(*shared, false); },
      [&store = store_] { return store.Sync(); },
      [executor = executor_, done = std::move(done)](absl::Status status) {
        boost::asio::post(executor, [done, status] {
          if (done) done(status);
        });
      });
}

void Settings::SetName(std::string name, Done done) {
  name_ = std::move(name);
  WriteBatch batch;
  batch.Put(Column::kMeta, std::string(kNodeKey), NodeRow());
  Write(std::move(batch), std::move(done));
}

const ProjectRow* Settings::FindProject(std::string_view name) const {
  const auto found = numbers_.find(name);
  return found == numbers_.end() ? nullptr : &projects_.at(found->second);
}

const ProjectRow* Settings::FindProject(const ProjectId& id) const {
  const auto found = numbers_of_ids_.find(id);
  return found == numbers_of_ids_.end() ? nullptr
                                        : &projects_.at(found->second);
}

void Settings::KeepProject(ProjectRow row) {
  numbers_.emplace(row.name, row.number);
  numbers_of_ids_.emplace(row.id, row.number);
  projects_.emplace(row.number, std::move(row));
}

absl::StatusOr<ProjectNumber> Settings::AddProject(std::string_view name,
                                                   const ProjectId& id,
                                                   Done done,
                                                   const AddRows& add_rows) {
  SYNCLINE_RETURN_IF_ERROR(CheckProjectName(name));
  if (FindProject(name) != nullptr || FindProject(id) != nullptr) {
    return absl::AlreadyExistsError("a project of that name is here already");
  }
  WriteBatch batch;
  const ProjectNumber number = StageProject(name, id, add_rows, batch);
  Write(std::move(batch), std::move(done));
  return number;
}

ProjectNumber Settings::StageProject(std::string_view name, const ProjectId& id,
                                     const AddRows& add_rows,
                                     WriteBatch& batch) {
  ProjectRow row{{next_project_++}, id, std::string(name)};
  batch.Put(Column::kMeta, std::string(kNodeKey), NodeRow());
  batch.Put(Column::kMeta, NumberKey(kProjectPrefix, row.number.value),
            EncodeProjectRow(row));
  const ProjectNumber number = row.number;
  if (add_rows) add_rows(number, batch);
  KeepProject(std::move(row));
  return number;
}

absl::Status Settings::AddNodeScope(const AddRows& add_rows) {
  // An earlier program let people name a project so; theirs it stays.
  if (FindProject(kNodeScope) != nullptr ||
      FindProject(NodeScopeId()) != nullptr) {
    return absl::OkStatus();
  }
  WriteBatch batch;
  StageProject(kNodeScope, NodeScopeId(), add_rows, batch);
  return store_.Write(batch, true);
}

void Settings::RemoveProject(ProjectNumber number, Done done) {
  WriteBatch batch;
  const auto found = projects_.find(number);
  if (found != projects_.end()) {
    const ProjectId id = found->second.id;
    for (auto& [device, peer] : peers_) {
      EraseProject(peer.projects, id);
      batch.Put(Column::kPeers, BytesKey(kDevicePrefix, device.hash.view()),
                EncodePeerRow(peer));
    }
    for (auto& [name, invitation] : invitations_) {
      EraseProject(invitation.projects, id);
      batch.Put(Column::kPeers, BytesKey(kInvitationPrefix, name),
                EncodeInvitationRow(invitation));
    }
    EraseFrontiers([&](const Holder& of) { return of.second == id; }, batch);
    numbers_.erase(found->second.name);
    numbers_of_ids_.erase(id);
    projects_.erase(found);
  }
  retention_.erase(number);
  batch.Delete(Column::kMeta, NumberKey(kRetentionPrefix, number.value));
  std::erase_if(mirrors_, [&](const auto& entry) {
    if (entry.second.project != number) return false;
    batch.Delete(Column::kMeta, NumberKey(kMirrorPrefix, entry.first));
    return true;
  });
  batch.Delete(Column::kMeta, NumberKey(kProjectPrefix, number.value));
  const std::string prefix = ProjectPrefix(number);
  for (const Column column : {Column::kProjects, Column::kLog, Column::kDots,
                              Column::kHeads, Column::kTree, Column::kMirror}) {
    batch.DeleteRange(column, prefix, PrefixEnd(prefix));
  }
  Write(std::move(batch), std::move(done));
}

std::string Settings::FreeProjectName(std::string_view wanted) const {
  std::string name(wanted);
  for (int attempt = 2; FindProject(name) != nullptr; ++attempt) {
    name = std::string(wanted) + "-" + std::to_string(attempt);
  }
  return name;
}

std::uint32_t Settings::AddMirror(ProjectNumber project, std::string dir,
                                  Done done) {
  MirrorRow row{next_mirror_++, project, std::move(dir)};
  WriteBatch batch;
  batch.Put(Column::kMeta, std::string(kNodeKey), NodeRow());
  batch.Put(Column::kMeta, NumberKey(kMirrorPrefix, row.id),
            EncodeMirrorRow(row));
  const std::uint32_t id = row.id;
  mirrors_.emplace(id, std::move(row));
  Write(std::move(batch), std::move(done));
  return id;
}

void Settings::PutMirror(const MirrorRow& row, Done done) {
  mirrors_[row.id] = row;
  WriteBatch batch;
  batch.Put(Column::kMeta, NumberKey(kMirrorPrefix, row.id),
            EncodeMirrorRow(row));
  Write(std::move(batch), std::move(done));
}

void Settings::RemoveMirror(std::uint32_t id, WriteBatch rows, Done done) {
  mirrors_.erase(id);
  rows.Delete(Column::kMeta, NumberKey(kMirrorPrefix, id));
  Write(std::move(rows), std::move(done));
}

void Settings::PutPeer(const PeerRow& row, Done done) {
  peers_[row.id] = row;
  WriteBatch batch;
  batch.Put(Column::kPeers, BytesKey(kDevicePrefix, row.id.hash.view()),
            EncodePeerRow(row));
  Write(std::move(batch), std::move(done));
}

void Settings::RemovePeer(const DeviceId& id, Done done) {
  WriteBatch batch;
  batch.Delete(Column::kPeers, BytesKey(kDevicePrefix, id.hash.view()));
  EraseFrontiers([&](const Holder& of) { return of.first == id; }, batch);
  peers_.erase(id);
  Write(std::move(batch), std::move(done));
}

const VersionVector* Settings::FrontierOf(const DeviceId& device,
                                          const ProjectId& project) const {
  const auto found = frontiers_.find({device, project});
  return found == frontiers_.end() ? nullptr : &found->second;
}

void Settings::PutFrontier(const DeviceId& device, const ProjectId& project,
                           const VersionVector& frontier, Done done) {
  const VersionVector* known = FrontierOf(device, project);
  WriteBatch batch;
  if (peers_.contains(device) && (known == nullptr || *known != frontier)) {
    frontiers_[{device, project}] = frontier;
    batch.Put(Column::kPeers, FrontierKey(device, project),
              EncodeFrontierRow({device, project, frontier}));
  } else if (!done) {
    return;
  }
  Write(std::move(batch), std::move(done));
}

void Settings::EraseFrontiers(const std::function<bool(const Holder&)>& gone,
                              WriteBatch& batch) {
  std::erase_if(frontiers_, [&](const auto& entry) {
    if (!gone(entry.first)) return false;
    batch.Delete(Column::kPeers,
                 FrontierKey(entry.first.first, entry.first.second));
    return true;
  });
}

void Settings::PutRetention(ProjectNumber number, const RetentionPolicy& policy,
                            Done done) {
  WriteBatch batch;
  const std::string key = NumberKey(kRetentionPrefix, number.value);
  if (policy.keep.none()) {
    retention_.erase(number);
    batch.Delete(Column::kMeta, key);
  } else {
    retention_[number] = policy;
    batch.Put(Column::kMeta, key, EncodeRetention(policy));
  }
  Write(std::move(batch), std::move(done));
}

void Settings::PutInvitation(const InvitationRow& row, std::int64_t now_ms,
                             Done done) {
  WriteBatch batch;
  std::erase_if(invitations_, [&](const auto& entry) {
    if (entry.second.expires_ms + kForgetAfterMs > now_ms) return false;
    batch.Delete(Column::kPeers, BytesKey(kInvitationPrefix, entry.first));
    return true;
  });
  invitations_[row.id] = row;
  batch.Put(Column::kPeers, BytesKey(kInvitationPrefix, row.id),
            EncodeInvitationRow(row));
  Write(std::move(batch), std::move(done));
}

void Settings::UseInvitation(const std::string& id, const PeerRow& peer,
                             Done done) {
  WriteBatch batch;
  const auto found = invitations_.find(id);
  if (found != invitations_.end()) {
    found->second.used = true;
    found->second.secret.clear();
    batch.Put(Column::kPeers, BytesKey(kInvitationPrefix, id),
              EncodeInvitationRow(found->second));
  }
  peers_[peer.id] = peer;
  batch.Put(Column::kPeers, BytesKey(kDevicePrefix, peer.id.hash.view()),
            EncodePeerRow(peer));
  Write(std::move(batch), std::move(done));
}

}  // namespace syncline
