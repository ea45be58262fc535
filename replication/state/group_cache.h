#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "replication/state/recent.h"

namespace syncline {

// A few rows, packed: key behind the group's key and value, each sized, by
// ascending key.
using PackedRows = std::string;
// Puts a row over, or deletes it from, those of `packed`.
PackedRows WithRow(std::string_view packed, std::string_view tail,
                   const std::optional<std::string>& value);

// The rows `n` of single names, those used last; see RowKeys::GroupOf. Of a
// small directory whose names are read one after the other all are remembered,
// so that the next names, and new ones, cost no read. That must pay: where
// names of many directories are read in any order, most of what was read ahead
// would be dropped before it is asked for.
class GroupCache {
 public:
  // A larger directory is not read as a whole.
  static constexpr std::size_t kScanMax = 256;

  // Null: not known. Valid until the next call.
  const PackedRows* Find(std::string_view group);
  // `group` was not known. True: its directory is worth reading as a whole.
  bool Missed(std::string_view group);
  void Set(std::string_view group, PackedRows rows);
  // The same for a group that nobody has asked for yet.
  void SetAhead(std::string_view group, PackedRows rows);
  // `rows` of the directory were read. All its groups were Set, or it is too
  // large for that.
  void Scanned(std::string_view directory, std::size_t rows, bool whole);
  // Not all groups of the directory are known any more.
  void ForgetWhole(std::string_view directory);
  // Someone else knows the group now.
  void Forget(std::string_view group) { groups_.Erase(group); }
  // A row has changed for good, of whatever kind.
  void Changed(std::string_view key, const std::optional<std::string>& value);

 private:
  enum class Scan : std::uint8_t { kNone, kWhole, kTooLarge };
  struct Directory {
    std::uint32_t misses = 0;
    Scan scan = Scan::kNone;
  };

  struct Group {
    PackedRows rows;
    mutable bool ahead = false;
  };

  void Keep(std::string_view group, Group rows);
  void DropOld();
  void Earn(std::size_t credit);

  Recent<std::string, Group> groups_{4u << 20};
  // Valid as long as no group was dropped.
  BytesMap<Directory> directories_;
  std::size_t dropped_ = 0;
  // For reading ahead: it goes on as long as it pays.
  static constexpr std::size_t kCreditMax = 1u << 15;
  std::size_t credit_ = kCreditMax;
};

}  // namespace syncline
