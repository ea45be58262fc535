// Changes a project in the directory given until it is killed, or until it has
// made as many changes as it should: see kill_test.cc. Beside `top/home` stand
// `acked`, what was acknowledged, and `seen`, what a subscriber that resumes
// from there was given.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "kv/rocks_store.h"
#include "log/record_span.h"
#include "log/subscription.h"
#include "tests/faults/system_calls.h"
#include "tests/faults/whole_path.h"

namespace syncline::testing {
namespace {

[[noreturn]] void Fail(const absl::Status& status) {
  const std::string text = status.ToString() + "\n";
  WriteUnseen(STDERR_FILENO, text);
  std::_Exit(2);
}

class MarkFile {
 public:
  explicit MarkFile(const std::filesystem::path& path)
      : file_(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
                   0600)) {}
  void Add(const Mark& mark) const { WriteUnseen(file_, mark.Encode()); }

 private:
  const int file_;
};

class Writer {
 public:
  Writer(WholePath& path, const std::filesystem::path& directory,
         std::uint64_t seed, std::uint64_t changes)
      : path_(path),
        random_(seed),
        left_(changes),
        acked_(directory / "acked"),
        seen_(directory / "seen") {
    const Seq cursor = {Mark::ReadAll(directory / "seen").size()};
    subscription_ = path.replica().log().Subscribe(cursor, Visibility::kWritten,
                                                   [this] { Deliver(); });
    Deliver();
  }

  void Change() {
    if (left_ == 0) return;
    --left_;
    const Durability durability =
        random_.Below(2) == 0 ? Durability::kDurable : Durability::kBuffered;
    const absl::Status status =
        path_.Change(random_, durability,
                     [this](const Mark& mark, const absl::Status& done) {
                       if (!done.ok()) Fail(done);
                       acked_.Add(mark);
                       NoteInTrace("acked");
                       Change();
                     });
    if (!status.ok()) Fail(status);
    path_.Tidy(random_);
  }

 private:
  void Deliver() {
    for (;;) {
      const auto span = subscription_->Next(4'000);
      if (!span.ok()) Fail(span.status());
      if (span->empty()) return;
      RecordWalk walk(span->first, span->bytes);
      for (; walk.Valid(); walk.Next()) {
        seen_.Add(Mark::Of(walk.record()));
      }
      if (!walk.status().ok()) Fail(walk.status());
    }
  }

  WholePath& path_;
  SeededRandom random_;
  std::uint64_t left_;
  const MarkFile acked_;
  const MarkFile seen_;
  std::unique_ptr<Subscription> subscription_;
};

int Main(const std::filesystem::path& directory, std::uint64_t seed,
         std::uint64_t changes) {
  const std::filesystem::path home = directory / "top" / "home";
  auto store = RocksStore::Open(home / "store");
  if (!store.ok()) Fail(store.status());
  auto path = WholePath::Open(home, *std::move(store));
  if (!path.ok()) Fail(path.status());
  Writer writer(**path, directory, seed, changes);
  for (int i = 0; i < 6; ++i) writer.Change();
  (*path)->io().run();
  return 0;
}

}  // namespace
}  // namespace syncline::testing

int main(int argc, char** argv) {
  return argc == 4 ? syncline::testing::Main(argv[1],
                                             std::strtoull(argv[2], nullptr, 0),
                                             std::strtoull(argv[3], nullptr, 0))
                   : 1;
}
