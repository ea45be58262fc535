#include "replication/peer/chunk_fetcher.h"

#include <boost/asio/post.hpp>
#include <cstdint>
#include <limits>
#include <utility>
#include <variant>

#include "base/status.h"
#include "log/append_log.h"

namespace syncline {
namespace {

// Stores all of it, durably, or nothing.
//   kInvalidArgument  some bytes do not have the hash that was asked for
absl::Status StoreDurably(ChunkStore& store, const std::vector<Hash>& hashes,
                          const std::vector<std::string>& bytes) {
  for (std::size_t i = 0; i < hashes.size(); ++i)
    if (bytes[i].empty() || bytes[i].size() > ChunkStore::kChunkBytesMax ||
        Sha256(bytes[i]) != hashes[i])
      return InvalidArgument("it sent content that does not match " +
                             hashes[i].ToHex());
  std::vector<std::pair<Hash, std::string_view>> hashed;
  for (std::size_t i = 0; i < hashes.size(); ++i)
    hashed.emplace_back(hashes[i], bytes[i]);
  const absl::Status put = store.PutMany(hashed);
  // The bytes were checked: a refusal of them is not the peer's fault.
  if (absl::IsInvalidArgument(put)) return Internal(FromAbsl(put.message()));
  SYNCLINE_RETURN_IF_ERROR(put);
  return store.Sync();
}

}  // namespace

ChunkFetcher::ChunkFetcher(Replica& replica, boost::asio::any_io_executor loop,
                           boost::asio::any_io_executor worker,
                           std::unique_ptr<Timer> retry, Hooks hooks)
    : replica_(replica),
      loop_(std::move(loop)),
      worker_(std::move(worker)),
      hooks_(std::move(hooks)),
      retry_(std::move(retry)) {}

ChunkFetcher::~ChunkFetcher() {
  watch_.reset();
  for (const Hash& hash : taken_) replica_.wants().Release(hash);
}

void ChunkFetcher::Start() {
  watch_ = replica_.wants().OnChange([this] { PumpLater(); });
  PumpLater();
}

void ChunkFetcher::OnMoreContent() {
  missing_.clear();
  PumpLater();
}

void ChunkFetcher::PumpLater() {
  if (pump_posted_ || ended_) return;
  pump_posted_ = true;
  boost::asio::post(loop_, alive_.Guard([this] {
    pump_posted_ = false;
    Pump();
  }));
}

void ChunkFetcher::Pump() {
  // A peer that cannot be asked may say so within the call: then it is asked
  // again after the retry time, not at once.
  while (!ended_ && !failed_ && requests_ < kRequestsMax) {
    if (missing_.size() >= kMissingMax) break;
    std::vector<Hash> asked = TakeSome();
    if (asked.empty()) break;
    ++requests_;
    hooks_.ask(asked,
               alive_.Guard([this, asked](absl::StatusOr<ChunksAnswer> answer) {
                 --requests_;
                 OnAnswer(asked, std::move(answer));
               }));
  }
  // Another session may give back what this peer has: nobody tells us.
  if (!ended_ && requests_ == 0 && replica_.wants().size() > 0) ScheduleRetry();
}

std::vector<Hash> ChunkFetcher::TakeSome() {
  std::vector<Hash> asked;
  std::vector<Hash> put_back;
  std::size_t bytes = 0;
  for (const ContentWants::Want& want :
       replica_.wants().Take(kAskedMax + missing_.size(),
                             std::numeric_limits<std::uint64_t>::max())) {
    const bool fits =
        asked.size() < kAskedMax &&
        (asked.empty() || bytes + want.bytes <= kChunkAnswerBytesMax);
    if (!fits || missing_.contains(want.hash)) {
      put_back.push_back(want.hash);
      continue;
    }
    bytes += want.bytes;
    asked.push_back(want.hash);
  }
  for (const Hash& hash : put_back) replica_.wants().Release(hash);
  taken_.insert(asked.begin(), asked.end());
  return asked;
}

void ChunkFetcher::OnAnswer(const std::vector<Hash>& asked,
                            absl::StatusOr<ChunksAnswer> answer) {
  ChunkResults* results =
      answer.ok() ? std::get_if<ChunkResults>(&*answer) : nullptr;
  if (results == nullptr) {
    failed_ = true;
    for (const Hash& hash : asked) Release(hash);
    ScheduleRetry();
    return;
  }
  if (results->empty())
    return End([hook = hooks_.broken] {
      hook(InvalidArgument("the peer is broken: an empty answer"));
    });
  auto arrival = std::make_shared<Arrival>();
  for (std::size_t i = 0; i < asked.size(); ++i) {
    if (i < results->size() && (*results)[i]) {
      arrival->hashes.push_back(asked[i]);
      arrival->bytes.push_back(*std::move((*results)[i]));
      continue;
    }
    if (i < results->size()) missing_.insert(asked[i]);
    Release(asked[i]);
  }
  if (!arrival->hashes.empty()) Store(std::move(arrival));
  PumpLater();
}

void ChunkFetcher::Store(std::shared_ptr<Arrival> arrival) {
  ++requests_;  // Until it is stored: bounds what waits for the disk.
  auto stored = alive_.Guard([this, arrival](const absl::Status& status) {
    --requests_;
    OnStored(*arrival, status);
  });
  boost::asio::post(worker_, [arrival, loop = loop_, stored = std::move(stored),
                              chunks = &replica_.chunks()]() mutable {
    boost::asio::post(loop, [stored = std::move(stored),
                             status = StoreDurably(*chunks, arrival->hashes,
                                                   arrival->bytes)]() mutable {
      stored(status);
    });
  });
}

void ChunkFetcher::OnStored(const Arrival& arrival,
                            const absl::Status& status) {
  if (!status.ok()) {
    for (const Hash& hash : arrival.hashes) Release(hash);
    std::string text(FromAbsl(status.message()));
    if (absl::IsInvalidArgument(status))
      return End([hook = hooks_.broken, text] {
        hook(InvalidArgument("the peer is broken: " + text));
      });
    const Stop stop{absl::IsResourceExhausted(status) ? Stop::Reason::kFull
                                                      : Stop::Reason::kFailed,
                    text};
    return End([hook = hooks_.stopped, stop] { hook(stop); });
  }
  WriteBatch rows;
  for (const Hash& hash : arrival.hashes) {
    taken_.erase(hash);
    // A malformed list is its author's fault: the payload stays incomplete.
    replica_.wants().Arrived(hash, rows).IgnoreError();
  }
  if (!rows.empty())
    replica_.log().Append({}, std::move(rows), Durability::kBuffered,
                          [](const absl::StatusOr<AppendLog::Appended>&) {});
  PumpLater();
}

void ChunkFetcher::Release(const Hash& hash) {
  if (taken_.erase(hash) > 0) replica_.wants().Release(hash);
}

void ChunkFetcher::End(std::function<void()> hook) {
  if (ended_) return;
  ended_ = true;
  boost::asio::post(loop_, alive_.Guard(std::move(hook)));
}

void ChunkFetcher::ScheduleRetry() {
  if (retry_set_) return;
  retry_set_ = true;
  retry_->Start(kRetryMs, [this] {
    retry_set_ = false;
    failed_ = false;
    missing_.clear();
    PumpLater();
  });
}

}  // namespace syncline
