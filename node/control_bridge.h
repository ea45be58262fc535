#pragma once

#include <capnp/capability.h>
#include <kj/async.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/text.h"
#include "node/types.h"
#include "proto/control.capnp.h"
#include "proto/kj_loop.h"
#include "proto/words.h"

namespace syncline {

// From callbacks on the node's loop to kj promises. What still waits when the
// bridge goes is rejected; callbacks may come after that and do nothing.
// Create, use and destroy inside `loop`.
class ControlBridge {
 public:
  explicit ControlBridge(KjLoop& loop)
      : waiting_(std::make_shared<Waiting>(Waiting{loop, {}, 0})) {}

  // When the promise is told.
  enum class Tell {
    kLater,   // In a handler of its own: always safe.
    kAtOnce,  // By the callback, and what follows from it runs inside of it:
              // for callbacks whose callers expect anything to happen there.
  };

  // Calls `start` with a callback, whose argument the promise gives.
  template <typename T>
  kj::Promise<absl::StatusOr<T>> Await(
      absl::FunctionRef<void(Callback<T>)> start, Tell tell = Tell::kLater) {
    using Result = absl::StatusOr<T>;
    auto pair = kj::newPromiseAndFulfiller<Result>();
    const std::uint64_t id = waiting_->next_id++;
    auto holder = std::make_unique<Holder<Result>>();
    holder->fulfiller = kj::mv(pair.fulfiller);
    waiting_->fulfillers.emplace(id, std::move(holder));
    start([weak = std::weak_ptr<Waiting>(waiting_), id, tell](Result result) {
      Told<Result>(weak, id, tell, std::move(result));
    });
    return kj::mv(pair.promise);
  }

  [[nodiscard]] KjLoop& loop() const { return waiting_->loop; }

  // The same for calls without a value.
  kj::Promise<absl::StatusOr<bool>> AwaitStatus(
      absl::FunctionRef<void(StatusCallback)> start) {
    return Await<bool>([&](Callback<bool> done) {
      start([done](absl::Status status) {
        if (!status.ok()) return done(status);
        done(true);
      });
    });
  }

 private:
  struct AnyHolder {
    // A fulfiller's destructor may throw by its type; it does not.
    virtual ~AnyHolder() noexcept(false) = default;
  };
  template <typename Result>
  struct Holder final : AnyHolder {
    kj::Own<kj::PromiseFulfiller<Result>> fulfiller;
  };
  struct Waiting {
    KjLoop& loop;
    std::map<std::uint64_t, std::unique_ptr<AnyHolder>> fulfillers;
    std::uint64_t next_id;
  };

  // The callback may come from inside another loop.
  template <typename Result>
  static void Told(const std::weak_ptr<Waiting>& weak, std::uint64_t id,
                   Tell tell, Result result) {
    const std::shared_ptr<Waiting> waiting = weak.lock();
    if (!waiting) return;
    if (tell == Tell::kAtOnce && waiting->loop.MayEnter()) {
      return waiting->loop.Enter(
          [&] { Fulfill(*waiting, id, std::move(result)); });
    }
    auto shared = std::make_shared<Result>(std::move(result));
    waiting->loop.Post([weak, id, shared] {
      const std::shared_ptr<Waiting> still = weak.lock();
      if (still) Fulfill(*still, id, std::move(*shared));
    });
  }
  template <typename Result>
  static void Fulfill(Waiting& waiting, std::uint64_t id, Result&& result) {
    const auto found = waiting.fulfillers.find(id);
    if (found == waiting.fulfillers.end()) return;
    const std::unique_ptr<AnyHolder> holder = std::move(found->second);
    waiting.fulfillers.erase(found);
    static_cast<Holder<Result>&>(*holder).fulfiller->fulfill(std::move(result));
  }

  std::shared_ptr<Waiting> waiting_;
};

inline kj::StringPtr ToKj(const std::string& text) {
  return {text.c_str(), text.size()};
}
inline std::string FromKj(capnp::Text::Reader text) {
  return {text.cStr(), text.size()};
}
inline std::string FromKj(capnp::Data::Reader bytes) {
  return {reinterpret_cast<const char*>(bytes.begin()), bytes.size()};
}

inline void FillFailure(control::Failure::Builder failure,
                        const absl::Status& status) {
  failure.setCode(static_cast<std::uint16_t>(status.code()));
  failure.setMessage(ToKj(std::string(FromAbsl(status.message()))));
}

// Fills a Result of proto/control.capnp with why there is no value.
template <typename ResultBuilder>
void FillFailure(ResultBuilder result, const absl::Status& status) {
  FillFailure(result.initFailure(), status);
}

// Answers a call with a Result: the failure, or what `fill(builder, value)`
// puts into the value.
template <typename Context, typename T, typename Fill>
void Answer(Context& context, const absl::StatusOr<T>& value, Fill fill) {
  auto result = context.getResults().initResult();
  if (!value.ok()) return FillFailure(result, value.status());
  fill(result.initValue(), *value);
}
template <typename Context, typename T, typename Fill>
kj::Promise<void> AnswerLater(Context context,
                              kj::Promise<absl::StatusOr<T>> promise,
                              Fill fill) {
  return promise.then(
      [context, fill = std::move(fill)](absl::StatusOr<T> value) mutable {
        Answer(context, value, std::move(fill));
      });
}

// For values that say nothing.
inline constexpr auto kFillNothing = [](auto&&, const auto&) {};

}  // namespace syncline
