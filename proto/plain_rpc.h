#pragma once

#include <capnp/any.h>
#include <capnp/capability.h>
#include <capnp/message.h>
#include <capnp/rpc.capnp.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "proto/message_socket.h"

namespace syncline {

// Cap'n Proto's RPC protocol (capnp/rpc.capnp) as far as two programs need it
// that know which capabilities the other one has and never pass them on: no
// promises, tables or event loop stand between a message and who handles it.
// A call costs about a tenth of what the general implementation
// (proto/rpc_connection.h) takes.
//
// Messages are read by Receive() and written through the members that begin
// with Send; those leave with the socket's next flush.
//
// Bound to the socket's executor.
class PlainRpc final {
 public:
  using Id = std::uint32_t;  // Of a question, or of an exported capability.

  // What a message says. Views die with the call.
  class Handler {
   public:
    virtual ~Handler() = default;
    virtual void OnBootstrap(Id question, capnp::AnyPointer::Reader object) = 0;
    virtual void OnCall(const capnp::rpc::Call::Reader& call) = 0;
    virtual void OnReturn(const capnp::rpc::Return::Reader& answer) = 0;
    // The caller of `question` needs no answer any more, or has read it.
    virtual void OnFinish(Id question) = 0;
  };

  explicit PlainRpc(MessageSocket& socket) : socket_(socket) {}

  // Tells `handler` of one message. What it throws, and what the message
  // breaks of the protocol, is the error: the connection is of no use then.
  absl::Status Receive(MessageSocket::Words message, Handler& handler);

  // `object`: asks for a capability of that name, by the field that was once
  // meant for it; empty: for the one there is.
  void SendBootstrap(Id question, std::string_view object);

  struct Call {
    Id question = 0;
    // What is called: an export of the peer; none: what its bootstrap, which
    // was question 0, gives.
    std::optional<Id> target;
    std::uint64_t interface_id = 0;
    std::uint16_t method_id = 0;
    // Export that the parameters hold as their only capability.
    std::optional<Id> capability;
  };
  // `words` are those of the parameters, or somewhat more. A capability is set
  // with AnyCapability().
  using Fill = absl::FunctionRef<void(capnp::AnyPointer::Builder content)>;
  void SendCall(const Call& call, std::size_t words, Fill fill);
  static capnp::Capability::Client AnyCapability();

  // Bytes that stand behind the message in place of an empty Data.
  struct Tail {
    std::string_view bytes;
    std::shared_ptr<const void> owner;
  };
  // The same; the structs that `fill` makes last, of `struct_words` each, end
  // with a pointer to an empty Data. They get `tails`, without a copy of what
  // is large.
  void SendCallWithTails(const Call& call, std::size_t words, Fill fill,
                         std::size_t struct_words, std::span<const Tail> tails);

  void SendResults(Id answer, std::size_t words, Fill fill);
  void SendNoResults(Id answer) {
    SendResults(answer, 1, [](capnp::AnyPointer::Builder) {});
  }
  // The answer to OnBootstrap: export 0.
  void SendBootstrapResult(Id answer);
  void SendException(Id answer, const absl::Status& status);
  void SendCanceled(Id answer);
  // That the answer to `question` was read. To send it alone would wake the
  // peer for nothing: it goes before the next message.
  void FinishLater(Id question);
  // The same at once: the answer is not wanted any more.
  void SendFinish(Id question);

 private:
  using Message = capnp::rpc::Message;
  void Send(std::size_t words, absl::FunctionRef<void(Message::Builder)> fill);
  void SendFinishes();
  void SendReturn(Id answer, std::size_t words,
                  absl::FunctionRef<void(capnp::rpc::Return::Builder)> fill);
  static void FillCall(Message::Builder message, const Call& call, Fill fill);

  MessageSocket& socket_;
  std::vector<Id> finishes_;
  // First segment of what is built; zeros in between.
  std::array<capnp::word, 256> scratch_ = {};
};

// Questions, or other things that have an id as long as they last.
template <typename T>
class IdTable {
 public:
  PlainRpc::Id Add(T value) {
    if (free_.empty()) {
      slots_.emplace_back(std::move(value));
      return static_cast<PlainRpc::Id>(slots_.size() - 1);
    }
    const PlainRpc::Id id = free_.back();
    free_.pop_back();
    slots_[id] = std::move(value);
    return id;
  }
  // Null if there is none.
  T* Find(PlainRpc::Id id) {
    return id < slots_.size() && slots_[id] ? &*slots_[id] : nullptr;
  }
  void Remove(PlainRpc::Id id) {
    slots_[id].reset();
    free_.push_back(id);
  }
  [[nodiscard]] std::size_t size() const {
    return slots_.size() - free_.size();
  }
  // Takes all of them out.
  std::vector<T> TakeAll() {
    std::vector<T> all;
    for (std::optional<T>& slot : slots_) {
      if (slot) all.push_back(std::move(*slot));
    }
    slots_.clear();
    free_.clear();
    return all;
  }

 private:
  std::vector<std::optional<T>> slots_;
  std::vector<PlainRpc::Id> free_;
};

}  // namespace syncline
