#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/random.h"
#include "clock/origin.h"
#include "kv/store.h"
#include "replication/project_id.h"

namespace syncline {

// Tells whether a store is the one that was closed last, and not a copy of it
// or an older one: a file in the home, outside the store, and a row in the
// store name the same machine, the same directory of the store (inode, time of
// birth; the device where there is no time of birth), and the same number,
// drawn anew at every open. A restored or copied store differs in one of them;
// a whole machine that was set back does not: only its peers can tell.
//
// The file also keeps how many of its entries others are known to hold: a
// store that has fewer was set back.
//
// Format: node/FORMAT.md. Thread-compatible.
class Witness {
 public:
  // Compares the file in `home` with the row in `store`, which lies in
  // `home`/store; changes nothing. Borrows `store`.
  //   other  the store cannot be read, or its directory cannot be looked at
  static absl::StatusOr<std::unique_ptr<Witness>> Open(
      const std::filesystem::path& home, Store& store);

  // Why this is not the store that was closed last; empty if it is, or if it
  // was never opened by a version that had a witness.
  [[nodiscard]] const std::string& doubt() const { return doubt_; }

  // How many entries of `origin` others were known to hold of a project.
  [[nodiscard]] std::uint64_t Published(const Origin& origin,
                                        const ProjectId& project) const;

  // From here on this store is the right one. Durable when it returns; if it
  // is interrupted the store before it, and this one, are right.
  absl::Status Renew(RandomSource& random);
  // Drawn by Renew(): 16 bytes.
  [[nodiscard]] const std::string& nonce() const { return nonce_; }

  // Others hold so many entries of `origin`; forgets those of other origins.
  // Durable when it returns. Blocks.
  absl::Status NotePublished(const Origin& origin, const ProjectId& project,
                             std::uint64_t counter);

 private:
  // What the file says.
  struct File {
    std::string place;
    std::string nonce;
    std::string next;  // Being taken into use, or empty.
    Origin origin;     // Of `published`.
    std::map<ProjectId, std::uint64_t> published;
  };

  Witness(std::filesystem::path home, Store& store)
      : home_(std::move(home)), store_(store) {}
  // Where a store is: bytes that are compared.
  static absl::StatusOr<std::string> PlaceOf(const std::filesystem::path& dir);
  static std::string Encode(const File& file);
  static bool Decode(std::string_view bytes, File& file);
  absl::Status Load();
  absl::Status Save() const;

  const std::filesystem::path home_;
  Store& store_;
  std::string place_;  // Of the store as it is.
  std::string nonce_;
  std::string doubt_;
  File file_;
};

}  // namespace syncline
