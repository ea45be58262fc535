#include "replication/device_identity.h"

#include <openssl/evp.h>

#include <utility>

#include "base/bytes.h"
#include "base/status.h"

namespace syncline {
namespace {

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, FreeKey>;

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using ContextPtr = std::unique_ptr<EVP_MD_CTX, FreeContext>;

const unsigned char* Data(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}
unsigned char* Data(std::string& bytes) {
  return reinterpret_cast<unsigned char*>(bytes.data());
}

}  // namespace

DeviceId DeviceId::Of(std::string_view public_key) {
  return {Sha256(public_key)};
}

std::optional<DeviceId> DeviceId::FromText(std::string_view text) {
  if (text.size() > 256) return std::nullopt;
  const std::optional<std::string> bytes = FromBase32(text);
  if (!bytes) return std::nullopt;
  const std::optional<Hash> hash = Hash::FromBytes(*bytes);
  if (!hash) return std::nullopt;
  return DeviceId{*hash};
}

std::string DeviceId::ToText() const {
  const std::string plain = ToBase32(hash.view());
  std::string text;
  for (std::size_t i = 0; i < plain.size(); i += 4) {
    if (i > 0) text += '-';
    text += plain.substr(i, 4);
  }
  return text;
}

std::string DeviceId::ToShortText() const { return ToText().substr(0, 9); }

struct DeviceIdentity::Key {
  KeyPtr pair;
};

DeviceIdentity::DeviceIdentity(std::shared_ptr<const Key> key,
                               std::string public_key)
    : key_(std::move(key)),
      public_key_(std::move(public_key)),
      id_(DeviceId::Of(public_key_)) {}

absl::StatusOr<DeviceIdentity> DeviceIdentity::Generate() {
  const KeyPtr pair(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  std::string secret(kDeviceKeyBytes, '\0');
  std::size_t size = secret.size();
  if (!pair ||
      EVP_PKEY_get_raw_private_key(pair.get(), Data(secret), &size) != 1)
    return Internal("OpenSSL cannot draw an Ed25519 key");
  return FromSecret(secret);
}

absl::StatusOr<DeviceIdentity> DeviceIdentity::FromSecret(
    std::string_view secret) {
  if (secret.size() != kDeviceKeyBytes)
    return InvalidArgument("a device key must be 32 bytes");
  auto key = std::make_shared<Key>();
  key->pair.reset(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr,
                                               Data(secret), secret.size()));
  std::string public_key(kDeviceKeyBytes, '\0');
  std::size_t size = public_key.size();
  if (!key->pair || EVP_PKEY_get_raw_public_key(key->pair.get(),
                                                Data(public_key), &size) != 1)
    return Internal("OpenSSL cannot load an Ed25519 key");
  return DeviceIdentity(std::move(key), std::move(public_key));
}

std::string DeviceIdentity::Secret() const {
  std::string secret(kDeviceKeyBytes, '\0');
  std::size_t size = secret.size();
  EVP_PKEY_get_raw_private_key(key_->pair.get(), Data(secret), &size);
  return secret;
}

absl::StatusOr<std::string> DeviceIdentity::Sign(
    std::string_view message) const {
  const ContextPtr context(EVP_MD_CTX_new());
  std::string signature(kSignatureBytes, '\0');
  std::size_t size = signature.size();
  if (!context ||
      EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr,
                         key_->pair.get()) != 1 ||
      EVP_DigestSign(context.get(), Data(signature), &size, Data(message),
                     message.size()) != 1)
    return Internal("OpenSSL cannot sign");
  return signature;
}

bool VerifySignature(std::string_view public_key, std::string_view message,
                     std::string_view signature) {
  if (public_key.size() != kDeviceKeyBytes ||
      signature.size() != kSignatureBytes)
    return false;
  const KeyPtr key(EVP_PKEY_new_raw_public_key(
      EVP_PKEY_ED25519, nullptr, Data(public_key), public_key.size()));
  const ContextPtr context(EVP_MD_CTX_new());
  return key && context &&
         EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr,
                              key.get()) == 1 &&
         EVP_DigestVerify(context.get(), Data(signature), signature.size(),
                          Data(message), message.size()) == 1;
}

}  // namespace syncline
