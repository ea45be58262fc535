#include "proto/message_socket.h"

#include <capnp/serialize.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/status.h"
#include "proto/socket_calls.h"
#include "proto/words.h"

namespace syncline {
namespace {

using boost::asio::posix::stream_descriptor;
using boost::system::error_code;

constexpr std::size_t kBufferBytes = 64u << 10;
constexpr std::size_t kIdleBufferBytes = 1u << 20;
constexpr std::size_t kCorkIdleBytes = 64u << 10;

std::string_view ViewOf(kj::ArrayPtr<const capnp::word> words) {
  return {reinterpret_cast<const char*>(words.begin()), words.size() * kWord};
}

}  // namespace

absl::StatusOr<std::unique_ptr<MessageSocket>> MessageSocket::Adopt(
    const boost::asio::any_io_executor& executor,
    boost::asio::local::stream_protocol::socket socket,
    std::size_t message_bytes_max, Handler on_readable, Handler on_drained) {
  error_code error;
  socket.native_non_blocking(true, error);
  if (error) return ErrnoStatus(error.value(), "set a socket non-blocking");
  const int fd = socket.release(error);
  if (error) return ErrnoStatus(error.value(), "release a socket");
  stream_descriptor descriptor(executor);
  descriptor.assign(fd, error);
  if (error) {
    ::close(fd);
    return ErrnoStatus(error.value(), "watch a socket");
  }
  return std::unique_ptr<MessageSocket>(
      new MessageSocket(std::move(descriptor), message_bytes_max,
                        std::move(on_readable), std::move(on_drained)));
}

MessageSocket::MessageSocket(stream_descriptor descriptor,
                             std::size_t message_bytes_max, Handler on_readable,
                             Handler on_drained)
    : descriptor_(std::move(descriptor)),
      message_bytes_max_(message_bytes_max),
      on_readable_(std::move(on_readable)),
      on_drained_(std::move(on_drained)) {}

// ---- reading

MessageSocket::Input MessageSocket::Next(Words& message) {
  for (;;) {
    const std::size_t needed = BytesNeeded();
    if (needed > message_bytes_max_) return Input::kLost;
    if (end_ - begin_ >= needed) {
      message = {&buffer_[begin_ / kWord], needed / kWord};
      begin_ += needed;
      return Input::kMessage;
    }
    if (std::exchange(drained_, false)) return Input::kNothingNow;
    MakeRoom(needed);
    iovec into = {reinterpret_cast<char*>(buffer_.get()) + end_,
                  capacity_ - end_};
    const ssize_t got = ReadVector(fd(), &into, 1);
    if (got < 0 && IsNotNow(errno)) return Input::kNothingNow;
    if (got <= 0) return Input::kLost;
    end_ += static_cast<std::size_t>(got);
    drained_ = end_ < capacity_;
  }
}

// A message is a whole number of words, so each of them is aligned where the
// first one was.
std::size_t MessageSocket::BytesNeeded() const {
  const std::size_t words = (end_ - begin_) / kWord;
  if (words == 0) return kWord;
  return kWord * capnp::expectedSizeInWordsFromPrefix(
                     {&buffer_[begin_ / kWord], words});
}

void MessageSocket::MakeRoom(std::size_t bytes_needed) {
  const std::size_t held = end_ - begin_;
  const bool fits = begin_ + bytes_needed <= capacity_;
  if (fits && held > 0) return;
  const std::size_t capacity =
      held == 0 && bytes_needed <= kBufferBytes && capacity_ > kIdleBufferBytes
          ? kBufferBytes
      // Room for what follows a large one, so that it is not read in bits.
      : bytes_needed > capacity_
          ? bytes_needed +
                std::clamp(bytes_needed, kBufferBytes, kIdleBufferBytes)
          : capacity_;
  if (capacity != capacity_) {
    std::unique_ptr<capnp::word[]> buffer(new capnp::word[capacity / kWord]);
    if (held > 0) std::memcpy(buffer.get(), &buffer_[begin_ / kWord], held);
    buffer_ = std::move(buffer);
    capacity_ = capacity / kWord * kWord;
  } else if (held > 0) {
    std::memmove(buffer_.get(), &buffer_[begin_ / kWord], held);
  }
  begin_ = 0;
  end_ = held;
}

void MessageSocket::WaitReadable() {
  if (std::exchange(read_waits_, true)) return;
  descriptor_.async_wait(
      stream_descriptor::wait_read,
      [this, alive = std::weak_ptr(alive_)](const error_code&) {
        if (alive.expired()) return;
        read_waits_ = false;
        on_readable_();
      });
}

// ---- writing

// One that can take more.
MessageSocket::Piece& MessageSocket::LastPiece() {
  if (pieces_.empty() || !pieces_.back().shared.empty()) {
    pieces_.emplace_back();
  }
  return pieces_.back();
}

void MessageSocket::AddBytes(std::string_view bytes) {
  if (broken_ || bytes.empty()) return;
  LastPiece().corked += bytes.size();
  cork_ += bytes;
  unsent_bytes_ += bytes.size();
}

void MessageSocket::AddShared(std::string_view bytes,
                              std::shared_ptr<const void> owner) {
  if (broken_ || bytes.empty()) return;
  Piece& piece = LastPiece();
  piece.shared = bytes;
  piece.owner = std::move(owner);
  unsent_bytes_ += bytes.size();
}

void MessageSocket::Add(capnp::MessageBuilder& message) {
  const auto segments = message.getSegmentsForOutput();
  AddTable(segments);
  for (const auto& segment : segments) AddBytes(ViewOf(segment));
}

void MessageSocket::Add(const std::shared_ptr<capnp::MessageBuilder>& message) {
  const auto segments = message->getSegmentsForOutput();
  AddTable(segments);
  for (const auto& segment : segments) AddShared(ViewOf(segment), message);
}

// {number of segments - 1, size of each}, padded to a word.
void MessageSocket::AddTable(
    kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments) {
  const std::array<std::uint32_t, 2> first = {
      static_cast<std::uint32_t>(segments.size() - 1),
      static_cast<std::uint32_t>(segments[0].size())};
  AddBytes({reinterpret_cast<const char*>(first.data()), sizeof first});
  if (segments.size() == 1) return;
  std::string rest;
  for (std::size_t i = 1; i < segments.size(); ++i) {
    const auto size = static_cast<std::uint32_t>(segments[i].size());
    rest.append(reinterpret_cast<const char*>(&size), sizeof size);
  }
  rest.resize((rest.size() + kWord - 1) / kWord * kWord);
  AddBytes(rest);
}

void MessageSocket::Flush() {
  if (broken_ || write_waits_) return;
  while (unsent_bytes_ > 0) {
    if (!SendSome()) return;
  }
}

// True if all that was offered was sent.
bool MessageSocket::SendSome() {
  std::array<iovec, kPiecesPerSend> vectors;
  std::size_t count = 0;
  std::size_t offered = 0;
  const auto offer = [&](std::string_view bytes) {
    if (bytes.empty() || count == vectors.size()) return;
    vectors[count++] = {const_cast<char*>(bytes.data()), bytes.size()};
    offered += bytes.size();
  };
  std::size_t at = cork_sent_;
  for (const Piece& piece : pieces_) {
    if (count == vectors.size()) break;
    offer({cork_.data() + at, piece.corked});
    at += piece.corked;
    offer(piece.shared);
  }
  const ssize_t result = SendVector(fd(), vectors.data(), count);
  if (result < 0) {
    if (IsNotNow(errno)) {
      WaitWritable();
    } else {
      Break();
    }
    return false;
  }
  const auto sent = static_cast<std::size_t>(result);
  Sent(sent);
  if (sent < offered) WaitWritable();
  return sent == offered;
}

void MessageSocket::Sent(std::size_t bytes) {
  unsent_bytes_ -= bytes;
  while (bytes > 0) {
    Piece& piece = pieces_.front();
    const std::size_t corked = std::min(bytes, piece.corked);
    piece.corked -= corked;
    cork_sent_ += corked;
    bytes -= corked;
    const std::size_t shared = std::min(bytes, piece.shared.size());
    piece.shared.remove_prefix(shared);
    bytes -= shared;
    if (piece.corked == 0 && piece.shared.empty()) pieces_.pop_front();
  }
  if (cork_sent_ == cork_.size()) {
    cork_sent_ = 0;
    cork_.clear();
    if (cork_.capacity() > kIdleBufferBytes) cork_.shrink_to_fit();
  } else if (cork_sent_ > kCorkIdleBytes && cork_sent_ > cork_.size() / 2) {
    cork_.erase(0, cork_sent_);
    cork_sent_ = 0;
  }
}

// The reading side finds out, too.
void MessageSocket::Break() {
  broken_ = true;
  pieces_.clear();
  cork_.clear();
  cork_sent_ = 0;
  unsent_bytes_ = 0;
  ::shutdown(fd(), SHUT_RDWR);
}

void MessageSocket::WaitWritable() {
  if (std::exchange(write_waits_, true)) return;
  descriptor_.async_wait(
      stream_descriptor::wait_write,
      [this, alive = std::weak_ptr(alive_)](const error_code&) {
        if (alive.expired()) return;
        write_waits_ = false;
        Flush();
        if (unsent_bytes_ == 0 && on_drained_) on_drained_();
      });
}

void MessageSocket::FlushLater() {
  if (std::exchange(flush_posted_, true)) return;
  boost::asio::post(descriptor_.get_executor(),
                    [this, alive = std::weak_ptr(alive_)] {
                      if (alive.expired()) return;
                      flush_posted_ = false;
                      Flush();
                    });
}

}  // namespace syncline
