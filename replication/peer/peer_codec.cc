#include "replication/peer/peer_codec.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/status.h"
#include "proto/words.h"
#include "replication/peer/history_codec.h"

namespace syncline {
namespace {

constexpr std::size_t kLogIdBytes = 16;

std::string Bytes(capnp::Data::Reader data) { return std::string(View(data)); }

capnp::Text::Reader TextOf(const std::string& text) {
  return {text.c_str(), text.size()};
}

absl::Status Malformed(std::string_view what) {
  return InvalidArgument("malformed " + std::string(what));
}

absl::StatusOr<Hash> DecodeHash(capnp::Data::Reader data) {
  const std::optional<Hash> hash = Hash::FromBytes(View(data));
  if (!hash) return Malformed("hash");
  return *hash;
}

// An encoded vector that may be left out.
absl::StatusOr<std::optional<VersionVector>> DecodeHint(
    capnp::Data::Reader data) {
  if (data.size() == 0) return std::optional<VersionVector>();
  SYNCLINE_ASSIGN_OR_RETURN(VersionVector vector,
                            VersionVector::Decode(View(data)));
  return std::optional<VersionVector>(std::move(vector));
}

template <typename List>
void EncodeChains(const std::vector<ChainHead>& chains, List out) {
  unsigned at = 0;
  for (const ChainHead& head : chains) {
    auto wire = out[at++];
    wire.setOrigin(ToData(head.dot.origin.view()));
    wire.setCounter(head.dot.counter);
    wire.setHash(ToData(head.hash.view()));
    if (!head.signature.empty()) wire.setSignature(ToData(head.signature));
  }
}

absl::StatusOr<std::vector<ChainHead>> DecodeChains(
    capnp::List<wire::ChainHead>::Reader in) {
  if (in.size() > kSegmentEntriesMax) return Malformed("list of chain heads");
  std::vector<ChainHead> chains;
  chains.reserve(in.size());
  for (const auto wire : in) {
    SYNCLINE_ASSIGN_OR_RETURN(const Origin origin,
                              DecodeOrigin(wire.getOrigin()));
    SYNCLINE_ASSIGN_OR_RETURN(const Hash hash, DecodeHash(wire.getHash()));
    if (wire.getSignature().size() > kSignatureBytes)
      return Malformed("signature");
    chains.push_back(
        {{origin, wire.getCounter()}, hash, Bytes(wire.getSignature())});
  }
  return chains;
}

}  // namespace

absl::StatusOr<Origin> DecodeOrigin(capnp::Data::Reader bytes) {
  const std::optional<Origin> origin = Origin::FromBytes(View(bytes));
  if (!origin) return Malformed("origin");
  return *origin;
}

std::string CleanText(capnp::Text::Reader text, std::size_t bytes_max) {
  std::string clean(text.begin(), text.size());
  if (clean.size() > bytes_max) clean.resize(bytes_max);
  for (char& letter : clean)
    if (static_cast<unsigned char>(letter) < 0x20 || letter == 0x7f)
      letter = '?';
  return clean;
}

absl::StatusOr<ProjectId> DecodeProjectId(capnp::Data::Reader bytes) {
  if (bytes.size() != kProjectIdBytes) return Malformed("project id");
  return ProjectId{Bytes(bytes)};
}

void EncodeHello(const Hello& hello, wire::Hello::Builder out) {
  out.setProtocolMin(hello.protocol_min);
  out.setProtocolMax(hello.protocol_max);
  out.setFeatures(hello.features);
  out.setDeviceKey(ToData(hello.device_key));
  out.setDeviceName(TextOf(hello.device_name));
  out.setOrigin(ToData(hello.origin.view()));
  out.setInstanceNonce(ToData(hello.instance_nonce));
  out.setWallClockMs(hello.wall_clock_ms);
  out.setChallenge(ToData(hello.challenge));
}

absl::StatusOr<Hello> DecodeHello(wire::Hello::Reader in) {
  Hello hello;
  hello.protocol_min = in.getProtocolMin();
  hello.protocol_max = in.getProtocolMax();
  hello.features = in.getFeatures();
  hello.device_key = Bytes(in.getDeviceKey());
  hello.device_name = CleanText(in.getDeviceName(), kDeviceNameBytesMax);
  SYNCLINE_ASSIGN_OR_RETURN(hello.origin, DecodeOrigin(in.getOrigin()));
  hello.instance_nonce = Bytes(in.getInstanceNonce());
  hello.wall_clock_ms = in.getWallClockMs();
  hello.challenge = Bytes(in.getChallenge());
  return hello;
}

void EncodeProof(const Proof& proof, wire::Proof::Builder out) {
  out.setSignature(ToData(proof.signature));
  if (!proof.invitation) return;
  auto invitation = out.initInvitation();
  invitation.setId(ToData(proof.invitation->id));
  invitation.setMac(ToData(proof.invitation->mac));
}

absl::StatusOr<Proof> DecodeProof(wire::Proof::Reader in) {
  Proof proof;
  proof.signature = Bytes(in.getSignature());
  if (in.hasInvitation()) {
    proof.invitation = {Bytes(in.getInvitation().getId()),
                        Bytes(in.getInvitation().getMac())};
    if (proof.invitation->id.size() != kInvitationIdBytes)
      return Malformed("invitation");
  }
  return proof;
}

void EncodeProjects(const std::vector<ProjectInfo>& projects,
                    capnp::List<wire::ProjectInfo>::Builder out) {
  unsigned at = 0;
  for (const ProjectInfo& project : projects) {
    auto wire = out[at++];
    wire.setId(ToData(project.id.bytes));
    wire.setName(TextOf(project.name));
  }
}

absl::StatusOr<std::vector<ProjectInfo>> DecodeProjects(
    capnp::List<wire::ProjectInfo>::Reader in) {
  if (in.size() > kAnnouncedProjectsMax) return Malformed("list of projects");
  std::vector<ProjectInfo> projects;
  for (const auto wire : in) {
    SYNCLINE_ASSIGN_OR_RETURN(ProjectId id, DecodeProjectId(wire.getId()));
    projects.push_back(
        {std::move(id), CleanText(wire.getName(), Invitation::kNameBytesMax)});
  }
  return projects;
}

void EncodeAnnouncement(const Announcement& announcement,
                        wire::Announcement::Builder out) {
  EncodeProjects(
      announcement.projects,
      out.initProjects(static_cast<unsigned>(announcement.projects.size())));
  auto addresses =
      out.initAddresses(static_cast<unsigned>(announcement.addresses.size()));
  for (unsigned i = 0; i < addresses.size(); ++i)
    addresses.set(i, TextOf(announcement.addresses[i]));
}

absl::StatusOr<Announcement> DecodeAnnouncement(wire::Announcement::Reader in) {
  Announcement announcement;
  SYNCLINE_ASSIGN_OR_RETURN(announcement.projects,
                            DecodeProjects(in.getProjects()));
  if (in.getAddresses().size() > Invitation::kAddressesMax)
    return Malformed("list of addresses");
  for (const auto address : in.getAddresses())
    announcement.addresses.push_back(CleanText(address, 255));
  return announcement;
}

void EncodeStop(const Stop& stop, wire::Stop::Builder out) {
  switch (stop.reason) {
    case Stop::Reason::kNotShared:
      out.setNotShared();
      break;
    case Stop::Reason::kFence:
      out.setFence();
      break;
    case Stop::Reason::kDiverged:
      out.setDiverged();
      break;
    case Stop::Reason::kTruncated:
      out.setTruncated();
      break;
    case Stop::Reason::kFull:
      out.setFull();
      break;
    case Stop::Reason::kFailed:
      out.setFailed();
      break;
    case Stop::Reason::kStale:
      out.setStale();
      break;
  }
  out.setDetail(TextOf(stop.detail));
  if (stop.origin) out.setOrigin(ToData(stop.origin->view()));
}

Stop DecodeStop(wire::Stop::Reader in) {
  using Reason = Stop::Reason;
  const std::string detail = CleanText(in.getDetail(), kDetailBytesMax);
  switch (in.which()) {
    case wire::Stop::NOT_SHARED:
      return {Reason::kNotShared, detail};
    case wire::Stop::FENCE:
      return {Reason::kFence, detail, Origin::FromBytes(View(in.getOrigin()))};
    case wire::Stop::DIVERGED:
      return {Reason::kDiverged, detail};
    case wire::Stop::TRUNCATED:
      return {Reason::kTruncated, detail};
    case wire::Stop::FULL:
      return {Reason::kFull, detail};
    case wire::Stop::STALE:
      return {Reason::kStale, detail};
    case wire::Stop::FAILED:
      break;
  }
  return {Reason::kFailed, detail};
}

void EncodePosition(const Position& position, wire::Position::Builder out) {
  out.setFrontierHash(ToData(position.frontier_hash.view()));
  if (position.frontier) out.setFrontier(ToData(position.frontier->Encode()));
  if (position.digest) out.setDigest(ToData(position.digest->view()));
  EncodeChains(position.chains,
               out.initChains(static_cast<unsigned>(position.chains.size())));
  out.setTruncated(ToData(position.truncated.Encode()));
  out.setLogId(ToData(position.log_id));
  auto settled =
      out.initSettled(static_cast<unsigned>(position.settled.size()));
  for (unsigned i = 0; i < settled.size(); ++i)
    EncodeSettled(position.settled[i], settled[i]);
}

absl::StatusOr<Position> DecodePosition(wire::Position::Reader in) {
  Position position;
  SYNCLINE_ASSIGN_OR_RETURN(position.frontier_hash,
                            DecodeHash(in.getFrontierHash()));
  SYNCLINE_ASSIGN_OR_RETURN(position.frontier, DecodeHint(in.getFrontier()));
  if (in.getDigest().size() > 0) {
    SYNCLINE_ASSIGN_OR_RETURN(position.digest, DecodeHash(in.getDigest()));
  }
  SYNCLINE_ASSIGN_OR_RETURN(position.chains, DecodeChains(in.getChains()));
  SYNCLINE_ASSIGN_OR_RETURN(const std::optional<VersionVector> truncated,
                            DecodeHint(in.getTruncated()));
  position.truncated = truncated.value_or(VersionVector());
  if (in.getLogId().size() != kLogIdBytes) return Malformed("log id");
  position.log_id = Bytes(in.getLogId());
  if (in.getSettled().size() > kPositionOriginsMax)
    return Malformed("list of origins");
  for (const auto settled : in.getSettled()) {
    SYNCLINE_ASSIGN_OR_RETURN(SettledFork fork, DecodeSettled(settled));
    position.settled.push_back(std::move(fork));
  }
  return position;
}

void EncodeCompareAnswer(const CompareAnswer& answer,
                         wire::CompareAnswer::Builder out) {
  if (const auto* stop = std::get_if<Stop>(&answer))
    EncodeStop(*stop, out.initStopped());
  else
    EncodePosition(std::get<Position>(answer), out.initPosition());
}

absl::StatusOr<CompareAnswer> DecodeCompareAnswer(
    wire::CompareAnswer::Reader in) {
  if (in.isStopped()) return CompareAnswer(DecodeStop(in.getStopped()));
  if (!in.isPosition()) return Malformed("answer to compare");
  SYNCLINE_ASSIGN_OR_RETURN(Position position,
                            DecodePosition(in.getPosition()));
  return CompareAnswer(std::move(position));
}

void EncodePullRequest(const PullRequest& request,
                       wire::PullRequest::Builder out) {
  out.setProject(ToData(request.project.bytes));
  out.setStream(request.stream);
  out.setFrontier(ToData(request.frontier.Encode()));
  out.setWindowBytes(request.window_bytes);
  out.setInlineChunkBytesMax(request.inline_chunk_bytes_max);
  out.setStateId(ToData(request.state_id));
  out.setStateKey(ToData(request.state_key));
}

absl::StatusOr<PullRequest> DecodePullRequest(wire::PullRequest::Reader in) {
  PullRequest request;
  SYNCLINE_ASSIGN_OR_RETURN(request.project, DecodeProjectId(in.getProject()));
  request.stream = in.getStream();
  SYNCLINE_ASSIGN_OR_RETURN(const std::optional<VersionVector> frontier,
                            DecodeHint(in.getFrontier()));
  request.frontier = frontier.value_or(VersionVector());
  request.window_bytes = in.getWindowBytes();
  request.inline_chunk_bytes_max = in.getInlineChunkBytesMax();
  request.state_id = Bytes(in.getStateId());
  request.state_key = Bytes(in.getStateKey());
  return request;
}

void EncodePullAnswer(const PullAnswer& answer, wire::PullAnswer::Builder out) {
  if (const auto* stop = std::get_if<Stop>(&answer))
    return EncodeStop(*stop, out.initStopped());
  const auto* state = std::get_if<PullState>(&answer);
  if (state == nullptr) return out.setStarted();
  auto wire = out.initState();
  wire.setHeader(ToData(EncodeStateHeader(state->header)));
  wire.setFrom(ToData(state->from));
}

absl::StatusOr<PullAnswer> DecodePullAnswer(wire::PullAnswer::Reader in) {
  if (in.isStarted()) return PullAnswer(PullStarted{});
  if (in.isStopped()) return PullAnswer(DecodeStop(in.getStopped()));
  if (!in.isState()) return Malformed("answer to pull");
  absl::StatusOr<StateHeader> header =
      DecodeStateHeader(View(in.getState().getHeader()));
  if (!header.ok()) return Malformed("header of a state");
  return PullAnswer(
      PullState{*std::move(header), Bytes(in.getState().getFrom())});
}

void EncodeStatePush(const StatePush& piece, wire::StatePiece::Builder out) {
  out.setProject(ToData(piece.project.bytes));
  out.setStream(piece.stream);
  out.setId(ToData(piece.id));
  out.setRows(ToData(piece.rows));
  out.setEnd(piece.end);
}

absl::StatusOr<StatePush> DecodeStatePush(wire::StatePiece::Reader in) {
  StatePush piece;
  SYNCLINE_ASSIGN_OR_RETURN(piece.project, DecodeProjectId(in.getProject()));
  piece.stream = in.getStream();
  piece.id = Bytes(in.getId());
  piece.rows = Bytes(in.getRows());
  piece.end = in.getEnd();
  return piece;
}

void EncodeSegment(const Segment& segment, wire::Segment::Builder out) {
  out.setProject(ToData(segment.project.bytes));
  out.setStream(segment.stream);
  out.setFrames(ToData(segment.frames));
  EncodeChains(segment.chains,
               out.initChains(static_cast<unsigned>(segment.chains.size())));
  auto chunks = out.initChunks(static_cast<unsigned>(segment.chunks.size()));
  for (unsigned i = 0; i < chunks.size(); ++i)
    chunks.set(i, ToData(segment.chunks[i]));
  out.setLast(segment.last);
  out.setHead(segment.head);
  if (segment.durable) out.setDurable(ToData(segment.durable->Encode()));
}

absl::StatusOr<Segment> DecodeSegment(wire::Segment::Reader in) {
  Segment segment;
  SYNCLINE_ASSIGN_OR_RETURN(segment.project, DecodeProjectId(in.getProject()));
  segment.stream = in.getStream();
  segment.frames = Bytes(in.getFrames());
  SYNCLINE_ASSIGN_OR_RETURN(segment.chains, DecodeChains(in.getChains()));
  segment.chunks.reserve(in.getChunks().size());
  for (const auto chunk : in.getChunks())
    segment.chunks.push_back(Bytes(chunk));
  segment.last = in.getLast();
  segment.head = in.getHead();
  SYNCLINE_ASSIGN_OR_RETURN(segment.durable, DecodeHint(in.getDurable()));
  return segment;
}

void EncodePushAnswer(const PushAnswer& answer, wire::PushAnswer::Builder out) {
  if (const auto* stop = std::get_if<Stop>(&answer))
    return EncodeStop(*stop, out.initStopped());
  const auto& durable = std::get<PushDurable>(answer);
  auto wire = out.initDurable();
  if (durable.frontier) wire.setFrontier(ToData(durable.frontier->Encode()));
  wire.setWindowBytes(durable.window_bytes);
}

absl::StatusOr<PushAnswer> DecodePushAnswer(wire::PushAnswer::Reader in) {
  if (in.isStopped()) return PushAnswer(DecodeStop(in.getStopped()));
  if (!in.isDurable()) return Malformed("answer to push");
  PushDurable durable;
  SYNCLINE_ASSIGN_OR_RETURN(durable.frontier,
                            DecodeHint(in.getDurable().getFrontier()));
  durable.window_bytes = in.getDurable().getWindowBytes();
  return PushAnswer(std::move(durable));
}

absl::StatusOr<std::vector<Hash>> DecodeHashes(
    capnp::List<capnp::Data>::Reader in) {
  if (in.size() > kChunksAskedMax) return Malformed("list of hashes");
  std::vector<Hash> hashes;
  hashes.reserve(in.size());
  for (const auto bytes : in) {
    SYNCLINE_ASSIGN_OR_RETURN(const Hash hash, DecodeHash(bytes));
    hashes.push_back(hash);
  }
  return hashes;
}

void EncodeChunksAnswer(const ChunksAnswer& answer,
                        wire::ChunksAnswer::Builder out) {
  if (const auto* stop = std::get_if<Stop>(&answer))
    return EncodeStop(*stop, out.initStopped());
  const auto& results = std::get<ChunkResults>(answer);
  auto wire = out.initResults(static_cast<unsigned>(results.size()));
  for (unsigned i = 0; i < wire.size(); ++i) {
    if (results[i])
      wire[i].setData(ToData(*results[i]));
    else
      wire[i].setMissing();
  }
}

absl::StatusOr<ChunksAnswer> DecodeChunksAnswer(wire::ChunksAnswer::Reader in) {
  if (in.isStopped()) return ChunksAnswer(DecodeStop(in.getStopped()));
  if (!in.isResults() || in.getResults().size() > kChunksAskedMax)
    return Malformed("answer to chunks");
  ChunkResults results;
  for (const auto result : in.getResults()) {
    if (result.isData())
      results.emplace_back(Bytes(result.getData()));
    else
      results.emplace_back();
  }
  return ChunksAnswer(std::move(results));
}

}  // namespace syncline
