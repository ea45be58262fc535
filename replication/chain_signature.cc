#include "replication/chain_signature.h"

#include <string>

#include "base/bytes.h"

namespace syncline {
namespace {

std::string Message(const ProjectId& project, const ChainHead& head) {
  std::string message("syncline chain 1\n");
  AppendSized(message, project.bytes);
  message += head.dot.origin.view();
  AppendU64(message, head.dot.counter);
  message += head.hash.view();
  return message;
}

}  // namespace

absl::StatusOr<std::string> SignChain(const DeviceIdentity& device,
                                      const ProjectId& project,
                                      const ChainHead& head) {
  return device.Sign(Message(project, head));
}

bool IsSigned(std::string_view public_key, const ProjectId& project,
              const ChainHead& head) {
  return VerifySignature(public_key, Message(project, head), head.signature);
}

}  // namespace syncline
