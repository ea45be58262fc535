#include "base/hash.h"

// For single pieces the functions without EVP around them: that costs more
// than hashing a short entry does.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <isa-l/crc.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include <algorithm>

#ifdef __x86_64__
#include <immintrin.h>
#endif

#include "base/bytes.h"
#include "base/check.h"

namespace syncline {
namespace {

// Fetched once: an implicit fetch per hash costs a tenth of a 4 KiB hash.
const EVP_MD* Algorithm() {
  static const EVP_MD* const kSha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return kSha256;
}

#ifdef __x86_64__
__attribute__((target("avx"))) void ClearUpperHalves() { _mm256_zeroupper(); }

// ISA-L leaves the wide registers in use behind it. On Intel's processors
// every instruction of the older kind (most of RocksDB, LZ4 and the C library)
// is slower from then on: 190 ns for each record that is read.
void LeaveWideRegisters() {
  static const bool kHasThem = __builtin_cpu_supports("avx") > 0;
  if (kHasThem) ClearUpperHalves();
}
#else
void LeaveWideRegisters() {}
#endif

}  // namespace

std::optional<Hash> Hash::FromBytes(std::string_view bytes) {
  if (bytes.size() != kBytes) return std::nullopt;
  Hash hash;
  std::copy(bytes.begin(), bytes.end(), hash.bytes.begin());
  return hash;
}

std::string Hash::ToHex() const { return syncline::ToHex(view()); }

struct Sha256Stream::Impl {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~Impl() { EVP_MD_CTX_free(context); }
  void Start() {
    SYNCLINE_CHECK(EVP_DigestInit_ex2(context, Algorithm(), nullptr) == 1,
                   "OpenSSL has no SHA-256");
  }
};

Sha256Stream::Sha256Stream() : impl_(std::make_unique<Impl>()) {
  impl_->Start();
}

Sha256Stream::~Sha256Stream() = default;

void Sha256Stream::Add(std::string_view bytes) {
  EVP_DigestUpdate(impl_->context, bytes.data(), bytes.size());
}

Hash Sha256Stream::Finish() {
  Hash hash;
  EVP_DigestFinal_ex(impl_->context, hash.bytes.data(), nullptr);
  impl_->Start();
  return hash;
}

Hash Sha256(std::string_view bytes) { return Sha256(bytes, {}); }

Hash Sha256(std::string_view first, std::string_view second) {
  SHA256_CTX context;
  SHA256_Init(&context);
  SHA256_Update(&context, first.data(), first.size());
  SHA256_Update(&context, second.data(), second.size());
  Hash hash;
  SHA256_Final(hash.bytes.data(), &context);
  return hash;
}

std::uint32_t Crc32c(std::string_view bytes) {
  // The library does not write to its input; its length is an int.
  auto* data =
      reinterpret_cast<unsigned char*>(const_cast<char*>(bytes.data()));
  std::uint32_t crc = ~0u;
  while (!bytes.empty()) {
    const std::size_t part = std::min<std::size_t>(bytes.size(), 1u << 30);
    crc = crc32_iscsi(data, static_cast<int>(part), crc);
    data += part;
    bytes.remove_prefix(part);
  }
  LeaveWideRegisters();
  return ~crc;
}

}  // namespace syncline
