// Refusals, to and from the wire.

#include <string>

#include "replication/peer/peer_codec.h"

namespace syncline {
void EncodeRefusal(const Refusal& refusal, wire::Refusal::Builder out) {
  switch (refusal.reason) {
    case Refusal::Reason::kNoCommonVersion:
      out.setNoCommonVersion();
      break;
    case Refusal::Reason::kNotAuthorised:
      out.setNotAuthorised();
      break;
    case Refusal::Reason::kBadProof:
      out.setBadProof();
      break;
    case Refusal::Reason::kInvitationUnknown:
      out.setInvitationUnknown();
      break;
    case Refusal::Reason::kInvitationUsed:
      out.setInvitationUsed();
      break;
    case Refusal::Reason::kInvitationExpired:
      out.setInvitationExpired();
      break;
    case Refusal::Reason::kOwnDevice:
      out.setOwnDevice();
      break;
    case Refusal::Reason::kClone:
      out.setClone();
      break;
    case Refusal::Reason::kDuplicate:
      out.setDuplicate();
      break;
    case Refusal::Reason::kMalformed:
      out.setMalformed();
      break;
    case Refusal::Reason::kBusy:
      out.setBusy();
      break;
  }
  out.setDetail({refusal.detail.c_str(), refusal.detail.size()});
}

Refusal DecodeRefusal(wire::Refusal::Reader in) {
  using Reason = Refusal::Reason;
  const std::string detail = CleanText(in.getDetail(), kDetailBytesMax);
  switch (in.which()) {
    case wire::Refusal::NO_COMMON_VERSION:
      return {Reason::kNoCommonVersion, detail};
    case wire::Refusal::NOT_AUTHORISED:
      return {Reason::kNotAuthorised, detail};
    case wire::Refusal::BAD_PROOF:
      return {Reason::kBadProof, detail};
    case wire::Refusal::INVITATION_UNKNOWN:
      return {Reason::kInvitationUnknown, detail};
    case wire::Refusal::INVITATION_USED:
      return {Reason::kInvitationUsed, detail};
    case wire::Refusal::INVITATION_EXPIRED:
      return {Reason::kInvitationExpired, detail};
    case wire::Refusal::OWN_DEVICE:
      return {Reason::kOwnDevice, detail};
    case wire::Refusal::CLONE:
      return {Reason::kClone, detail};
    case wire::Refusal::DUPLICATE:
      return {Reason::kDuplicate, detail};
    case wire::Refusal::MALFORMED:
      return {Reason::kMalformed, detail};
    case wire::Refusal::BUSY:
      break;
  }
  // Also what a newer version may add.
  return {Reason::kBusy, detail};
}

}  // namespace syncline
