#include "proto/event_reader.h"

#include <capnp/message.h>

#include <cstring>
#include <vector>

#include "base/status.h"
#include "clock/hybrid_clock.h"
#include "log/frame.h"
#include "proto/entry.capnp.h"
#include "proto/kj_status.h"
#include "proto/words.h"

namespace syncline {

struct EventReader::Impl {
  // The words of `entry`, copied where they are not aligned.
  kj::ArrayPtr<const capnp::word> Words(std::string_view entry) {
    const std::size_t count = entry.size() / kWord;
    if (reinterpret_cast<std::uintptr_t>(entry.data()) % kWord == 0) {
      return {reinterpret_cast<const capnp::word*>(entry.data()), count};
    }
    if (aligned.size() < count) {
      aligned = kj::heapArray<capnp::word>(count + count / 2);
    }
    std::memcpy(aligned.begin(), entry.data(), entry.size());
    return aligned.slice(0, count);
  }

  void Collect(kj::ArrayPtr<const capnp::word> words) {
    const kj::ArrayPtr<const capnp::word> segments[] = {words};
    capnp::ReaderOptions options;
    // Cap'n Proto counts the root pointer twice.
    options.traversalLimitInWords = words.size() + 1;
    capnp::SegmentArrayMessageReader message(segments, options);
    const auto entry = message.getRoot<wire::Entry>();
    time_ms = static_cast<std::int64_t>(Hlc{entry.getHlc()}.milliseconds());
    for (const auto effect : entry.getEffects()) {
      if (!effect.isEvent()) continue;
      const auto event = effect.getEvent();
      events.push_back({View(event.getTopic()), View(event.getPayload())});
    }
  }

  kj::Array<capnp::word> aligned;
  std::vector<EventView> events;
  std::int64_t time_ms = 0;
};

EventReader::EventReader() : impl_(std::make_unique<Impl>()) {}
EventReader::~EventReader() = default;
EventReader::EventReader(EventReader&&) noexcept = default;
EventReader& EventReader::operator=(EventReader&&) noexcept = default;

absl::StatusOr<std::span<const EventView>> EventReader::Read(
    const RecordView& record) {
  const std::string_view entry = record.entry;
  impl_->events.clear();
  if (record.joined()) {
    impl_->time_ms = record.joined_ms;
    return std::span<const EventView>();
  }
  if (entry.size() % kWord != 0 || entry.size() > kEntryBytesMax) {
    return InvalidArgument("malformed entry: its length");
  }
  const absl::Status read =
      CatchKj([&] { impl_->Collect(impl_->Words(entry)); });
  if (!read.ok()) return InvalidArgument(FromAbsl(read.message()));
  return std::span<const EventView>(impl_->events);
}

std::int64_t EventReader::time_ms() const { return impl_->time_ms; }

}  // namespace syncline
