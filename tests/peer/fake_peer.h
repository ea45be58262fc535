#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "replication/peer/peer_messages.h"

namespace syncline::testing {

// A peer that writes down what it is asked and answers when the test says so.
class FakePeer final : public PeerCalls {
 public:
  template <typename Message, typename Answer>
  struct Asked {
    Message message;
    Done<Answer> done;
  };

  void Announce(Announcement announcement, Called) override {
    announcements.push_back(std::move(announcement));
  }
  void Compare(const ProjectId& project, Position position,
               Done<CompareAnswer> done) override {
    compares.push_back({{project, std::move(position)}, std::move(done)});
  }
  void History(const ProjectId&, const Origin& origin,
               std::vector<std::uint64_t> counters,
               Done<HistoryAnswer> done) override {
    histories.push_back({{origin, std::move(counters)}, std::move(done)});
  }
  void Pull(PullRequest request, Done<PullAnswer> done) override {
    pulls.push_back({std::move(request), std::move(done)});
  }
  void Push(Segment segment, Done<PushAnswer> done) override {
    pushes.push_back({std::move(segment), std::move(done)});
  }
  void PushState(StatePush piece, Done<PushAnswer> done) override {
    pieces.push_back({std::move(piece), std::move(done)});
  }
  void Ended(const ProjectId&, std::uint32_t, Stop stop, Called) override {
    stops.push_back(std::move(stop));
  }
  void Chunks(const ProjectId&, std::vector<Hash> hashes,
              Done<ChunksAnswer> done) override {
    chunks.push_back({std::move(hashes), std::move(done)});
  }
  void MoreContent(const ProjectId&, Called) override { ++hints; }
  void Lacking(const ProjectId&, std::uint64_t count, Called) override {
    lacking.push_back(count);
  }
  void Copied(const Origin& origin, Called) override {
    copied.push_back(origin);
  }
  void Ping(Called) override { ++pings; }
  void Goodbye(std::string, Called) override {}

  std::vector<Announcement> announcements;
  std::vector<Asked<std::pair<ProjectId, Position>, CompareAnswer>> compares;
  std::vector<
      Asked<std::pair<Origin, std::vector<std::uint64_t>>, HistoryAnswer>>
      histories;
  std::vector<Asked<PullRequest, PullAnswer>> pulls;
  std::vector<Asked<Segment, PushAnswer>> pushes;
  std::vector<Asked<StatePush, PushAnswer>> pieces;
  std::vector<Asked<std::vector<Hash>, ChunksAnswer>> chunks;
  std::vector<Stop> stops;
  std::vector<std::uint64_t> lacking;
  std::vector<Origin> copied;
  int hints = 0;
  int pings = 0;
};

}  // namespace syncline::testing
