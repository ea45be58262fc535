#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace syncline {

// Where random bytes come from. A parameter wherever one is needed, so that a
// test or simulation is decided by its seed.
class RandomSource {
 public:
  virtual ~RandomSource() = default;
  virtual void Fill(std::span<unsigned char> bytes) = 0;

  std::string Bytes(std::size_t count);
  std::uint64_t Next();
  // Uniform in [0, bound). Requires (checked): bound > 0.
  std::uint64_t Below(std::uint64_t bound);
};

// The operating system's generator, fit for keys and secrets. Thread-safe.
class SystemRandom final : public RandomSource {
 public:
  void Fill(std::span<unsigned char> bytes) override;
};

// Repeatable: equal seeds give equal sequences (SplitMix64). Not for secrets.
class SeededRandom final : public RandomSource {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  void Fill(std::span<unsigned char> bytes) override;

 private:
  std::uint64_t state_;
};

}  // namespace syncline
