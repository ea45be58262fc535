#pragma once

#include <capnp/common.h>
#include <capnp/message.h>
#include <kj/common.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace syncline {

// Cap'n Proto messages over a connected Unix socket, without KJ: read where
// they arrived, and written with one system call for all that gathered.
//
// Bound to its executor. No handler comes after its destruction, and any of
// them may destroy it.
class MessageSocket final {
 public:
  using Words = kj::ArrayPtr<const capnp::word>;
  using Handler = std::function<void()>;

  // Takes the socket over, also when it fails. `on_readable` is called after
  // WaitReadable(), `on_drained` when all that was added has left after it
  // did not at once; it may be empty.
  //   kInternal, kResourceExhausted  the socket could not be taken over
  static absl::StatusOr<std::unique_ptr<MessageSocket>> Adopt(
      const boost::asio::any_io_executor& executor,
      boost::asio::local::stream_protocol::socket socket,
      std::size_t message_bytes_max, Handler on_readable, Handler on_drained);
  ~MessageSocket() = default;
  MessageSocket(const MessageSocket&) = delete;
  MessageSocket& operator=(const MessageSocket&) = delete;

  enum class Input {
    kMessage,     // `message` is one, with its segment table.
    kNothingNow,  // Not all of the next one is here: WaitReadable().
    kLost,        // The peer is gone, or sent what is no message.
  };
  // The next message; valid until the next call.
  Input Next(Words& message);
  void WaitReadable();

  // Add to what leaves with the next Flush(): a message, which is copied, or
  // one that is kept and stays as it is; bytes, which are copied; bytes that
  // stay where they are, as long as `owner` keeps them.
  void Add(capnp::MessageBuilder& message);
  void Add(const std::shared_ptr<capnp::MessageBuilder>& message);
  void AddBytes(std::string_view bytes);
  void AddShared(std::string_view bytes, std::shared_ptr<const void> owner);

  // Sends what the kernel takes; the rest follows when there is room. A lost
  // peer is told by Next().
  void Flush();
  // In a later handler, with all that is added until then.
  void FlushLater();

  [[nodiscard]] std::size_t unsent_bytes() const { return unsent_bytes_; }

 private:
  // Bytes of the cork, and after them bytes of somebody else's.
  struct Piece {
    std::size_t corked = 0;
    std::string_view shared;
    std::shared_ptr<const void> owner;
  };

  MessageSocket(boost::asio::posix::stream_descriptor descriptor,
                std::size_t message_bytes_max, Handler on_readable,
                Handler on_drained);
  int fd() { return descriptor_.native_handle(); }
  // Of the message that starts the input, as far as it is known.
  [[nodiscard]] std::size_t BytesNeeded() const;
  void MakeRoom(std::size_t bytes_needed);
  Piece& LastPiece();
  void AddTable(kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments);
  bool SendSome();
  void Sent(std::size_t bytes);
  void Break();
  void WaitWritable();

  boost::asio::posix::stream_descriptor descriptor_;
  const std::size_t message_bytes_max_;
  const Handler on_readable_;
  const Handler on_drained_;
  // Handlers that outlive the socket find this expired.
  const std::shared_ptr<char> alive_ = std::make_shared<char>();

  // Input. Uninitialised memory, so an idle socket holds few pages of it.
  std::unique_ptr<capnp::word[]> buffer_;
  std::size_t capacity_ = 0;  // All in bytes.
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  bool drained_ = false;  // The last read took all that there was.
  bool read_waits_ = false;

  // Output.
  std::string cork_;
  std::size_t cork_sent_ = 0;
  std::deque<Piece> pieces_;
  std::size_t unsent_bytes_ = 0;
  bool write_waits_ = false;
  bool flush_posted_ = false;
  bool broken_ = false;
};

}  // namespace syncline
