#include "replication/segment_check.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "base/status.h"
#include "log/append_log.h"
#include "log/frame.h"
#include "proto/entry_codec.h"
#include "replication/fork.h"

namespace syncline {
namespace {

// The log's frontier and chains as they will be after the entries so far; only
// origins that the segment touches are kept.
class Ahead {
 public:
  explicit Ahead(const AppendLog& log) : log_(log) {}

  std::uint64_t CounterOf(const Origin& origin) const {
    const auto at = touched_.find(origin);
    return at != touched_.end() ? at->second.counter
                                : log_.frontier().CounterOf(origin);
  }

  const Hash& Take(const Dot& dot, std::string_view bytes) {
    const auto [at, fresh] = touched_.try_emplace(dot.origin);
    if (fresh) at->second.hash = log_.ChainOf(dot.origin);
    at->second.counter = dot.counter;
    at->second.hash = Sha256(at->second.hash.view(), bytes);
    return at->second.hash;
  }

  // What this node will hold at `dot`; nothing if the log cannot tell.
  absl::StatusOr<std::optional<Hash>> ChainAt(const Dot& dot) const {
    const auto at = touched_.find(dot.origin);
    if (at != touched_.end() && at->second.counter == dot.counter) {
      return std::optional<Hash>(at->second.hash);
    }
    absl::StatusOr<Hash> known = log_.ChainAt(dot);
    if (absl::IsNotFound(known.status())) return std::optional<Hash>();
    SYNCLINE_RETURN_IF_ERROR(known.status());
    return std::optional<Hash>(*known);
  }

  // Origins that no chain head has been checked for.
  std::map<Origin, bool> Unproven() const {
    std::map<Origin, bool> unproven;
    for (const auto& [origin, state] : touched_) unproven[origin] = true;
    return unproven;
  }

 private:
  struct Reached {
    std::uint64_t counter = 0;
    Hash hash;
  };
  const AppendLog& log_;
  std::map<Origin, Reached> touched_;
};

absl::Status CheckOrder(const Entry& entry, const Ahead& ahead) {
  if (entry.dot.counter != ahead.CounterOf(entry.dot.origin) + 1) {
    return InvalidArgument("a gap before entry " + entry.dot.ToText());
  }
  for (const VersionVector::Slot& slot : entry.context.slots()) {
    // An origin's word about itself is judged by the state (void).
    if (slot.origin != entry.dot.origin &&
        ahead.CounterOf(slot.origin) < slot.counter) {
      return InvalidArgument("entry " + entry.dot.ToText() +
                             " came before what it builds on");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckHeads(const std::vector<ChainHead>& heads, const Ahead& ahead,
                        std::vector<ChainHead>& reached) {
  std::map<Origin, bool> unproven = ahead.Unproven();
  for (const ChainHead& head : heads) {
    SYNCLINE_ASSIGN_OR_RETURN(const std::optional<Hash> known,
                              ahead.ChainAt(head.dot));
    if (known && *known != head.hash) {
      return ForkStatus(head.dot.origin, "fork: the history of origin " +
                                             head.dot.origin.ToHex() +
                                             " differs at or before " +
                                             std::to_string(head.dot.counter));
    }
    if (known && head.dot.counter == ahead.CounterOf(head.dot.origin)) {
      if (unproven.erase(head.dot.origin) > 0) reached.push_back(head);
    }
  }
  if (!unproven.empty()) {
    return InvalidArgument("no chain hash for origin " +
                           unproven.begin()->first.ToHex());
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SegmentEntries> ReadSegment(std::string_view frames) {
  SegmentEntries entries;
  // Moving entries as the list grows costs as much as decoding them.
  constexpr std::size_t kUsualEntryBytes = 256;
  entries.reserve(
      std::min(frames.size() / kUsualEntryBytes + 1, kSegmentEntriesMax));
  while (!frames.empty()) {
    if (entries.size() == kSegmentEntriesMax) {
      return InvalidArgument("a segment of too many entries");
    }
    SYNCLINE_ASSIGN_OR_RETURN(const Frame frame, ParseFrame(frames));
    frames.remove_prefix(frame.bytes);
    SYNCLINE_ASSIGN_OR_RETURN(DecodedEntry decoded, DecodeEntry(frame.entry));
    if (decoded.entry.dot.counter == 0) {
      return InvalidArgument("an entry without a number");
    }
    entries.push_back({frame.entry,
                       std::move(decoded.entry),
                       std::move(decoded.device_key),
                       {}});
  }
  return entries;
}

absl::StatusOr<CheckedSegment> CheckSegment(SegmentEntries& entries,
                                            const std::vector<ChainHead>& heads,
                                            const AppendLog& log) {
  Ahead ahead(log);
  std::size_t fresh = 0;
  for (SegmentEntry& each : entries) {
    const Dot& dot = each.entry.dot;
    if (dot.counter <= ahead.CounterOf(dot.origin)) continue;
    SYNCLINE_RETURN_IF_ERROR(CheckOrder(each.entry, ahead));
    each.chain = ahead.Take(dot, each.bytes);
    if (&each != &entries[fresh]) entries[fresh] = std::move(each);
    ++fresh;
  }
  CheckedSegment segment;
  segment.duplicates = entries.size() - fresh;
  entries.resize(fresh);
  segment.fresh = entries;
  SYNCLINE_RETURN_IF_ERROR(CheckHeads(heads, ahead, segment.reached));
  return segment;
}

absl::Status CheckHeadsSigned(const ProjectId& project,
                              const std::vector<ChainHead>& heads,
                              const std::map<Origin, std::string>& keys) {
  for (const ChainHead& head : heads) {
    const auto key = keys.find(head.dot.origin);
    if (key == keys.end() || !IsSigned(key->second, project, head)) {
      return InvalidArgument("the entries up to " + head.dot.ToText() +
                             " are not signed by their device");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckSignatures(
    const ProjectId& project, const CheckedSegment& segment,
    const std::function<std::string(const Origin&)>& known) {
  std::map<Origin, std::string> keys;
  for (const ChainHead& head : segment.reached) {
    keys[head.dot.origin] = known(head.dot.origin);
  }
  for (const SegmentEntry& checked : segment.fresh) {
    const Dot& dot = checked.entry.dot;
    if (dot.counter > 1 && checked.device_key.empty()) continue;
    std::string& key = keys[dot.origin];
    if (key.empty() && dot.counter == 1) key = checked.device_key;
    if (key.size() != kDeviceKeyBytes || key != checked.device_key) {
      return InvalidArgument("entry " + dot.ToText() +
                             " is not of the device of its origin");
    }
  }
  return CheckHeadsSigned(project, segment.reached, keys);
}

}  // namespace syncline
