#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "base/random.h"
#include "replication/peer/peer_messages.h"

namespace syncline::testing {

class SimNode;

// What a device that is broken, or means harm, makes of what it says. Lies
// are told with checksums that fit; then a few bytes of the wire form may
// flip, or its end may be missing. What comes out is what the other side would
// decode.
class SimDamage {
 public:
  enum class How : std::uint8_t { kNone, kChange, kTwice, kLater };

  SimDamage(SimNode& node, std::uint64_t seed) : node_(node), random_(seed) {}

  // `positions`: also about what it holds and held, which others may not
  // forgive: who believes it gives up a side of a fork that is none.
  void Begin(bool positions);
  void End() { on_ = false; }
  [[nodiscard]] bool on() const { return on_; }
  // It is, or was.
  [[nodiscard]] bool ever() const { return ever_; }

  // What becomes of the next message. kTwice: it comes twice; kLater: behind
  // the one after it.
  How Draw();

  // Changes it. False: the receiver cannot decode it.
  bool Change(Announcement& announcement);
  bool Change(std::tuple<ProjectId, Position>& compare);
  bool Change(std::tuple<ProjectId, Origin, std::vector<std::uint64_t>>&);
  bool Change(PullRequest& request);
  bool Change(Segment& segment);
  bool Change(StatePush& piece);
  bool Change(std::tuple<ProjectId, std::uint32_t, Stop>& ended);
  bool Change(std::tuple<ProjectId, std::vector<Hash>>& chunks);
  bool Change(CompareAnswer& answer);
  bool Change(HistoryAnswer& answer);
  bool Change(PullAnswer& answer);
  bool Change(PushAnswer& answer);
  bool Change(ChunksAnswer& answer);

  // Hashes of entries that nobody ever made.
  [[nodiscard]] const std::set<Hash>& forged() const { return forged_; }

 private:
  [[nodiscard]] bool LiesAboutPositions() const;
  bool Chance(std::uint64_t one_in) { return random_.Below(one_in) == 0; }
  std::uint64_t Counter(std::uint64_t counter);
  void Lie(VersionVector& frontier);
  void Lie(Hash& hash);
  void Lie(std::string& bytes);
  void Lie(Stop& stop);
  void Lie(Position& position);
  void Lie(StateHeader& header);
  void Lie(std::vector<ChainHead>& chains);
  void LieAboutEntries(Segment& segment);
  void Forge(Segment& segment, std::vector<std::string>& entries);
  bool ForgeOne(std::string& entry);
  void Chain(Segment& segment, const std::vector<std::string>& entries);
  template <typename Wire, typename Message, typename Encode, typename Decode>
  bool Transmit(Message& message, Encode encode, Decode decode);

  SimNode& node_;
  SeededRandom random_;
  bool on_ = false;
  bool positions_ = false;
  bool ever_ = false;
  std::set<Hash> forged_;
};

}  // namespace syncline::testing
