#pragma once

#include <compare>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/hash.h"

namespace syncline {

// Names a device for ever: the SHA-256 of its public key. A value.
struct DeviceId {
  Hash hash;

  // Of an Ed25519 public key.
  static DeviceId Of(std::string_view public_key);
  // Reads ToText(), in either case, with any grouping.
  static std::optional<DeviceId> FromText(std::string_view text);
  // 52 characters of base32, in groups of 4: "ABCD-EFGH-...".
  [[nodiscard]] std::string ToText() const;
  // The first two groups: for people, among a handful of devices.
  [[nodiscard]] std::string ToShortText() const;

  friend bool operator==(const DeviceId&, const DeviceId&) = default;
  friend auto operator<=>(const DeviceId&, const DeviceId&) = default;
};

inline constexpr std::size_t kDeviceKeyBytes = 32;
inline constexpr std::size_t kSignatureBytes = 64;

// The long-lived Ed25519 key pair of a device. Immutable, so safe to share
// between threads.
class DeviceIdentity {
 public:
  // Draws a new key from the operating system.
  static absl::StatusOr<DeviceIdentity> Generate();
  // From what Secret() gave.
  //   kInvalidArgument  not 32 bytes
  static absl::StatusOr<DeviceIdentity> FromSecret(std::string_view secret);

  // 32 bytes that give the key pair back: keep them private.
  [[nodiscard]] std::string Secret() const;
  [[nodiscard]] const std::string& public_key() const { return public_key_; }
  [[nodiscard]] const DeviceId& id() const { return id_; }

  // 64 bytes; the same message always gives the same signature.
  [[nodiscard]] absl::StatusOr<std::string> Sign(
      std::string_view message) const;

 private:
  struct Key;
  explicit DeviceIdentity(std::shared_ptr<const Key> key,
                          std::string public_key);

  std::shared_ptr<const Key> key_;
  std::string public_key_;
  DeviceId id_;
};

// Whether the holder of `public_key` signed `message`. All three may be
// anything.
[[nodiscard]] bool VerifySignature(std::string_view public_key,
                                   std::string_view message,
                                   std::string_view signature);

}  // namespace syncline
