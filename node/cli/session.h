#pragma once

#include <capnp/capability.h>
#include <kj/async.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/io_context.hpp>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "base/status.h"
#include "node/control_bridge.h"
#include "proto/control.capnp.h"
#include "proto/kj_loop.h"
#include "proto/kj_status.h"

namespace syncline::cli {

// A value that must be destroyed inside a KJ loop.
template <typename T>
class InLoop {
 public:
  InLoop(KjLoop& loop, T value)
      : loop_(&loop), value_(std::make_unique<T>(kj::mv(value))) {}
  InLoop(InLoop&&) = default;
  InLoop& operator=(InLoop&&) = delete;
  ~InLoop() {
    if (value_) loop_->Enter([this] { value_ = nullptr; });
  }
  T& operator*() { return *value_; }
  T* operator->() { return value_.get(); }

 private:
  KjLoop* loop_;
  std::unique_ptr<T> value_;
};

// The way of one command to its node: over the control socket of the one that
// serves the home, or else to a node opened in this process. Blocking, for the
// main thread of the program.
class Session {
 public:
  struct Options {
    std::filesystem::path home;
    std::string name;  // Of a home that is made; empty: the machine's.
    // How long a node that serves may say nothing while it is waited for; it
    // is asked for a sign of life meanwhile. 0: for ever.
    std::int64_t silence_ms_max = 0;
  };

  // Waits a moment for a home that is in use by a short-lived command or is
  // about to be served.
  //   errors are marked with StoreError()
  static absl::StatusOr<std::unique_ptr<Session>> Open(const Options& options);
  // Closes a node opened here.
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Whether a node serves the home.
  [[nodiscard]] bool served() const;

  // Sends `send(client)`, waits, and gives the answer, whose `getResult()` is
  // a Result of proto/control.capnp; a Failure in it becomes the status.
  template <typename Send>
  auto Call(Send send) {
    return CallOn(client(), std::move(send));
  }
  // The same on another capability.
  template <typename Client, typename Send>
  auto CallOn(Client& target, Send send) {
    using Promise = decltype(send(target));
    using Response = decltype(ResponseOf(std::declval<Promise>()));
    return Await<Response>([&]() -> kj::Promise<Response> {
      return kj::Promise<Response>(send(target));
    });
  }

  // Ends a wait of Call() with kCancelled at SIGINT or SIGTERM.
  void CancelOnSignal();

  // Runs the loop until `done`.
  //   kCancelled    a signal, see CancelOnSignal()
  //   kUnavailable  the node was silent for too long
  absl::Status RunUntil(absl::FunctionRef<bool()> done);

  // What a fault of a call means to people, if it is the loss of the
  // connection.
  static absl::Status FaultOf(absl::Status status);

  KjLoop& loop();
  control::Control::Client& client();

 private:
  struct Impl;
  explicit Session(std::unique_ptr<Impl> impl);

  template <typename Results>
  static capnp::Response<Results> ResponseOf(capnp::RemotePromise<Results>);

  template <typename Response>
  absl::StatusOr<InLoop<Response>> Await(
      absl::FunctionRef<kj::Promise<Response>()> start) {
    kj::Promise<void> waiting = nullptr;
    std::optional<Response> response;
    absl::Status fault;
    loop().Enter([&] {
      fault = CatchKj([&] {
        waiting = start()
                      .then([&](Response&& r) { response.emplace(kj::mv(r)); },
                            [&](kj::Exception&& exception) {
                              fault = StatusFromKj(exception);
                            })
                      .eagerlyEvaluate(nullptr);
      });
    });
    const absl::Status ran =
        RunUntil([&] { return response.has_value() || !fault.ok(); });
    loop().Enter([&] { waiting = nullptr; });
    SYNCLINE_RETURN_IF_ERROR(ran);
    SYNCLINE_RETURN_IF_ERROR(FaultOf(fault));
    InLoop<Response> answer(loop(), kj::mv(*response));
    loop().Enter([&] { response.reset(); });
    auto result = answer->getResult();
    if (!result.isFailure()) return answer;
    const auto failure = result.getFailure();
    return MakeStatus(static_cast<absl::StatusCode>(failure.getCode()),
                      FromKj(failure.getMessage()));
  }

  std::unique_ptr<Impl> impl_;
};

}  // namespace syncline::cli
