// How fast a replica takes in entries that another one made: metadata of small
// files, and documents. Beside it the least log that there can be and RocksDB
// alone, with the same entries.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/thread_pool.hpp>

#include "base/random.h"
#include "base/status.h"
#include "bench/harness.h"
#include "bench/raw_log.h"
#include "bench/rigs.h"
#include "kv/file_content.h"
#include "replication/peer/segment_receiver.h"
#include "replication/segment_check.h"
#include "replication/state/edits.h"

namespace syncline::testing {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kEntries = 50'000;

// A part of a log as a peer sends it.
struct Segment {
  std::string frames;
  std::vector<ChainHead> heads;
  std::vector<std::string> entries;
};

// What one replica made: what the other has already, and what it is to take.
struct History {
  std::vector<Segment> known;
  std::vector<Segment> fresh;
};

// Makes a history by committing on a replica of its own.
class Author {
 public:
  explicit Author(const fs::path& dir) : rig_(dir, "author") {
    for (std::uint64_t i = 0; i < 1024; ++i) {
      payloads_.push_back(Must(HashContent(PayloadText(i))).Encode());
    }
  }

  const CausalState& state() { return rig_.replica().state(); }
  const std::string& Payload(std::size_t number) const {
    return payloads_[number % payloads_.size()];
  }

  void Commit(std::vector<Effect> effects) {
    ++waiting_;
    rig_.Commit(std::move(effects), Durability::kBuffered,
                [this](const absl::Status& status) {
                  Must(status);
                  --waiting_;
                });
    if (waiting_ == 256) Settle();
  }

  void MakeDirectories(std::size_t files) {
    for (std::size_t i = 0; i < files; i += kFilesInDirectory) {
      Commit(Must(CreateEffects(state(), DirectoryOf(i), ItemKind::kDirectory,
                                "", {}, 0)));
    }
  }

  void MakeFile(std::size_t file) {
    Commit(Must(CreateEffects(state(), PathOf(file), ItemKind::kFile,
                              Payload(file), {{"mode", "420"}}, 0)));
  }

  void EditFile(std::size_t file, std::size_t number) {
    const std::optional<Token> seen = Must(state().Read(PathOf(file), false));
    Commit(Must(EditEffects(state(), *seen, Payload(number), {})));
  }

  void PutDocument(std::size_t document, std::size_t number) {
    Commit(Must(DocEffects(state(), "bench",
                           "document-" + std::to_string(document),
                           PayloadText(number % 1024))));
  }

  // The head, once all is written and safe.
  Seq Settle() {
    const auto work = boost::asio::make_work_guard(rig_.io());
    const AppendLog& log = rig_.replica().log();
    rig_.io().restart();
    while (waiting_ > 0 || log.durable() != log.head()) rig_.io().run_one();
    return log.head();
  }

  // What was committed up to `split`, and behind it.
  History Split(Seq split) {
    const Seq head = Settle();
    return {Segments({}, split), Segments(split, head)};
  }

 private:
  std::vector<Segment> Segments(Seq since, Seq until);

  ReplicaRig rig_;
  std::vector<std::string> payloads_;
  std::size_t waiting_ = 0;
};

std::vector<Segment> Author::Segments(Seq since, Seq until) {
  std::vector<Segment> segments;
  AppendLog& log = rig_.replica().log();
  AppendLog::ReadOptions range;
  range.since = since;
  range.until = until;
  const auto reader = log.Read(range);
  for (; reader->Valid(); reader->Next()) {
    const RecordView& record = reader->record();
    if (segments.empty() || segments.back().frames.size() >= kSegmentBytes) {
      segments.emplace_back();
    }
    Segment& segment = segments.back();
    segment.frames += record.frame;
    segment.entries.emplace_back(record.entry);
    segment.heads = {{record.dot, {}, {}}};
  }
  Must(reader->status());
  for (Segment& segment : segments) {
    ChainHead& head = segment.heads.front();
    head = Must(rig_.replica().SignedHead(head.dot));
  }
  return segments;
}

History MakeCreates(Author& author, std::size_t count) {
  author.MakeDirectories(count);
  const Seq split = author.Settle();
  for (std::size_t i = 0; i < count; ++i) author.MakeFile(i);
  return author.Split(split);
}

History MakeUpdates(Author& author, std::size_t count) {
  SeededRandom random(3);
  author.MakeDirectories(count);
  for (std::size_t i = 0; i < count; ++i) author.MakeFile(i);
  const Seq split = author.Settle();
  for (std::size_t i = 0; i < count; ++i) {
    author.EditFile(random.Below(count), i);
  }
  return author.Split(split);
}

History MakeDocuments(Author& author, std::size_t count) {
  SeededRandom random(2);
  for (std::size_t i = 0; i < count; ++i) author.PutDocument(i, i);
  const Seq split = author.Settle();
  for (std::size_t i = 0; i < count; ++i) {
    author.PutDocument(random.Below(count), i + 1);
  }
  return author.Split(split);
}

// ---- contestants

Outcome RunLight(const fs::path& dir, const History& history) {
  boost::asio::io_context io;
  LightLog log(dir, io, false);
  std::size_t count = 0;
  const std::uint64_t start = NowNs();
  for (const Segment& segment : history.fresh) {
    for (const std::string& entry : segment.entries) {
      log.Append(entry, [](const absl::Status& status) { Must(status); });
      ++count;
    }
    io.restart();
    io.run();
  }
  return PerSecond(count, start, NowNs());
}

Outcome RunRaw(const fs::path& dir, const History& history) {
  RawLog log(dir);
  std::uint64_t seq = 0;
  const std::uint64_t start = NowNs();
  for (const Segment& segment : history.fresh) {
    for (const std::string& entry : segment.entries) log.Add(1, ++seq, entry);
    log.Write(false);
  }
  return PerSecond(seq, start, NowNs());
}

// Takes in all as from a peer that sends as much as the window allows.
class Taker {
 public:
  explicit Taker(ReplicaRig& rig)
      : rig_(rig),
        receiver_(rig.replica(), rig.io().get_executor(),
                  worker_.get_executor(), 1, theirs_, time_,
                  {[](const absl::Status& why) { Must(why); },
                   [](const Stop& why) { Must(Internal(why.detail)); }}) {}

  // Gives how many entries it was.
  std::size_t TakeIn(const std::vector<Segment>& segments) {
    const auto work = boost::asio::make_work_guard(rig_.io());
    std::size_t count = 0;
    rig_.io().restart();
    for (const Segment& segment : segments) {
      const std::size_t bytes = segment.frames.size();
      while (under_way_ > 0 && under_way_ + bytes > window_) {
        rig_.io().run_one();
      }
      count += segment.entries.size();
      Push(segment);
      rig_.io().poll();  // Between two messages a loop does what else there is.
    }
    while (under_way_ > 0) rig_.io().run_one();
    return count;
  }

 private:
  void Push(const Segment& segment) {
    syncline::Segment pushed;
    pushed.project = rig_.replica().identity().project;
    pushed.frames = segment.frames;
    pushed.chains = segment.heads;
    pushed.head = 1;  // There is more.
    const std::size_t bytes = pushed.bytes();
    under_way_ += bytes;
    receiver_.OnPush(std::move(pushed),
                     [this, bytes](const absl::StatusOr<PushAnswer>& answer) {
                       window_ =
                           std::get<PushDurable>(Must(answer)).window_bytes;
                       under_way_ -= bytes;
                     });
  }

  ReplicaRig& rig_;
  boost::asio::thread_pool worker_{1};
  SystemTime time_;
  VersionVector theirs_;
  SegmentReceiver receiver_;
  std::size_t window_ = kWindowBytesStart;
  std::size_t under_way_ = 0;
};

// A function of its own for profilers.
[[gnu::noinline]] Outcome TimeTakeIn(Taker& taker,
                                     const std::vector<Segment>& segments) {
  const double cpu = CpuSeconds();
  const std::uint64_t start = NowNs();
  const std::size_t count = taker.TakeIn(segments);
  Outcome outcome = PerSecond(count, start, NowNs());
  outcome.more["cpu_us"] =
      (CpuSeconds() - cpu) * 1e6 / static_cast<double>(count);
  return outcome;
}

Outcome RunSyncline(const fs::path& dir, const History& history) {
  ReplicaRig rig(dir, "taker");
  Taker taker(rig);
  taker.TakeIn(history.known);
  rig.Flush();
  return TimeTakeIn(taker, history.fresh);
}

void Compare(const BenchOptions& options, std::string_view what,
             History (*make)(Author& author, std::size_t count)) {
  const std::string name = "apply/" + std::string(what);
  if (!options.Wants(name)) return;
  const RoundDirectory directory(options.dir);
  Author author(directory.path());
  const History history = make(author, options.Scaled(kEntries));
  Contest contest(options, name, "entries/s");
  contest.Ceiling("light",
                  [&](const fs::path& dir) { return RunLight(dir, history); });
  contest.Ceiling("raw",
                  [&](const fs::path& dir) { return RunRaw(dir, history); });
  contest.Entrant("syncline", [&](const fs::path& dir) {
    return RunSyncline(dir, history);
  });
  contest.Decide();
}

int Main(const BenchOptions& options) {
  Compare(options, "create", MakeCreates);
  Compare(options, "update", MakeUpdates);
  Compare(options, "document", MakeDocuments);
  return 0;
}

}  // namespace
}  // namespace syncline::testing

int main(int argc, char** argv) {
  using syncline::testing::ParseBenchOptions;
  return syncline::testing::Main(ParseBenchOptions(argc, argv));
}
