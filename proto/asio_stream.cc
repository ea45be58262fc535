#include "proto/asio_stream.h"

#include <kj/debug.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/status.h"
#include "proto/socket_calls.h"

namespace syncline {
namespace {

using boost::asio::posix::stream_descriptor;
using boost::system::error_code;
using Pieces = kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>>;

constexpr std::size_t kReadBufferBytes = 64u << 10;
constexpr std::size_t kCorkMessageBytes = 8u << 10;
constexpr std::size_t kCorkBytes = 64u << 10;

std::size_t TotalSize(Pieces pieces) {
  std::size_t total = 0;
  for (const auto& piece : pieces) total += piece.size();
  return total;
}

class AsioStream final : public kj::AsyncIoStream {
 public:
  AsioStream(KjLoop& loop, stream_descriptor descriptor,
             const AsioStreamOptions& options)
      : loop_(loop),
        descriptor_(std::move(descriptor)),
        window_bytes_(options.window_bytes) {}

  ~AsioStream() {
    if (read_ != nullptr) read_->Fail(Gone());
    if (write_ != nullptr) write_->Fail(Gone());
    Flush();
  }

  kj::Promise<std::size_t> tryRead(void* buffer, std::size_t min_bytes,
                                   std::size_t max_bytes) override;
  kj::Promise<void> write(const void* buffer, std::size_t size) override;
  kj::Promise<void> write(Pieces pieces) override;
  kj::Promise<void> whenWriteDisconnected() override;
  void shutdownWrite() override;
  void abortRead() override { ::shutdown(fd(), SHUT_RD); }

  void getsockopt(int level, int option, void* value,
                  kj::uint* length) override;
  void setsockopt(int level, int option, const void* value,
                  kj::uint length) override;

 private:
  // A tryRead() that waits. Its owner, the promise, may drop it at any time.
  class Read {
   public:
    Read(kj::PromiseFulfiller<std::size_t>& done, AsioStream& stream,
         kj::byte* at, std::size_t min_bytes, std::size_t max_bytes)
        : done_(done),
          stream_(&stream),
          at_(at),
          min_bytes_(min_bytes),
          max_bytes_(max_bytes) {
      stream.read_ = this;
      Continue();
    }
    ~Read() {
      if (stream_ != nullptr) stream_->read_ = nullptr;
    }
    void Continue();
    void Fail(kj::Exception&& exception) {
      Detach();
      done_.reject(kj::mv(exception));
    }

   private:
    void Finish() {
      Detach();
      done_.fulfill(std::size_t{got_bytes_});
    }
    void Detach() { std::exchange(stream_, nullptr)->read_ = nullptr; }

    kj::PromiseFulfiller<std::size_t>& done_;
    AsioStream* stream_;
    kj::byte* const at_;
    const std::size_t min_bytes_;
    const std::size_t max_bytes_;
    std::size_t got_bytes_ = 0;
  };

  // A write() that does not fit the cork; `rest` is the caller's, as long as
  // this lives.
  class Write {
   public:
    Write(kj::PromiseFulfiller<void>& done, AsioStream& stream,
          kj::ArrayPtr<const kj::byte> first, Pieces rest)
        : done_(done), stream_(&stream), first_(first), rest_(rest) {
      stream.write_ = this;
      SkipEmpty();
      stream.Flush();
    }
    ~Write() {
      if (stream_ == nullptr) return;
      stream_->write_ = nullptr;
      if (sent_ && stream_->broken_ == nullptr) {
        stream_->broken_ = KJ_EXCEPTION(FAILED, "a write was cancelled");
      }
    }
    std::size_t AppendTo(iovec* vectors, std::size_t room) const;
    void Sent(std::size_t bytes);
    [[nodiscard]] bool IsSent() const { return first_.size() == 0; }
    void Finish() {
      Detach();
      done_.fulfill();
    }
    void Fail(kj::Exception&& exception) {
      Detach();
      done_.reject(kj::mv(exception));
    }

   private:
    void Detach() { std::exchange(stream_, nullptr)->write_ = nullptr; }
    void SkipEmpty() {
      while (first_.size() == 0 && rest_.size() > 0) {
        first_ = rest_[0];
        rest_ = rest_.slice(1, rest_.size());
      }
    }

    kj::PromiseFulfiller<void>& done_;
    AsioStream* stream_;
    kj::ArrayPtr<const kj::byte> first_;  // Unsent part of the first piece.
    Pieces rest_;
    bool sent_ = false;
  };

  static kj::Exception Gone() {
    return KJ_EXCEPTION(DISCONNECTED, "the stream was destroyed");
  }

  int fd() { return descriptor_.native_handle(); }
  std::size_t TakeBuffered(kj::byte* at, std::size_t max_bytes);
  // Reads into `at` and what does not fit into the buffer. The bytes at `at`;
  // nothing if there are none now. A read that was not filled emptied the
  // socket, so the next one waits without asking it.
  enum class Input { kBytes, kNothingNow, kEnd, kError };
  Input ReadSome(kj::byte* at, std::size_t room, std::size_t& got_bytes);
  kj::Promise<void> StartWrite(kj::ArrayPtr<const kj::byte> first, Pieces rest);
  bool Cork(kj::ArrayPtr<const kj::byte> first, Pieces rest);
  void Flush();
  bool SendSome();
  void Break(kj::Exception&& exception);
  void WaitReadable();
  void WaitWritable();

  // Calls `function` inside the loop when `descriptor_` is ready, unless the
  // stream is gone by then.
  template <typename Function>
  void Wait(stream_descriptor::wait_type type, Function function) {
    descriptor_.async_wait(type,
                           [this, alive = std::weak_ptr(alive_),
                            function = std::move(function)](const error_code&) {
                             if (!alive.expired()) loop_.Handle(function);
                           });
  }

  KjLoop& loop_;
  stream_descriptor descriptor_;
  const std::size_t window_bytes_;
  // Handlers that outlive the stream find this expired.
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);

  // Input: bytes after those that were asked for, mostly the head of the next
  // message. Uninitialised memory, so an idle stream holds few pages of it.
  std::unique_ptr<kj::byte[]> buffer_{new kj::byte[kReadBufferBytes]};
  std::size_t buffer_begin_ = 0;
  std::size_t buffer_end_ = 0;
  bool read_waits_ = false;  // An asynchronous wait is under way.
  bool drained_ = false;     // The last read took all that there was.
  Read* read_ = nullptr;

  // Output: first the rest of the cork, then `write_`.
  std::string cork_;
  std::size_t cork_sent_ = 0;
  bool write_waits_ = false;
  bool flush_planned_ = false;
  bool shutdown_planned_ = false;
  Write* write_ = nullptr;
  kj::Maybe<kj::Exception> broken_;  // Every later write fails with this.
  kj::Promise<void> flush_ = kj::READY_NOW;

  kj::Maybe<kj::ForkedPromise<void>> disconnected_;
  kj::Maybe<kj::Own<kj::PromiseFulfiller<void>>> disconnect_;
};

// ---------------------------------------------------------------- reading

kj::Promise<std::size_t> AsioStream::tryRead(void* buffer,
                                             std::size_t min_bytes,
                                             std::size_t max_bytes) {
  KJ_REQUIRE(read_ == nullptr, "two reads at once");
  auto* at = static_cast<kj::byte*>(buffer);
  if (buffer_end_ - buffer_begin_ >= min_bytes) {
    return TakeBuffered(at, max_bytes);
  }
  return kj::newAdaptedPromise<std::size_t, Read>(*this, at, min_bytes,
                                                  max_bytes);
}

void AsioStream::Read::Continue() {
  got_bytes_ +=
      stream_->TakeBuffered(at_ + got_bytes_, max_bytes_ - got_bytes_);
  while (got_bytes_ < min_bytes_) {
    const std::size_t room = max_bytes_ - got_bytes_;
    std::size_t bytes = 0;
    switch (stream_->ReadSome(at_ + got_bytes_, room, bytes)) {
      case Input::kBytes:
        got_bytes_ += bytes;
        break;
      case Input::kNothingNow:
        return stream_->WaitReadable();
      case Input::kEnd:
        return Finish();
      case Input::kError:
        return Fail(ErrnoException(errno, "read"));
    }
  }
  Finish();
}

std::size_t AsioStream::TakeBuffered(kj::byte* at, std::size_t max_bytes) {
  const std::size_t bytes = std::min(max_bytes, buffer_end_ - buffer_begin_);
  if (bytes == 0) return 0;  // The buffer may not be there yet.
  std::memcpy(at, buffer_.get() + buffer_begin_, bytes);
  buffer_begin_ += bytes;
  return bytes;
}

AsioStream::Input AsioStream::ReadSome(kj::byte* at, std::size_t room,
                                       std::size_t& got_bytes) {
  if (std::exchange(drained_, false)) return Input::kNothingNow;
  iovec vectors[2] = {{at, room}, {buffer_.get(), kReadBufferBytes}};
  const ssize_t result = ReadVector(fd(), vectors, 2);
  if (result < 0) return IsNotNow(errno) ? Input::kNothingNow : Input::kError;
  if (result == 0) return Input::kEnd;
  drained_ = static_cast<std::size_t>(result) < room + kReadBufferBytes;
  got_bytes = std::min(static_cast<std::size_t>(result), room);
  buffer_begin_ = 0;
  buffer_end_ = static_cast<std::size_t>(result) - got_bytes;
  return Input::kBytes;
}

void AsioStream::WaitReadable() {
  if (std::exchange(read_waits_, true)) return;
  Wait(stream_descriptor::wait_read, [this] {
    read_waits_ = false;
    if (read_ != nullptr) read_->Continue();
  });
}

// ---------------------------------------------------------------- writing

kj::Promise<void> AsioStream::write(const void* buffer, std::size_t size) {
  return StartWrite({static_cast<const kj::byte*>(buffer), size}, nullptr);
}

kj::Promise<void> AsioStream::write(Pieces pieces) {
  if (pieces.size() == 0) return StartWrite(nullptr, nullptr);
  return StartWrite(pieces[0], pieces.slice(1, pieces.size()));
}

kj::Promise<void> AsioStream::StartWrite(kj::ArrayPtr<const kj::byte> first,
                                         Pieces rest) {
  KJ_REQUIRE(write_ == nullptr, "two writes at once");
  KJ_REQUIRE(!shutdown_planned_, "write after shutdownWrite");
  KJ_IF_MAYBE (exception, broken_) {
    return kj::cp(*exception);
  }
  if (Cork(first, rest)) return kj::READY_NOW;
  return kj::newAdaptedPromise<void, Write>(*this, first, rest);
}

// Takes a small message in for the flush at the end of the turn; false if it
// is not small or there is no room.
bool AsioStream::Cork(kj::ArrayPtr<const kj::byte> first, Pieces rest) {
  const std::size_t size = first.size() + TotalSize(rest);
  if (size > kCorkMessageBytes || cork_.size() + size > kCorkBytes) {
    return false;
  }
  const auto append = [this](kj::ArrayPtr<const kj::byte> piece) {
    cork_.append(reinterpret_cast<const char*>(piece.begin()), piece.size());
  };
  append(first);
  for (const auto& piece : rest) append(piece);
  if (!flush_planned_ && !write_waits_) {
    flush_planned_ = true;
    flush_ = kj::evalLast([this] {
               flush_planned_ = false;
               Flush();
             }).eagerlyEvaluate(nullptr);
  }
  return true;
}

// Sends what the kernel takes; the rest follows when it is ready.
void AsioStream::Flush() {
  if (broken_ == nullptr) {
    while (cork_sent_ < cork_.size() ||
           (write_ != nullptr && !write_->IsSent())) {
      if (!SendSome()) return;
    }
    cork_.clear();
    cork_sent_ = 0;
    if (write_ != nullptr) write_->Finish();
    if (shutdown_planned_) ::shutdown(fd(), SHUT_WR);
  }
}

// True if all that was offered was sent.
bool AsioStream::SendSome() {
  std::array<iovec, kPiecesPerSend> vectors;
  std::size_t count = 0;
  const std::size_t corked = cork_.size() - cork_sent_;
  if (corked > 0) vectors[count++] = {cork_.data() + cork_sent_, corked};
  if (write_ != nullptr) {
    count += write_->AppendTo(&vectors[count], kPiecesPerSend - count);
  }
  std::size_t offered = 0;
  for (std::size_t i = 0; i < count; ++i) offered += vectors[i].iov_len;
  const ssize_t result = SendVector(fd(), vectors.data(), count);
  if (result < 0) {
    if (IsNotNow(errno)) {
      WaitWritable();
    } else {
      Break(ErrnoException(errno, "sendmsg"));
    }
    return false;
  }
  const auto sent = static_cast<std::size_t>(result);
  const std::size_t from_cork = std::min(sent, corked);
  cork_sent_ += from_cork;
  if (write_ != nullptr) write_->Sent(sent - from_cork);
  if (sent < offered) WaitWritable();
  return sent == offered;
}

std::size_t AsioStream::Write::AppendTo(iovec* vectors,
                                        std::size_t room) const {
  std::size_t count = 0;
  const auto append = [&](kj::ArrayPtr<const kj::byte> piece) {
    if (count == room || piece.size() == 0) return;
    vectors[count++] = {const_cast<kj::byte*>(piece.begin()), piece.size()};
  };
  append(first_);
  for (const auto& piece : rest_) append(piece);
  return count;
}

void AsioStream::Write::Sent(std::size_t bytes) {
  if (bytes > 0) sent_ = true;
  while (bytes > 0) {
    const std::size_t step = std::min(bytes, first_.size());
    first_ = first_.slice(step, first_.size());
    bytes -= step;
    SkipEmpty();
  }
}

void AsioStream::Break(kj::Exception&& exception) {
  if (write_ != nullptr) write_->Fail(kj::cp(exception));
  broken_ = kj::mv(exception);
  cork_.clear();
  cork_sent_ = 0;
  KJ_IF_MAYBE (disconnect, disconnect_) {
    (*disconnect)->fulfill();
  }
}

void AsioStream::WaitWritable() {
  if (std::exchange(write_waits_, true)) return;
  Wait(stream_descriptor::wait_write, [this] {
    write_waits_ = false;
    Flush();
  });
}

kj::Promise<void> AsioStream::whenWriteDisconnected() {
  KJ_IF_MAYBE (forked, disconnected_) {
    return forked->addBranch();
  }
  auto pair = kj::newPromiseAndFulfiller<void>();
  if (broken_ == nullptr) {
    Wait(stream_descriptor::wait_error, [this] {
      KJ_IF_MAYBE (disconnect, disconnect_) {
        (*disconnect)->fulfill();
      }
    });
  } else {
    pair.fulfiller->fulfill();
  }
  disconnect_ = kj::mv(pair.fulfiller);
  disconnected_ = pair.promise.fork();
  return KJ_ASSERT_NONNULL(disconnected_).addBranch();
}

void AsioStream::shutdownWrite() {
  shutdown_planned_ = true;
  Flush();
}

// ---------------------------------------------------------------- the socket

void AsioStream::getsockopt(int level, int option, void* value,
                            kj::uint* length) {
  if (level == SOL_SOCKET && option == SO_SNDBUF) {
    const int window = static_cast<int>(window_bytes_);
    KJ_REQUIRE(*length >= sizeof window);
    std::memcpy(value, &window, sizeof window);
    *length = sizeof window;
    return;
  }
  socklen_t size = *length;
  if (::getsockopt(fd(), level, option, value, &size) != 0) {
    kj::throwRecoverableException(ErrnoException(errno, "getsockopt"));
  }
  *length = size;
}

void AsioStream::setsockopt(int level, int option, const void* value,
                            kj::uint length) {
  if (::setsockopt(fd(), level, option, value, length) != 0) {
    kj::throwRecoverableException(ErrnoException(errno, "setsockopt"));
  }
}

absl::Status AsioError(const error_code& error, std::string_view what) {
  return ErrnoStatus(error.value(), what);
}

// Takes the descriptor from the socket's executor to the loop's.
template <typename Socket>
absl::StatusOr<kj::Own<kj::AsyncIoStream>> Adopt(
    KjLoop& loop, Socket& socket, const AsioStreamOptions& options) {
  error_code error;
  socket.native_non_blocking(true, error);
  if (error) return AsioError(error, "set a socket non-blocking");
  const int fd = socket.release(error);
  if (error) return AsioError(error, "release a socket");
  stream_descriptor descriptor(loop.executor());
  descriptor.assign(fd, error);
  if (error) {
    ::close(fd);
    return AsioError(error, "watch a socket");
  }
  kj::Own<kj::AsyncIoStream> stream;
  loop.Enter([&] {
    stream = kj::heap<AsioStream>(loop, std::move(descriptor), options);
  });
  return stream;
}

}  // namespace

absl::StatusOr<kj::Own<kj::AsyncIoStream>> NewAsioStream(
    KjLoop& loop, boost::asio::ip::tcp::socket socket,
    const AsioStreamOptions& options) {
  error_code error;
  socket.set_option(boost::asio::ip::tcp::no_delay(true), error);
  if (error) return AsioError(error, "set TCP_NODELAY");
  return Adopt(loop, socket, options);
}

absl::StatusOr<kj::Own<kj::AsyncIoStream>> NewAsioStream(
    KjLoop& loop, boost::asio::local::stream_protocol::socket socket,
    const AsioStreamOptions& options) {
  return Adopt(loop, socket, options);
}

}  // namespace syncline
