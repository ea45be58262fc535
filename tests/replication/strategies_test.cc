#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <deque>
#include <set>

#include "kv/memory_store.h"
#include "proto/entry_codec.h"
#include "replication/replica.h"
#include "tests/testing/replica_rig.h"

namespace syncline {
namespace {

using testing::ReplicaRig;

// How a device resolves: each strategy, and a merge of the embedder's own.
struct Way {
  Strategy strategy;
  bool own_merge;
  [[nodiscard]] bool writes() const {
    return strategy != Strategy::kManual && strategy != Strategy::kSkip;
  }
};

const std::vector<Way>& Ways() {
  static const std::vector<Way> kWays = {
      {Strategy::kLocalWins, false},  {Strategy::kRemoteWins, false},
      {Strategy::kNewestWins, false}, {Strategy::kKeepBoth, false},
      {Strategy::kMerge, false},      {Strategy::kManual, false},
      {Strategy::kSkip, false},       {Strategy::kMerge, true}};
  return kWays;
}

Replica::Options OptionsOf(const Way& way) {
  Replica::Options options;
  options.strategy = way.strategy;
  if (way.own_merge) {
    options.merge = [](const MergeInput& in) {
      return std::max(in.first, in.second) + "and\n" +
             std::min(in.first, in.second);
    };
  }
  return options;
}

// The bytes of all siblings at `path`.
std::set<std::string> Siblings(ReplicaRig& rig, std::string_view path) {
  std::set<std::string> values;
  const auto row = *rig->state().Lookup(path);
  if (!row) return values;
  for (const Sibling& sibling : row->siblings) {
    values.insert(FileContent::Decode(sibling.payload())->hash.ToHex());
  }
  return values;
}

// Entries that strategies made.
std::uint64_t AutomaticEntries(ReplicaRig& rig) {
  std::uint64_t count = 0;
  auto reader = rig->log().Read({});
  for (; reader->Valid(); reader->Next()) {
    if (DecodeEntry(reader->record().entry)->entry.generation() > 0) ++count;
  }
  return count;
}

// Whether a value is one that some record of the log has.
bool InHistory(ReplicaRig& rig, std::string_view bytes) {
  const std::string payload = HashContent(bytes)->Encode();
  auto reader = rig->log().Read({});
  for (; reader->Valid(); reader->Next()) {
    const DecodedEntry decoded = *DecodeEntry(reader->record().entry);
    for (const Effect& effect : decoded.entry.effects) {
      const auto* content = std::get_if<ContentEffect>(&effect);
      if (content != nullptr && content->payload == payload) return true;
    }
  }
  return false;
}

// Three devices edit one file apart, with the given ways, and meet.
void EditApart(const std::vector<Way>& ways, bool text) {
  boost::asio::io_context io;
  std::deque<MemoryStore> stores(ways.size());
  std::deque<ReplicaRig> rigs;
  const std::string names[] = {"a", "bb", "ccc"};
  for (std::size_t i = 0; i < ways.size(); ++i) {
    rigs.emplace_back(io, stores[i], names[i], OptionsOf(ways[i]));
  }
  const auto everybody_pulls = [&] {
    for (std::size_t i = 0; i < rigs.size(); ++i) {
      for (std::size_t k = 0; k < rigs.size(); ++k) {
        if (i != k) rigs[i].PullFrom(rigs[k]);
      }
    }
  };
  std::vector<std::string> lines = {"1\n", "2\n", "3\n", "4\n", "5\n", "6\n"};
  const auto joined = [&](std::size_t edited) {
    std::string all(text ? "" : "\0", text ? 0 : 1);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      all += i == edited ? "edited\n" : lines[i];
    }
    return all;
  };
  rigs[0].Put("f", joined(lines.size()));
  everybody_pulls();
  std::vector<std::string> edits;
  for (std::size_t i = 0; i < rigs.size(); ++i) {
    rigs[i].time().now_ms += 1000 * static_cast<std::int64_t>(i);
    edits.push_back(joined(2 * i));
    rigs[i].Put("f", edits.back());
  }
  for (int round = 0; round < 6; ++round) everybody_pulls();
  for (ReplicaRig& rig : rigs) {
    REQUIRE(rig->log().frontier() == rigs[0]->log().frontier());
    REQUIRE(rig->state().Digest() == rigs[0]->state().Digest());
    CHECK(rig.Names("") == rigs[0].Names(""));
    CHECK(Siblings(rig, "f") == Siblings(rigs[0], "f"));
    // Human heads that ever were in conflict, times devices.
    CHECK(AutomaticEntries(rig) <= edits.size() * rigs.size());
    for (const std::string& edit : edits) CHECK(InHistory(rig, edit));
    CHECK(rig->wants().size() == 0);
  }
  const bool anybody = std::any_of(ways.begin(), ways.end(),
                                   [](const Way& way) { return way.writes(); });
  CHECK(rigs[0]->state().Conflicts()->empty() == anybody);
  if (!anybody) CHECK(Siblings(rigs[0], "f").size() == edits.size());
}

TEST_CASE("strategies: every one alone ends equal on three devices",
          "[replication][sim]") {
  const std::size_t way = GENERATE(range(std::size_t{0}, std::size_t{8}));
  const bool text = GENERATE(false, true);
  INFO(StrategyName(Ways()[way].strategy) << (text ? " text" : " bytes"));
  EditApart({Ways()[way], Ways()[way], Ways()[way]}, text);
}

TEST_CASE("strategies: every pair of different ones ends equal",
          "[replication][sim]") {
  const std::size_t first = GENERATE(range(std::size_t{0}, std::size_t{8}));
  const std::size_t second = GENERATE(range(std::size_t{0}, std::size_t{8}));
  const std::size_t third = GENERATE(std::size_t{5}, std::size_t{4});
  INFO(StrategyName(Ways()[first].strategy)
       << " with " << StrategyName(Ways()[second].strategy) << " and "
       << StrategyName(Ways()[third].strategy));
  EditApart({Ways()[first], Ways()[second], Ways()[third]}, true);
}

}  // namespace
}  // namespace syncline
