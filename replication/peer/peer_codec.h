#pragma once

#include "absl/status/statusor.h"
#include "proto/peer.capnp.h"
#include "replication/peer/handshake.h"
#include "replication/peer/peer_messages.h"

// Between the messages of proto/peer.capnp and plain values. What is decoded
// may be anything: sizes and counts are checked here, once.
//   kInvalidArgument  not what the schema says

namespace syncline {

absl::StatusOr<ProjectId> DecodeProjectId(capnp::Data::Reader bytes);

absl::StatusOr<Origin> DecodeOrigin(capnp::Data::Reader bytes);

void EncodeHello(const Hello& hello, wire::Hello::Builder out);
absl::StatusOr<Hello> DecodeHello(wire::Hello::Reader in);
void EncodeRefusal(const Refusal& refusal, wire::Refusal::Builder out);
Refusal DecodeRefusal(wire::Refusal::Reader in);
void EncodeProof(const Proof& proof, wire::Proof::Builder out);
absl::StatusOr<Proof> DecodeProof(wire::Proof::Reader in);
void EncodeProjects(const std::vector<ProjectInfo>& projects,
                    capnp::List<wire::ProjectInfo>::Builder out);
absl::StatusOr<std::vector<ProjectInfo>> DecodeProjects(
    capnp::List<wire::ProjectInfo>::Reader in);

void EncodeAnnouncement(const Announcement& announcement,
                        wire::Announcement::Builder out);
absl::StatusOr<Announcement> DecodeAnnouncement(wire::Announcement::Reader in);
void EncodeStop(const Stop& stop, wire::Stop::Builder out);
Stop DecodeStop(wire::Stop::Reader in);
void EncodePosition(const Position& position, wire::Position::Builder out);
absl::StatusOr<Position> DecodePosition(wire::Position::Reader in);
void EncodeCompareAnswer(const CompareAnswer& answer,
                         wire::CompareAnswer::Builder out);
absl::StatusOr<CompareAnswer> DecodeCompareAnswer(
    wire::CompareAnswer::Reader in);
void EncodePullRequest(const PullRequest& request,
                       wire::PullRequest::Builder out);
absl::StatusOr<PullRequest> DecodePullRequest(wire::PullRequest::Reader in);
void EncodePullAnswer(const PullAnswer& answer, wire::PullAnswer::Builder out);
absl::StatusOr<PullAnswer> DecodePullAnswer(wire::PullAnswer::Reader in);
void EncodeStatePush(const StatePush& piece, wire::StatePiece::Builder out);
absl::StatusOr<StatePush> DecodeStatePush(wire::StatePiece::Reader in);
void EncodeSegment(const Segment& segment, wire::Segment::Builder out);
absl::StatusOr<Segment> DecodeSegment(wire::Segment::Reader in);
void EncodePushAnswer(const PushAnswer& answer, wire::PushAnswer::Builder out);
absl::StatusOr<PushAnswer> DecodePushAnswer(wire::PushAnswer::Reader in);
absl::StatusOr<std::vector<Hash>> DecodeHashes(
    capnp::List<capnp::Data>::Reader in);
void EncodeChunksAnswer(const ChunksAnswer& answer,
                        wire::ChunksAnswer::Builder out);
absl::StatusOr<ChunksAnswer> DecodeChunksAnswer(wire::ChunksAnswer::Reader in);

// A text of a peer for people: cut to `bytes_max`, control characters
// replaced.
std::string CleanText(capnp::Text::Reader text, std::size_t bytes_max);
// Of the details of a refusal or a stop.
inline constexpr std::size_t kDetailBytesMax = 512;

}  // namespace syncline
