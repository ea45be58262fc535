#include "replication/peer/handshake.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "base/status.h"

namespace syncline {
namespace {

using Reason = Refusal::Reason;

void AppendHello(std::string& out, const Hello& hello) {
  AppendVarint(out, hello.protocol_min);
  AppendVarint(out, hello.protocol_max);
  AppendU64(out, hello.features);
  AppendSized(out, hello.device_key);
  AppendSized(out, hello.origin.view());
  AppendSized(out, hello.instance_nonce);
  AppendSized(out, hello.challenge);
}

// Why there can be no session with the sender of `theirs`, if so.
std::optional<Refusal> JudgeHello(const Hello& theirs,
                                  const PeerHost::Self& self) {
  if (theirs.device_key.size() != kDeviceKeyBytes ||
      theirs.instance_nonce.size() != kNonceBytes ||
      theirs.challenge.size() != kChallengeBytes ||
      theirs.device_name.size() > kDeviceNameBytesMax ||
      theirs.protocol_min > theirs.protocol_max)
    return Refusal{Reason::kMalformed, "a field of hello has a wrong size"};
  if (theirs.protocol_min > kProtocolMax || theirs.protocol_max < kProtocolMin)
    return Refusal{Reason::kNoCommonVersion,
                   "speaks versions " + std::to_string(theirs.protocol_min) +
                       " to " + std::to_string(theirs.protocol_max) +
                       ", this node " + std::to_string(kProtocolMin) + " to " +
                       std::to_string(kProtocolMax)};
  const bool same_key = theirs.device_key == self.identity.public_key();
  if (theirs.origin == self.origin &&
      theirs.instance_nonce != self.instance_nonce)
    return Refusal{Reason::kClone, "two running nodes have the same store"};
  if (same_key) return Refusal{Reason::kOwnDevice, "the same device key"};
  return std::nullopt;
}

std::string_view ReasonText(Reason reason) {
  switch (reason) {
    case Reason::kNoCommonVersion:
      return "no common protocol version";
    case Reason::kNotAuthorised:
      return "not authorised: the devices must be paired first";
    case Reason::kBadProof:
      return "the device could not prove its identity";
    case Reason::kInvitationUnknown:
      return "the invitation is not known there";
    case Reason::kInvitationUsed:
      return "the invitation was used already";
    case Reason::kInvitationExpired:
      return "the invitation has expired";
    case Reason::kOwnDevice:
      return "this is the same device";
    case Reason::kClone:
      return "a copy of this node's home is running";
    case Reason::kDuplicate:
      return "already connected";
    case Reason::kMalformed:
      return "malformed message";
    case Reason::kBusy:
      return "busy, try again later";
  }
  return "refused";
}

absl::StatusCode ReasonCode(Reason reason) {
  switch (reason) {
    case Reason::kNoCommonVersion:
      return absl::StatusCode::kUnimplemented;
    case Reason::kNotAuthorised:
      return absl::StatusCode::kPermissionDenied;
    case Reason::kBadProof:
      return absl::StatusCode::kUnauthenticated;
    case Reason::kInvitationUnknown:
      return absl::StatusCode::kNotFound;
    case Reason::kInvitationExpired:
      return absl::StatusCode::kDeadlineExceeded;
    case Reason::kDuplicate:
      return absl::StatusCode::kAlreadyExists;
    case Reason::kMalformed:
      return absl::StatusCode::kInvalidArgument;
    case Reason::kBusy:
      return absl::StatusCode::kUnavailable;
    case Reason::kInvitationUsed:
    case Reason::kOwnDevice:
    case Reason::kClone:
      break;
  }
  return absl::StatusCode::kFailedPrecondition;
}

// A host's answer about an invitation as the other side may hear it.
Refusal InvitationRefusal(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kNotFound:
      return {Reason::kInvitationUnknown, ""};
    case absl::StatusCode::kFailedPrecondition:
      return {Reason::kInvitationUsed, ""};
    case absl::StatusCode::kDeadlineExceeded:
      return {Reason::kInvitationExpired, ""};
    default:
      return {Reason::kBusy, std::string(FromAbsl(status.message()))};
  }
}

bool EqualSecrets(std::string_view left, std::string_view right) {
  return left.size() == right.size() &&
         CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

}  // namespace

absl::Status Refusal::ToStatus() const {
  std::string text(ReasonText(reason));
  if (!detail.empty()) text += " (" + detail + ")";
  return MakeStatus(ReasonCode(reason), text);
}

Hello MakeHello(const PeerHost::Self& self, RandomSource& random,
                const TimeSource& time) {
  Hello hello;
  hello.features = kFeatureLacking;
  hello.device_key = self.identity.public_key();
  hello.device_name = self.name.substr(0, kDeviceNameBytesMax);
  hello.origin = self.origin;
  hello.instance_nonce = self.instance_nonce;
  hello.wall_clock_ms = time.NowMs();
  hello.challenge = random.Bytes(kChallengeBytes);
  return hello;
}

std::string HandshakeTranscript(HandshakeRole role, const Hello& dialler,
                                const Hello& listener) {
  std::string transcript("syncline peer handshake 1\n");
  transcript += static_cast<char>(role);
  AppendHello(transcript, dialler);
  AppendHello(transcript, listener);
  return transcript;
}

ListenHandshake::ListenHandshake(PeerHost& host, Hello own)
    : host_(host), own_(std::move(own)) {}

std::variant<ListenHandshake::Accepted, Refusal> ListenHandshake::OnHello(
    Hello theirs) {
  if (peer_) return Refusal{Reason::kMalformed, "a second hello"};
  if (std::optional<Refusal> refusal = JudgeHello(theirs, host_.self()))
    return *std::move(refusal);
  absl::StatusOr<std::string> signature = host_.self().identity.Sign(
      HandshakeTranscript(HandshakeRole::kListens, theirs, own_));
  if (!signature.ok()) return Refusal{Reason::kBusy, "cannot sign"};
  const DeviceId id = DeviceId::Of(theirs.device_key);
  peer_ = PeerIdentity{std::move(theirs), id};
  return Accepted{own_, *std::move(signature)};
}

void ListenHandshake::OnProof(
    const Proof& proof,
    std::function<void(std::variant<Proven, Refusal>)> done) {
  if (!peer_ || proven_)
    return done(Refusal{Reason::kMalformed, "proof out of turn"});
  if (!VerifySignature(
          peer_->hello.device_key,
          HandshakeTranscript(HandshakeRole::kDials, peer_->hello, own_),
          proof.signature))
    return done(Refusal{Reason::kBadProof, ""});
  proven_ = true;
  if (proof.invitation) return Redeem(*proof.invitation, std::move(done));
  if (!host_.ProjectsFor(peer_->id))
    return done(Refusal{Reason::kNotAuthorised, ""});
  done(Proven{*peer_, {}});
}

void ListenHandshake::Redeem(
    const InvitationProof& invitation,
    std::function<void(std::variant<Proven, Refusal>)> done) {
  const absl::StatusOr<std::string> secret =
      host_.InvitationSecret(invitation.id);
  if (!secret.ok()) return done(InvitationRefusal(secret.status()));
  const std::string mac = InvitationMac(
      *secret,
      HandshakeTranscript(HandshakeRole::kInvited, peer_->hello, own_));
  if (!EqualSecrets(mac, invitation.mac))
    return done(Refusal{Reason::kBadProof, "of the invitation"});
  const PeerRecord joiner{
      peer_->hello.device_key, peer_->id, peer_->hello.device_name, {}};
  host_.RedeemInvitation(
      invitation.id, joiner,
      [peer = *peer_, done = std::move(done)](
          absl::StatusOr<std::vector<ProjectInfo>> projects) {
        if (!projects.ok()) return done(InvitationRefusal(projects.status()));
        done(Proven{peer, *std::move(projects)});
      });
}

DialHandshake::DialHandshake(const PeerHost::Self& self, Hello own,
                             DeviceId expected, std::string secret)
    : self_(self),
      own_(std::move(own)),
      expected_(expected),
      secret_(std::move(secret)) {}

absl::StatusOr<Proof> DialHandshake::OnAccepted(Hello theirs,
                                                std::string_view signature) {
  if (const std::optional<Refusal> refusal = JudgeHello(theirs, self_))
    return refusal->ToStatus();
  const DeviceId id = DeviceId::Of(theirs.device_key);
  if (id != expected_)
    return MakeStatus(absl::StatusCode::kUnauthenticated,
                      "another device answers there: " + id.ToShortText() +
                          ", expected " + expected_.ToShortText());
  if (!VerifySignature(
          theirs.device_key,
          HandshakeTranscript(HandshakeRole::kListens, own_, theirs),
          signature))
    return Refusal{Reason::kBadProof, ""}.ToStatus();
  Proof proof;
  SYNCLINE_ASSIGN_OR_RETURN(proof.signature,
                            self_.identity.Sign(HandshakeTranscript(
                                HandshakeRole::kDials, own_, theirs)));
  if (!secret_.empty())
    proof.invitation = {
        InvitationIdOf(secret_),
        InvitationMac(secret_, HandshakeTranscript(HandshakeRole::kInvited,
                                                   own_, theirs))};
  peer_ = PeerIdentity{std::move(theirs), id};
  return proof;
}

const PeerIdentity& DialHandshake::peer() const {
  SYNCLINE_CHECK(peer_.has_value(), "the other side has not answered yet");
  return *peer_;
}

}  // namespace syncline
