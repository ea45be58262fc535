#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "node/project.h"
#include "node/types.h"

namespace syncline {

// The tree, by path (see node/types.h). kInvalidArgument: a path that cannot
// be; kFailedPrecondition: a directory where a file is needed or the other way
// round, or PutOptions::if_match does not hold.
class Project::Files : private Project {
 public:
  explicit Files(const Project& project) : Project(project) {}

  template <typename Token>
  auto AsyncStat(std::string path, Token&& token) const {
    return Async(StatOf(std::move(path)), std::forward<Token>(token));
  }
  absl::StatusOr<FileInfo> Stat(std::string path) const {
    return Block(StatOf(std::move(path)));
  }

  // Children from after the name `after`, a page at a time.
  template <typename Token>
  auto AsyncList(std::string path, std::string after, Token&& token) const {
    return Async(ListOf(std::move(path), std::move(after)),
                 std::forward<Token>(token));
  }
  absl::StatusOr<FileList> List(std::string path,
                                std::string after = {}) const {
    return Block(ListOf(std::move(path), std::move(after)));
  }

  // The whole content.
  //   kResourceExhausted  more than `bytes_max`
  //   kUnavailable        not all of it is on this node yet
  template <typename Token>
  auto AsyncRead(std::string path, std::uint64_t bytes_max,
                 Token&& token) const {
    return Async(ReadOf(std::move(path), bytes_max),
                 std::forward<Token>(token));
  }
  absl::StatusOr<std::string> Read(std::string path,
                                   std::uint64_t bytes_max = 64u << 20) const {
    return Block(ReadOf(std::move(path), bytes_max));
  }

  template <typename Token>
  auto AsyncPut(std::string path, std::string bytes, PutOptions options,
                Token&& token) const {
    return Async(PutOf(std::move(path), std::move(bytes), options),
                 std::forward<Token>(token));
  }
  absl::StatusOr<Written> Put(std::string path, std::string bytes,
                              PutOptions options = {}) const {
    return Block(PutOf(std::move(path), std::move(bytes), options));
  }

  template <typename Token>
  auto AsyncRemove(std::string path, bool recursive, Token&& token) const {
    return Async(RemoveOf(std::move(path), recursive),
                 std::forward<Token>(token));
  }
  absl::StatusOr<Written> Remove(std::string path,
                                 bool recursive = false) const {
    return Block(RemoveOf(std::move(path), recursive));
  }

  // A directory at `to` takes `from` under its own name.
  template <typename Token>
  auto AsyncMove(std::string from, std::string to, Token&& token) const {
    return Async(MoveOf(std::move(from), std::move(to)),
                 std::forward<Token>(token));
  }
  absl::StatusOr<Written> Move(std::string from, std::string to) const {
    return Block(MoveOf(std::move(from), std::move(to)));
  }

  // `parents`: make those above too, and take one that is there for made.
  template <typename Token>
  auto AsyncMakeDirectory(std::string path, bool parents, Token&& token) const {
    return Async(MakeDirectoryOf(std::move(path), parents),
                 std::forward<Token>(token));
  }
  absl::StatusOr<Written> MakeDirectory(std::string path,
                                        bool parents = false) const {
    return Block(MakeDirectoryOf(std::move(path), parents));
  }

 private:
  Starter<absl::StatusOr<FileInfo>> StatOf(std::string path) const;
  Starter<absl::StatusOr<FileList>> ListOf(std::string path,
                                           std::string after) const;
  Starter<absl::StatusOr<std::string>> ReadOf(std::string path,
                                              std::uint64_t bytes_max) const;
  Starter<absl::StatusOr<Written>> PutOf(std::string path, std::string bytes,
                                         PutOptions options) const;
  Starter<absl::StatusOr<Written>> RemoveOf(std::string path,
                                            bool recursive) const;
  Starter<absl::StatusOr<Written>> MoveOf(std::string from,
                                          std::string to) const;
  Starter<absl::StatusOr<Written>> MakeDirectoryOf(std::string path,
                                                   bool parents) const;
};

}  // namespace syncline
