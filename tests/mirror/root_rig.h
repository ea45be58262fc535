#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/time_source.h"
#include "replication/mirror/root_dir.h"
#include "tests/mirror/temp_dir.h"

namespace syncline::testing {

// The machine's clock, moved far ahead, so that every file has settled; or
// a clock that stands.
class ShiftedTime final : public TimeSource {
 public:
  std::int64_t NowMs() const override {
    return standing_ms ? *standing_ms : real_.NowMs() + 60'000;
  }
  std::int64_t SteadyMs() const override { return real_.SteadyMs(); }
  std::optional<std::int64_t> standing_ms;

 private:
  SystemTime real_;
};

// A root in a directory of its own; `dir / ".."` is not watched by anybody.
class RootRig {
 public:
  explicit RootRig(const RootDir::Options& options = {},
                   const std::string& parent = "");

  // Opens the root anew, as after a restart.
  void Reopen(const RootDir::Options& options = {});

  RootDir* operator->() { return root.get(); }
  // The absolute path of something in the root.
  std::string operator/(std::string_view path) const { return dir / path; }

  Fingerprint Print(std::string_view path) const;  // Requires: is there.
  // Reads through the root; fails the test if it cannot.
  std::string Read(std::string_view path) const;
  // Stages and installs; the result of Install.
  absl::StatusOr<Fingerprint> Put(
      std::string_view path, std::string_view content,
      const std::optional<Fingerprint>& expected = std::nullopt,
      const RootDir::FileAttributes& attributes = {});
  // Names in the private directory, sorted; none if it is not there.
  std::vector<std::string> PrivateNames() const;
  // The contents of all regular files that a user can see.
  std::vector<std::string> AllContents() const;

  TempDir dir;
  ShiftedTime time;
  SystemRandom random;
  std::unique_ptr<RootDir> root;
};

// As many directories down as it takes to be longer than PATH_MAX.
std::string DeepPath(int levels, std::size_t name_bytes);

}  // namespace syncline::testing
