#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <optional>
#include <type_traits>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/kj_loop.h"
#include "proto/kj_status.h"

// For tests: runs an io_context until something has happened.

namespace syncline::testing {

// Runs handlers until `condition` holds; false if none is due for half a
// minute.
inline bool RunUntil(boost::asio::io_context& io,
                     absl::FunctionRef<bool()> condition) {
  while (!condition()) {
    if (io.stopped()) io.restart();
    if (io.run_one_for(std::chrono::seconds(30)) == 0) return condition();
  }
  return true;
}

// Calls `make` inside `loop`, which returns a kj::Promise<void>, and runs
// handlers until it is done or failed.
template <typename Make>
absl::Status Wait(boost::asio::io_context& io, KjLoop& loop, Make&& make) {
  std::optional<absl::Status> result;
  kj::Promise<void> task = nullptr;
  loop.Enter([&] {
    task = kj::evalNow([&]() -> kj::Promise<void> { return make(); })
               .then([&] { result = absl::OkStatus(); },
                     [&](kj::Exception&& e) { result = StatusFromKj(e); })
               .eagerlyEvaluate(nullptr);
  });
  RunUntil(io, [&] { return result.has_value(); });
  loop.Enter([&] { task = nullptr; });
  return result.value_or(absl::DeadlineExceededError("nothing happens"));
}

// The same for a promise with a value: `make` returns a kj::Promise<T>.
template <typename T, typename Make>
absl::StatusOr<T> WaitValue(boost::asio::io_context& io, KjLoop& loop,
                            Make&& make) {
  std::optional<T> value;
  absl::Status status = Wait(io, loop, [&]() -> kj::Promise<void> {
    return kj::Promise<T>(make()).then(
        [&](T&& result) { value.emplace(kj::mv(result)); });
  });
  if (!status.ok()) return status;
  return *std::move(value);
}

}  // namespace syncline::testing
