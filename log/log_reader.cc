#include "log/log_reader.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/status.h"
#include "log/log_rows.h"

namespace syncline {
namespace {

// Longer scans would push everything else out of the block cache.
constexpr std::uint64_t kCachedScanMax = 1024;

IterateOptions BoundsOf(ProjectNumber project, const RecordRange& range) {
  const auto [low, high] = std::minmax(range.from, range.to);
  IterateOptions options;
  options.lower_bound = RecordKey(project, low);
  options.upper_bound = RecordKey(project, high.next());
  options.fill_cache = high.value - low.value < kCachedScanMax;
  return options;
}

class LogReader final : public AppendLog::Reader {
 public:
  LogReader(const Store& store, ProjectNumber project, const RecordRange& range)
      : project_(project),
        seq_(range.from),
        to_(range.to),
        rows_(store.NewIterator(Column::kLog, BoundsOf(project, range))) {
    if (Down()) {
      rows_->SeekToLast();
    } else {
      rows_->SeekToFirst();
    }
    Load();
  }

  bool Valid() const override { return valid_; }
  const RecordView& record() const override { return record_; }
  absl::Status status() const override { return status_; }

  void Next() override {
    valid_ = false;
    if (seq_ == to_) return;
    if (Down()) {
      --seq_.value;
      rows_->Prev();
    } else {
      ++seq_.value;
      rows_->Next();
    }
    Load();
  }

 private:
  bool Down() const { return to_ < seq_; }

  void Load() {
    const absl::Status loaded = LoadCurrent();
    valid_ = loaded.ok();
    if (!valid_) {
      status_ = Annotate(loaded, "project " + std::to_string(project_.value) +
                                     ", seq " + std::to_string(seq_.value));
    }
  }

  absl::Status LoadCurrent() {
    if (!rows_->Valid()) {
      SYNCLINE_RETURN_IF_ERROR(rows_->status());
      return DataLoss("record is missing");
    }
    if (!IsRecordKey(rows_->key(), project_, seq_)) {
      return DataLoss("record is missing");
    }
    return DecodeRecord(seq_, rows_->value(), record_);
  }

  const ProjectNumber project_;
  Seq seq_;
  const Seq to_;
  std::unique_ptr<StoreIterator> rows_;
  bool valid_ = false;
  RecordView record_;
  absl::Status status_;
};

class EndedReader final : public AppendLog::Reader {
 public:
  explicit EndedReader(absl::Status status) : status_(std::move(status)) {}
  bool Valid() const override { return false; }
  const RecordView& record() const override { return record_; }
  void Next() override {}
  absl::Status status() const override { return status_; }

 private:
  RecordView record_;
  absl::Status status_;
};

}  // namespace

std::unique_ptr<AppendLog::Reader> NewLogReader(const Store& store,
                                                ProjectNumber project,
                                                const RecordRange& range) {
  return std::make_unique<LogReader>(store, project, range);
}

std::unique_ptr<AppendLog::Reader> NewEndedReader(absl::Status status) {
  return std::make_unique<EndedReader>(std::move(status));
}

}  // namespace syncline
