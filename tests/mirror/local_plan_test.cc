#include "replication/mirror/local_plan.h"

#include <string>

#include <catch2/catch.hpp>

namespace syncline {
namespace {

Fingerprint File(std::uint64_t inode, std::uint64_t size, std::int64_t mtime,
                 std::int64_t ctime = 1) {
  Fingerprint print;
  print.inode = inode;
  print.size = size;
  print.mtime_ns = mtime;
  print.ctime_ns = ctime;
  return print;
}

Fingerprint Dir(std::uint64_t inode) {
  Fingerprint print;
  print.kind = DiskKind::kDirectory;
  print.inode = inode;
  return print;
}

struct Diff {
  DiskDiff diff;
  Diff& Base(const std::string& path, const Fingerprint& print) {
    DiskDifference& at = diff.differences[PathKey(path)];
    at.path = path;
    at.base = BaseStat{*ItemKindOf(print.kind), print};
    return *this;
  }
  Diff& Disk(const std::string& path, const Fingerprint& print) {
    DiskDifference& at = diff.differences[PathKey(path)];
    at.path = path;
    at.disk = print;
    return *this;
  }
};

std::string Print(const LocalPlan& plan) {
  std::string out;
  for (const LocalOp& op : plan.ops) {
    if (!out.empty()) out += "; ";
    const char* const names[] = {"mkdir",  "mv",  "ring", "retype",
                                 "update", "new", "rm"};
    out += names[static_cast<int>(op.step.type)];
    if (!op.step.from.empty()) out += " " + op.step.from;
    out += " " + op.step.path;
    if (op.read) out += " (read)";
  }
  return out;
}

TEST_CASE("local_plan: an edit reads the file", "[mirror][table]") {
  struct Row {
    const char* why;
    Fingerprint before;
    Fingerprint after;
    const char* plan;
  };
  const Row rows[] = {
      {"equal", File(1, 2, 3), File(1, 2, 3), ""},
      {"size", File(1, 2, 3), File(1, 9, 3), "update a (read)"},
      {"mtime", File(1, 2, 3), File(1, 2, 9), "update a (read)"},
      {"mtime was set back: ctime tells", File(1, 2, 3), File(1, 2, 3, 9),
       "update a (read)"},
      {"saved by another inode", File(1, 2, 3), File(7, 2, 3),
       "update a (read)"},
      {"a directory made anew", Dir(1), Dir(2), "update a"},
      {"a file became a directory", File(1, 2, 3), Dir(2), "retype a"},
      {"a directory became a file", Dir(2), File(1, 2, 3), "retype a (read)"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.why);
    Diff diff;
    diff.Base("a", row.before).Disk("a", row.after);
    CHECK(Print(PlanLocal(diff.diff, 10, false)) == row.plan);
  }
}

TEST_CASE("local_plan: renames are found by inode and stamp", "[mirror]") {
  Diff moved;
  moved.Base("a", File(1, 2, 3)).Disk("b", File(1, 2, 3, 9));
  CHECK(Print(PlanLocal(moved.diff, 10, false)) == "mv a b; update b (read)");
  Diff reused;  // The inode was given to a new file.
  reused.Base("a", File(1, 2, 3)).Disk("b", File(1, 2, 4));
  CHECK(Print(PlanLocal(reused.diff, 10, false)) == "new b (read); rm a");
  Diff tree;
  tree.Base("d", Dir(1)).Base("d/f", File(2, 2, 2)).Base("d/g", File(3, 3, 3));
  tree.Disk("e", Dir(1)).Disk("e/f", File(2, 2, 2)).Disk("e/g", File(3, 9, 9));
  CHECK(Print(PlanLocal(tree.diff, 10, false)) == "mv d e; update e/g (read)");
}

TEST_CASE("local_plan: a mass delete is held until it is confirmed",
          "[mirror]") {
  CHECK_FALSE(MassDelete(100, 100));
  CHECK(MassDelete(101, 201));
  CHECK_FALSE(MassDelete(101, 202));
  Diff diff;
  for (int i = 0; i < 150; ++i) {
    diff.Base("f" + std::to_string(i), File(i + 1, 1, 1));
  }
  diff.Disk("new", File(900, 1, 1));
  LocalPlan plan = PlanLocal(diff.diff, 200, false);
  CHECK(plan.held == 150);
  CHECK(Print(plan) == "new new (read)");
  plan = PlanLocal(diff.diff, 200, true);
  CHECK(plan.held == 0);
  CHECK(plan.ops.size() == 151);
  plan = PlanLocal(diff.diff, 1000, false);
  CHECK(plan.ops.size() == 151);
}

}  // namespace
}  // namespace syncline
