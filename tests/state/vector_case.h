#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/state/test_replica.h"
#include "tests/state/vector_json.h"

namespace syncline::testing {

// Executes one line of a vector file on the real engine. The log's part
// (truncation, what is durable, what is served) is played here.
class VectorCase {
 public:
  // `seed` decides when replicas flush and crash in between.
  VectorCase(const std::string& line, std::uint64_t seed);

  // Empty, or where and how the engine differs first.
  std::string Run();
  std::uint64_t steps() const { return steps_; }
  std::uint64_t crashes() const;
  std::uint64_t flushes() const;
  std::string name() const;

 private:
  struct Replica {
    std::unique_ptr<TestReplica> engine;
    std::vector<Entry> log;
    VersionVector truncated;
    VersionVector durable;
  };
  using Object = boost::json::object;

  std::string Step(const Object& step);
  std::string ApplyStep(Replica& me, const Object& step, std::int64_t now);
  std::string CommitStep(Replica& me, const Object& step, std::int64_t now);
  std::string ResolveStep(Replica& me, const Object& step, std::int64_t now);
  std::string JoinStep(Replica& me, const Object& step, std::int64_t now);
  std::string ServeStep(Replica& me, const Object& step);
  std::string LoadStep(const Object& step);
  std::string ExpectStep(Replica& me, const Object& step);
  std::string Make(Replica& me, absl::StatusOr<std::vector<Effect>> effects,
                   const std::string& cause, const Entry* expected,
                   std::int64_t now);
  absl::StatusOr<std::vector<Effect>> Perform(const Replica& me,
                                              const Object& intent);
  std::string CompareView(Replica& me, const Object& expected);
  std::string CompareDocs(Replica& me, const Object& expected);
  std::string CompareDigest(Replica& me, const std::string& expected);
  const Entry* EntryOf(const Object& step) const;

  boost::json::object case_;
  std::uint64_t seed_;
  std::vector<Entry> entries_;
  std::vector<Replica> replicas_;
  std::map<std::string, Replica> saved_;
  // The vectors' digests name states; ours must tell the same apart.
  std::map<std::string, std::string> digests_;
  std::map<std::string, std::string> digests_back_;
  std::uint64_t steps_ = 0;
};

// A line of functions.jsonl; empty, or the difference.
std::string CheckFunction(const std::string& line);

}  // namespace syncline::testing
