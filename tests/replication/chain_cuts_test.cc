#include "replication/chain_cuts.h"

#include <catch2/catch.hpp>

#include "kv/memory_store.h"
#include "replication/project_rows.h"

namespace syncline {
namespace {

constexpr ProjectNumber kCutsProject{7};
const Origin kA = *Origin::FromHex("0000000000000000000000000000000a");
const Origin kB = *Origin::FromHex("0000000000000000000000000000000b");

ChainHead ChainHeadOf(const Origin& origin, std::uint64_t counter) {
  const std::string text = origin.ToHex() + std::to_string(counter);
  return {{origin, counter},
          Sha256(text),
          std::string(Sha256("a", text).view()) +
              std::string(Sha256("b", text).view())};
}

struct Cuts {
  void Add(std::uint64_t last, const std::vector<ChainHead>& heads) {
    WriteBatch rows;
    cuts.Add({last}, heads, rows);
    REQUIRE(store.Write(rows, false).ok());
  }
  std::vector<std::uint64_t> Behind(std::uint64_t since) {
    std::vector<std::uint64_t> seqs;
    CutReader reader(store, kCutsProject, {since});
    for (; reader.Valid(); reader.Next()) seqs.push_back(reader.seq().value);
    CHECK(reader.status().ok());
    return seqs;
  }
  MemoryStore store;
  ChainCuts cuts{kCutsProject};
};

using Seqs = std::vector<std::uint64_t>;

TEST_CASE("chain cuts: all that came are there, also those of one origin",
          "[replication]") {
  Cuts cuts;
  cuts.Add(3, {ChainHeadOf(kA, 3)});
  cuts.Add(4, {ChainHeadOf(kA, 4)});
  cuts.Add(9, {ChainHeadOf(kA, 6), ChainHeadOf(kB, 2)});
  CHECK(cuts.Behind(0) == Seqs{3, 4, 9});
  CHECK(cuts.Behind(4) == Seqs{9});
  CHECK(cuts.Behind(9).empty());
  CutReader reader(cuts.store, kCutsProject, {4});
  REQUIRE(reader.heads().size() == 2);
  CHECK(reader.heads()[0].dot == Dot{kA, 6});
  CHECK(reader.heads()[0].signature == ChainHeadOf(kA, 6).signature);
  CHECK(reader.heads()[1].dot == Dot{kB, 2});
}

TEST_CASE("chain cuts: the newest outlive the records that they prove",
          "[replication]") {
  Cuts cuts;
  cuts.Add(10, {ChainHeadOf(kA, 10)});
  cuts.Add(11, {ChainHeadOf(kA, 11)});
  cuts.Add(601, {ChainHeadOf(kA, 501)});
  WriteBatch rows;
  cuts.cuts.Truncate({11}, rows);
  REQUIRE(cuts.store.Write(rows, false).ok());
  CHECK(cuts.Behind(0) == Seqs{601});
  ChainCuts again{kCutsProject};
  REQUIRE(again.Load(cuts.store).ok());
  REQUIRE(again.Newest(kA) != nullptr);
  CHECK(*again.Newest(kA) == ChainHeadOf(kA, 501));
  CHECK(again.Newest(kB) == nullptr);
}

TEST_CASE("chain cuts: what a state proves is kept where it is news",
          "[replication]") {
  Cuts cuts;
  cuts.Add(3, {ChainHeadOf(kA, 3)});
  WriteBatch rows;
  cuts.cuts.Adopt({ChainHeadOf(kA, 2), ChainHeadOf(kB, 7)}, rows);
  REQUIRE(cuts.store.Write(rows, false).ok());
  CHECK(*cuts.cuts.Newest(kA) == ChainHeadOf(kA, 3));
  CHECK(*cuts.cuts.Newest(kB) == ChainHeadOf(kB, 7));
  CHECK(cuts.Behind(0) == Seqs{3});
  ChainCuts again{kCutsProject};
  REQUIRE(again.Load(cuts.store).ok());
  CHECK(*again.Newest(kB) == ChainHeadOf(kB, 7));
}

TEST_CASE("chain cuts: malformed rows are told", "[replication][fault]") {
  Cuts cuts;
  cuts.Add(3, {ChainHeadOf(kA, 3)});
  CutReader good(cuts.store, kCutsProject, {0});
  const std::string prefix = ProjectRowPrefix(kCutsProject, ProjectRow::kCut);
  const std::string seq("\0\0\0\0\0\0\0\3", 8);
  const std::string cut = *cuts.store.Get(Column::kProjects, prefix + seq);
  const std::string key =
      ProjectRowKey(kCutsProject, ProjectRow::kProof, kA.view());
  const std::string proof = *cuts.store.Get(Column::kProjects, key);
  WriteBatch rows;
  rows.Put(Column::kProjects, prefix + seq, cut.substr(1));
  rows.Put(Column::kProjects, key, proof + "x");
  REQUIRE(cuts.store.Write(rows, false).ok());
  CutReader reader(cuts.store, kCutsProject, {0});
  CHECK_FALSE(reader.Valid());
  CHECK(absl::IsDataLoss(reader.status()));
  CHECK(absl::IsDataLoss(cuts.cuts.Load(cuts.store)));
}

}  // namespace
}  // namespace syncline
