// How fast a log of 1,000,000 entries is read from its beginning, by each way
// of reading, beside RocksDB's iterator over the same store.

#include <rocksdb/iterator.h>

#include <string>

#include "bench/harness.h"
#include "bench/raw_log.h"
#include "bench/rigs.h"
#include "log/record_span.h"
#include "log/subscription.h"

namespace syncline::testing {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kEntries = 1'000'000;
constexpr std::size_t kSpanBytes = 256u << 10;

// What a consumer does with an entry at the least.
class Consumer {
 public:
  void Take(std::string_view entry) {
    ++count_;
    sum_ += static_cast<unsigned char>(entry[entry.size() / 2]);
  }
  // Since `start_ns`; all of `entries` must have come.
  [[nodiscard]] Outcome End(std::size_t entries, std::uint64_t start_ns) const {
    Outcome outcome = PerSecond(entries, start_ns, NowNs());
    if (count_ != entries || sum_ == 0) {
      Must(absl::InternalError("read " + std::to_string(count_) + " entries"));
    }
    return outcome;
  }

 private:
  std::size_t count_ = 0;
  std::uint64_t sum_ = 0;
};

Outcome RunIterator(const fs::path& store, std::size_t entries) {
  const RawLog log(store / "store");
  Consumer consumer;
  const std::uint64_t start = NowNs();
  const auto iterator = log.Iterate(kBenchProject.value);
  for (; iterator->Valid(); iterator->Next()) {
    consumer.Take({iterator->value().data(), iterator->value().size()});
  }
  return consumer.End(entries, start);
}

Outcome RunReader(const fs::path& store, std::size_t entries) {
  LogRig rig(store);
  Consumer consumer;
  const std::uint64_t start = NowNs();
  const auto reader = rig.log().Read({});
  for (; reader->Valid(); reader->Next()) {
    consumer.Take(reader->record().entry);
  }
  Must(reader->status());
  return consumer.End(entries, start);
}

// `walk`: looks at each record; otherwise takes the spans as they are.
Outcome RunSubscription(const fs::path& store, std::size_t entries, bool walk) {
  LogRig rig(store);
  Consumer consumer;
  const std::uint64_t start = NowNs();
  const auto subscription =
      rig.log().Subscribe({}, Visibility::kDurable, [] {});
  std::size_t seen = 0;
  while (seen < entries) {
    const RecordSpan span = Must(subscription->Next(kSpanBytes));
    seen = span.last.value;
    if (!walk) continue;
    RecordWalk records(span);
    for (; records.Valid(); records.Next()) {
      consumer.Take(records.record().entry);
    }
    Must(records.status());
  }
  return walk ? consumer.End(entries, start) : PerSecond(seen, start, NowNs());
}

int Main(const BenchOptions& options) {
  const std::size_t entries = options.Scaled(kEntries);
  const RoundDirectory directory(options.dir);
  const fs::path& store = directory.path();
  {
    LogRig rig(store);
    rig.Fill(entries);
    Must(rig.store().Compact(Column::kLog, {}, {}));
  }
  PrintValue("replay/stored",
             DirectoryBytes(store) / static_cast<double>(entries),
             "bytes/entry");
  Contest contest(options, "replay", "entries/s");
  contest.Ceiling("iterator",
                  [&](const fs::path&) { return RunIterator(store, entries); });
  contest.Entrant("reader",
                  [&](const fs::path&) { return RunReader(store, entries); });
  contest.Entrant("subscription", [&](const fs::path&) {
    return RunSubscription(store, entries, true);
  });
  contest.Entrant("spans", [&](const fs::path&) {
    return RunSubscription(store, entries, false);
  });
  contest.Decide();
  return 0;
}

}  // namespace
}  // namespace syncline::testing

int main(int argc, char** argv) {
  using syncline::testing::ParseBenchOptions;
  return syncline::testing::Main(ParseBenchOptions(argc, argv));
}
