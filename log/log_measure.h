#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "absl/status/statusor.h"
#include "kv/keys.h"
#include "kv/store.h"
#include "log/retention.h"

namespace syncline {

// Measures the records of `project` behind `horizon` up to `durable` in a
// store, for a worker thread: blocks on the disk, and needs no log. Borrows
// `store`.
//
// Age    By the clock of an entry's author, as `time_of` reads it from the
//        entry's bytes. Records are looked at in order from the oldest: the
//        first one that is young keeps all behind it.
// Bytes  An estimate from runs of records at even distances, 1024 records at
//        most; exact for a log of no more than those.
class StoreMeasure final : public LogMeasure {
 public:
  using TimeOf =
      std::function<absl::StatusOr<std::int64_t>(std::string_view entry)>;

  StoreMeasure(const Store& store, ProjectNumber project, Seq horizon,
               Seq durable, TimeOf time_of)
      : store_(store),
        project_(project),
        horizon_(horizon),
        durable_(durable),
        time_of_(std::move(time_of)) {}

  //   kDataLoss  a damaged record: nothing is dropped until `verify` was run
  absl::StatusOr<Seq> OlderThrough(Seq since, Seq until,
                                   std::int64_t before_ms) override;
  absl::StatusOr<Seq> BeyondBytes(std::uint64_t bytes) override;

  // What the records up to `through` take, about.
  absl::StatusOr<std::uint64_t> BytesThrough(Seq through) const;

 private:
  // Of records that follow one another.
  [[nodiscard]] absl::StatusOr<std::uint64_t> BytesOf(
      Seq first, std::uint64_t count) const;

  const Store& store_;
  const ProjectNumber project_;
  const Seq horizon_;
  const Seq durable_;
  const TimeOf time_of_;
};

}  // namespace syncline
