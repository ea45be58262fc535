// Appends to the log in the directory given, and writes each seq that was
// acknowledged to its output, until it is killed: see kill_test.cc.
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string>

#include "base/random.h"
#include "kv/rocks_store.h"
#include "log/append_log.h"
#include "log/commit_queue.h"
#include "tests/log/drafts.h"

namespace syncline {
namespace {

class Writer {
 public:
  Writer(AppendLog& log, std::uint64_t seed) : log_(log), random_(seed) {}

  void Append() {
    const Origin origin = testing::OriginOf(random_.Below(3));
    const std::uint64_t next = log_.frontier().CounterOf(origin) + 1;
    const testing::OwnedDrafts drafts =
        testing::DraftsOf(origin, next, 1 + random_.Below(3));
    WriteBatch rows;
    rows.Put(Column::kHeads, "covered",
             std::to_string(log_.head().value + drafts.size()));
    log_.Append(
        Views(drafts), rows,
        random_.Below(2) == 0 ? Durability::kDurable : Durability::kBuffered,
        [this](const absl::StatusOr<AppendLog::Appended>& appended) {
          Acknowledge(appended);
        });
  }

 private:
  void Acknowledge(const absl::StatusOr<AppendLog::Appended>& appended) {
    if (!appended.ok()) std::_Exit(1);
    const std::uint64_t seq = appended->last.value;
    if (write(STDOUT_FILENO, &seq, sizeof seq) != sizeof seq) std::_Exit(1);
    Append();
  }

  AppendLog& log_;
  SeededRandom random_;
};

int Main(const std::string& directory, std::uint64_t seed) {
  auto store = RocksStore::Open(directory);
  if (!store.ok()) return 1;
  SyncThread sync_thread;
  boost::asio::io_context io;
  CommitQueue commits(**store, sync_thread, io.get_executor());
  SeededRandom random(1);
  auto log = AppendLog::Open(commits, ProjectNumber{7}, random, {});
  if (!log.ok()) return 1;
  Writer writer(**log, seed);
  for (int i = 0; i < 8; ++i) writer.Append();
  io.run();
  return 1;
}

}  // namespace
}  // namespace syncline

int main(int argc, char** argv) {
  return argc == 3 ? syncline::Main(argv[1], std::strtoull(argv[2], nullptr, 0))
                   : 1;
}
