#include "replication/chain_cuts.h"

#include <catch2/catch.hpp>

#include "kv/memory_store.h"
#include "replication/project_rows.h"

namespace syncline {
namespace {

constexpr ProjectNumber kProject{7};
const Origin kA = *Origin::FromHex("0000000000000000000000000000000a");
const Origin kB = *Origin::FromHex("0000000000000000000000000000000b");

ChainHead Head(const Origin& origin, std::uint64_t counter) {
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
    CutReader reader(store, kProject, {since});
    for (; reader.Valid(); reader.Next()) seqs.push_back(reader.seq().value);
    CHECK(reader.status().ok());
    return seqs;
  }
  MemoryStore store;
  ChainCuts cuts{kProject};
};

using Seqs = std::vector<std::uint64_t>;

TEST_CASE("chain cuts: all that came are there, also those of one origin",
          "[replication]") {
  Cuts cuts;
  cuts.Add(3, {Head(kA, 3)});
  cuts.Add(4, {Head(kA, 4)});
  cuts.Add(9, {Head(kA, 6), Head(kB, 2)});
  CHECK(cuts.Behind(0) == Seqs{3, 4, 9});
  CHECK(cuts.Behind(4) == Seqs{9});
  CHECK(cuts.Behind(9).empty());
  CutReader reader(cuts.store, kProject, {4});
  REQUIRE(reader.heads().size() == 2);
  CHECK(reader.heads()[0].dot == Dot{kA, 6});
  CHECK(reader.heads()[0].signature == Head(kA, 6).signature);
  CHECK(reader.heads()[1].dot == Dot{kB, 2});
}

TEST_CASE("chain cuts: the newest outlive the records that they prove",
          "[replication]") {
  Cuts cuts;
  cuts.Add(10, {Head(kA, 10)});
  cuts.Add(11, {Head(kA, 11)});
  cuts.Add(601, {Head(kA, 501)});
  WriteBatch rows;
  cuts.cuts.Truncate({11}, rows);
  REQUIRE(cuts.store.Write(rows, false).ok());
  CHECK(cuts.Behind(0) == Seqs{601});
  ChainCuts again{kProject};
  REQUIRE(again.Load(cuts.store).ok());
  REQUIRE(again.Newest(kA) != nullptr);
  CHECK(*again.Newest(kA) == Head(kA, 501));
  CHECK(again.Newest(kB) == nullptr);
}

TEST_CASE("chain cuts: what a state proves is kept where it is news",
          "[replication]") {
  Cuts cuts;
  cuts.Add(3, {Head(kA, 3)});
  WriteBatch rows;
  cuts.cuts.Adopt({Head(kA, 2), Head(kB, 7)}, rows);
  REQUIRE(cuts.store.Write(rows, false).ok());
  CHECK(*cuts.cuts.Newest(kA) == Head(kA, 3));
  CHECK(*cuts.cuts.Newest(kB) == Head(kB, 7));
  CHECK(cuts.Behind(0) == Seqs{3});
  ChainCuts again{kProject};
  REQUIRE(again.Load(cuts.store).ok());
  CHECK(*again.Newest(kB) == Head(kB, 7));
}

TEST_CASE("chain cuts: malformed rows are told", "[replication][fault]") {
  Cuts cuts;
  cuts.Add(3, {Head(kA, 3)});
  CutReader good(cuts.store, kProject, {0});
  const std::string prefix = ProjectRowPrefix(kProject, ProjectRow::kCut);
  const std::string seq("\0\0\0\0\0\0\0\3", 8);
  const std::string cut = *cuts.store.Get(Column::kProjects, prefix + seq);
  const std::string key =
      ProjectRowKey(kProject, ProjectRow::kProof, kA.view());
  const std::string proof = *cuts.store.Get(Column::kProjects, key);
  WriteBatch rows;
  rows.Put(Column::kProjects, prefix + seq, cut.substr(1));
  rows.Put(Column::kProjects, key, proof + "x");
  REQUIRE(cuts.store.Write(rows, false).ok());
  CutReader reader(cuts.store, kProject, {0});
  CHECK_FALSE(reader.Valid());
  CHECK(absl::IsDataLoss(reader.status()));
  CHECK(absl::IsDataLoss(cuts.cuts.Load(cuts.store)));
}

}  // namespace
}  // namespace syncline
