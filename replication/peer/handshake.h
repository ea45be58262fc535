#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/random.h"
#include "base/time_source.h"
#include "clock/origin.h"
#include "replication/device_identity.h"
#include "replication/peer/invitation.h"
#include "replication/peer/peer_host.h"

// How two nodes prove to each other who they are: the two calls of PeerGate
// (proto/peer.capnp) as plain values. Pure but for the host's answers.

namespace syncline {

inline constexpr std::uint16_t kProtocolMin = 2;
inline constexpr std::uint16_t kProtocolMax = 2;
// Features: the peer is told what content the other side still lacks.
inline constexpr std::uint64_t kFeatureLacking = 1;
inline constexpr std::size_t kChallengeBytes = 32;
inline constexpr std::size_t kNonceBytes = 16;
inline constexpr std::size_t kDeviceNameBytesMax = 64;

struct Hello {
  std::uint16_t protocol_min = kProtocolMin;
  std::uint16_t protocol_max = kProtocolMax;
  std::uint64_t features = 0;
  std::string device_key;
  std::string device_name;
  Origin origin;
  std::string instance_nonce;
  std::int64_t wall_clock_ms = 0;
  std::string challenge;
};

struct Refusal {
  enum class Reason : std::uint8_t {
    kNoCommonVersion,
    kNotAuthorised,
    kBadProof,
    kInvitationUnknown,
    kInvitationUsed,
    kInvitationExpired,
    kOwnDevice,
    kClone,
    kDuplicate,
    kMalformed,
    kBusy,
  };
  Reason reason = Reason::kMalformed;
  std::string detail;

  // What a person reads, with the code that callers branch on:
  //   kUnimplemented kNoCommonVersion      kPermissionDenied kNotAuthorised
  //   kUnauthenticated kBadProof           kNotFound kInvitationUnknown
  //   kDeadlineExceeded kInvitationExpired kAlreadyExists kDuplicate
  //   kInvalidArgument kMalformed          kUnavailable kBusy
  //   kFailedPrecondition the others
  [[nodiscard]] absl::Status ToStatus() const;
};

struct InvitationProof {
  std::string id;
  std::string mac;
};
struct Proof {
  std::string signature;
  std::optional<InvitationProof> invitation;
};

// Who the other side turned out to be.
struct PeerIdentity {
  Hello hello;
  DeviceId id;
};

Hello MakeHello(const PeerHost::Self& self, RandomSource& random,
                const TimeSource& time);

enum class HandshakeRole : char {
  kDials = 'D',
  kListens = 'L',
  kInvited = 'I',  // The dialling side's proof of an invitation.
};
// The bytes that a proof of `role` covers.
std::string HandshakeTranscript(HandshakeRole role, const Hello& dialler,
                                const Hello& listener);

// The listening side of one connection. Loop-bound.
class ListenHandshake {
 public:
  struct Accepted {
    Hello hello;
    std::string signature;
  };
  struct Proven {
    PeerIdentity peer;
    std::vector<ProjectInfo> invited;
  };

  ListenHandshake(PeerHost& host, Hello own);

  std::variant<Accepted, Refusal> OnHello(Hello theirs);
  // `done` may come at once; not after destruction of the host.
  void OnProof(const Proof& proof,
               std::function<void(std::variant<Proven, Refusal>)> done);

 private:
  void Redeem(const InvitationProof& invitation,
              std::function<void(std::variant<Proven, Refusal>)> done);

  PeerHost& host_;
  Hello own_;
  std::optional<PeerIdentity> peer_;
  bool proven_ = false;
};

// The dialling side of one connection. Loop-bound.
class DialHandshake {
 public:
  // `expected` must answer; `secret` is that of an invitation to redeem, or
  // empty.
  DialHandshake(const PeerHost::Self& self, Hello own, DeviceId expected,
                std::string secret);

  [[nodiscard]] const Hello& hello() const { return own_; }
  // The proof to send.
  //   kUnauthenticated  not the expected device, or it did not prove it
  //   other             see Refusal::ToStatus
  absl::StatusOr<Proof> OnAccepted(Hello theirs, std::string_view signature);
  // Requires (checked): OnAccepted() gave a proof.
  [[nodiscard]] const PeerIdentity& peer() const;

 private:
  const PeerHost::Self& self_;
  Hello own_;
  DeviceId expected_;
  std::string secret_;
  std::optional<PeerIdentity> peer_;
};

}  // namespace syncline
