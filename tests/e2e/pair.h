#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "tests/testing/process.h"

namespace syncline::testing {

// Two serving nodes on loopback that share one project, "tree", mirrored to a
// folder on each side. Everything lives in a temporary directory.
class Pair {
 public:
  // Both nodes serve; nothing is shared yet.
  Pair();

  std::filesystem::path home_a() const { return temp_ / "home-a"; }
  std::filesystem::path home_b() const { return temp_ / "home-b"; }
  std::filesystem::path dir_a() const { return temp_ / "a"; }
  std::filesystem::path dir_b() const { return temp_ / "b"; }
  std::filesystem::path temp() const { return temp_.path(); }

  ServingNode& a() { return *a_; }
  ServingNode& b() { return *b_; }

  // Attaches dir_a to A, invites B, and joins it with dir_b.
  void Share();
  // The second half of that.
  void Join();
  void StartA();
  void StartB();
  void StopB() { b_->Stop(); }

  // Runs a command that must succeed, and gives its output.
  static std::string Must(const std::filesystem::path& home,
                          const std::vector<std::string>& args);
  // Waits until both sides are idle and in sync; false if they never are.
  bool Settle();
  // Head of the project's log on a node.
  static std::uint64_t Head(const std::filesystem::path& home);

 private:
  TemporaryDirectory temp_;
  std::string address_a_ = "127.0.0.1:0";  // Kept over restarts.
  std::unique_ptr<ServingNode> a_;
  std::unique_ptr<ServingNode> b_;
};

// One line of error that has `part` in it, and the exit code of the contract.
void CheckRefused(const CommandResult& result, int exit_code,
                  std::string_view part = {});

// A repeatable tree of `files` files of mixed sizes in nested directories,
// with executables, symbolic links, empty files and empty directories.
void MakeTree(const std::filesystem::path& root, int files, std::uint64_t seed);

}  // namespace syncline::testing
