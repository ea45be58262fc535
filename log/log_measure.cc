#include "log/log_measure.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "base/status.h"
#include "log/log_reader.h"

namespace syncline {
namespace {

constexpr std::uint64_t kStrata = 256;
constexpr std::uint64_t kSampleRecords = 4;  // Of each stratum.

// A part of the log whose records are taken to be as large as its sample.
struct Stratum {
  Seq first;
  std::uint64_t count = 0;
  std::uint64_t sampled = 0;
};

std::vector<Stratum> StrataOf(Seq since, Seq until) {
  std::vector<Stratum> strata;
  const std::uint64_t count = until.value - since.value;
  const std::uint64_t parts =
      std::min(kStrata, (count + kSampleRecords - 1) / kSampleRecords);
  Seq first = since.next();
  for (std::uint64_t i = 0; i < parts; ++i) {
    const std::uint64_t left = until.value + 1 - first.value;
    const std::uint64_t size = left / (parts - i);
    strata.push_back({first, size, std::min(size, kSampleRecords)});
    first.value += size;
  }
  return strata;
}

}  // namespace

absl::StatusOr<Seq> StoreMeasure::OlderThrough(Seq since, Seq until,
                                               std::int64_t before_ms) {
  if (until <= since) return since;
  const auto reader = NewLogReader(store_, project_, {since.next(), until});
  Seq older = since;
  for (; reader->Valid(); reader->Next()) {
    const RecordView& record = reader->record();
    std::int64_t time_ms = record.joined_ms;
    if (!record.joined()) {
      SYNCLINE_ASSIGN_OR_RETURN(time_ms, time_of_(record.entry));
    }
    if (time_ms >= before_ms) return older;
    older = record.seq;
  }
  SYNCLINE_RETURN_IF_ERROR(reader->status());
  return older;
}

absl::StatusOr<std::uint64_t> StoreMeasure::BytesOf(Seq first,
                                                    std::uint64_t count) const {
  const Seq last{first.value + count - 1};
  std::uint64_t bytes = 0;
  const auto reader = NewLogReader(store_, project_, {first, last});
  for (; reader->Valid(); reader->Next()) {
    const RecordView& record = reader->record();
    bytes += record.frame.size() + record.changes.size() + Origin::kBytes;
  }
  SYNCLINE_RETURN_IF_ERROR(reader->status());
  return bytes;
}

absl::StatusOr<Seq> StoreMeasure::BeyondBytes(std::uint64_t bytes) {
  if (durable_ <= horizon_) return Seq{};
  std::uint64_t room = bytes;
  const std::vector<Stratum> strata = StrataOf(horizon_, durable_);
  for (auto each = strata.rbegin(); each != strata.rend(); ++each) {
    SYNCLINE_ASSIGN_OR_RETURN(const std::uint64_t sample,
                              BytesOf(each->first, each->sampled));
    const std::uint64_t average = std::max<std::uint64_t>(
        1, (sample + each->sampled - 1) / each->sampled);
    const std::uint64_t fit = room / average;
    if (fit < each->count) {
      return Seq{each->first.value + each->count - 1 - fit};
    }
    room -= each->count * average;
  }
  return Seq{};
}

absl::StatusOr<std::uint64_t> StoreMeasure::BytesThrough(Seq through) const {
  if (through <= horizon_) return std::uint64_t{0};
  std::uint64_t bytes = 0;
  for (const Stratum& each : StrataOf(horizon_, std::min(through, durable_))) {
    SYNCLINE_ASSIGN_OR_RETURN(const std::uint64_t sample,
                              BytesOf(each.first, each.sampled));
    bytes += sample * each.count / each.sampled;
  }
  return bytes;
}

}  // namespace syncline
