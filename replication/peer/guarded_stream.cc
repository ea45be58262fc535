#include "replication/peer/guarded_stream.h"

#include <kj/debug.h>

#include <string_view>
#include <utility>

namespace syncline {
namespace {

class GuardedStream final : public kj::AsyncIoStream {
 public:
  GuardedStream(kj::Own<kj::AsyncIoStream> stream,
                std::shared_ptr<StreamMeter> meter)
      : stream_(kj::mv(stream)), meter_(std::move(meter)) {}

  kj::Promise<size_t> tryRead(void* buffer, size_t min_bytes,
                              size_t max_bytes) override {
    return stream_->tryRead(buffer, min_bytes, max_bytes)
        .then([this, buffer](size_t count) -> kj::Promise<size_t> {
          meter_->received_bytes += count;
          meter_->violation = meter_->guard.Feed(
              std::string_view(static_cast<const char*>(buffer), count));
          if (meter_->violation.ok()) return count;
          return KJ_EXCEPTION(DISCONNECTED, "refused what the peer sent");
        });
  }

  kj::Promise<void> write(const void* buffer, size_t size) override {
    meter_->sent_bytes += size;
    return stream_->write(buffer, size);
  }
  kj::Promise<void> write(
      kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) override {
    for (const auto& piece : pieces) meter_->sent_bytes += piece.size();
    return stream_->write(pieces);
  }

  kj::Promise<void> whenWriteDisconnected() override {
    return stream_->whenWriteDisconnected();
  }
  void shutdownWrite() override { stream_->shutdownWrite(); }
  void abortRead() override { stream_->abortRead(); }
  void getsockopt(int level, int option, void* value,
                  kj::uint* length) override {
    stream_->getsockopt(level, option, value, length);
  }

 private:
  kj::Own<kj::AsyncIoStream> stream_;
  std::shared_ptr<StreamMeter> meter_;
};

}  // namespace

kj::Own<kj::AsyncIoStream> NewGuardedStream(
    kj::Own<kj::AsyncIoStream> stream, std::shared_ptr<StreamMeter> meter) {
  return kj::heap<GuardedStream>(kj::mv(stream), std::move(meter));
}

}  // namespace syncline
