#include "replication/peer/invitation.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/status.h"

namespace syncline {
namespace {

constexpr std::string_view kPrefix = "SYNC";
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kChecksumBytes = 4;
constexpr std::size_t kGroup = 8;
constexpr std::size_t kAddressBytesMax = 255;

std::string Checksum(std::string_view body) {
  return std::string(Sha256("syncline invitation checksum\n", body)
                         .view()
                         .substr(0, kChecksumBytes));
}

absl::Status CheckLimits(const Invitation& invitation) {
  const auto long_address = [](const std::string& address) {
    return address.empty() || address.size() > kAddressBytesMax;
  };
  const auto bad_project = [](const ProjectInfo& project) {
    return project.id.bytes.size() != kProjectIdBytes ||
           project.name.size() > Invitation::kNameBytesMax;
  };
  if (invitation.addresses.size() > Invitation::kAddressesMax ||
      std::ranges::any_of(invitation.addresses, long_address))
    return InvalidArgument("an invitation takes up to 16 addresses");
  if (invitation.projects.size() > Invitation::kProjectsMax ||
      std::ranges::any_of(invitation.projects, bad_project))
    return InvalidArgument("an invitation takes up to 256 projects");
  if (invitation.device_name.size() > Invitation::kNameBytesMax)
    return InvalidArgument("the device's name is too long");
  if (invitation.secret.size() != kInvitationSecretBytes)
    return InvalidArgument("the secret of an invitation is 32 bytes");
  return absl::OkStatus();
}

absl::StatusOr<Invitation> DecodeBody(std::string_view body) {
  ByteReader reader(body);
  Invitation invitation;
  if (reader.U8() != kVersion)
    return InvalidArgument("the invitation code is of another version");
  const std::optional<Hash> device =
      Hash::FromBytes(reader.Bytes(Hash::kBytes));
  invitation.secret = reader.Bytes(kInvitationSecretBytes);
  invitation.device_name = reader.Sized();
  const std::uint64_t addresses = reader.Varint();
  for (std::uint64_t i = 0; reader.ok() && i < addresses; ++i) {
    if (i == Invitation::kAddressesMax)
      return InvalidArgument("an invitation takes up to 16 addresses");
    invitation.addresses.emplace_back(reader.Sized());
  }
  const std::uint64_t projects = reader.Varint();
  for (std::uint64_t i = 0; reader.ok() && i < projects; ++i) {
    if (i == Invitation::kProjectsMax)
      return InvalidArgument("an invitation takes up to 256 projects");
    ProjectInfo project;
    project.id.bytes = reader.Bytes(kProjectIdBytes);
    project.name = reader.Sized();
    invitation.projects.push_back(std::move(project));
  }
  if (!device || !reader.AtEnd())
    return InvalidArgument("the invitation code is malformed");
  invitation.device = {*device};
  SYNCLINE_RETURN_IF_ERROR(CheckLimits(invitation));
  return invitation;
}

}  // namespace

absl::StatusOr<std::string> Invitation::Encode() const {
  SYNCLINE_RETURN_IF_ERROR(CheckLimits(*this));
  std::string body(1, static_cast<char>(kVersion));
  body += device.hash.view();
  body += secret;
  AppendSized(body, device_name);
  AppendVarint(body, addresses.size());
  for (const std::string& address : addresses) AppendSized(body, address);
  AppendVarint(body, projects.size());
  for (const ProjectInfo& project : projects) {
    body += project.id.bytes;
    AppendSized(body, project.name);
  }
  const std::string plain = ToBase32(body + Checksum(body));
  std::string code(kPrefix);
  for (std::size_t i = 0; i < plain.size(); i += kGroup) {
    code += '-';
    code += plain.substr(i, kGroup);
  }
  if (code.size() > kCodeBytesMax)
    return InvalidArgument("the invitation is too long");
  return code;
}

absl::StatusOr<Invitation> Invitation::Decode(std::string_view code) {
  if (code.size() > kCodeBytesMax)
    return InvalidArgument("this is not an invitation code: too long");
  std::string compact;
  for (const char letter : code) {
    if (letter == '-' || letter == ' ' || letter == '\t' || letter == '\r' ||
        letter == '\n')
      continue;
    compact += letter >= 'a' && letter <= 'z'
                   ? static_cast<char>(letter - 'a' + 'A')
                   : letter;
  }
  if (!compact.starts_with(kPrefix))
    return InvalidArgument("this is not an invitation code");
  const std::optional<std::string> bytes =
      FromBase32(std::string_view(compact).substr(kPrefix.size()));
  if (!bytes || bytes->size() < kChecksumBytes)
    return InvalidArgument("the invitation code is cut off or mistyped");
  const std::string_view all = *bytes;
  const std::string_view body = all.substr(0, all.size() - kChecksumBytes);
  if (all.substr(body.size()) != Checksum(body))
    return InvalidArgument("the invitation code is cut off or mistyped");
  return DecodeBody(body);
}

std::string NewInvitationSecret(RandomSource& random) {
  return random.Bytes(kInvitationSecretBytes);
}

std::string InvitationIdOf(std::string_view secret) {
  return std::string(Sha256("syncline invitation id\n", secret)
                         .view()
                         .substr(0, kInvitationIdBytes));
}

std::string InvitationMac(std::string_view secret,
                          std::string_view transcript) {
  std::string mac(Hash::kBytes, '\0');
  unsigned int size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(transcript.data()),
       transcript.size(), reinterpret_cast<unsigned char*>(mac.data()), &size);
  return mac;
}

}  // namespace syncline
