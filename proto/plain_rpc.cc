#include "proto/plain_rpc.h"

#include <capnp/serialize.h>
#include <kj/debug.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/status.h"
#include "proto/kj_status.h"
#include "proto/words.h"

namespace syncline {
namespace {

using capnp::AnyPointer;
using capnp::rpc::Exception;
using capnp::rpc::Payload;

// Of a message around its parameters or results.
constexpr std::size_t kEnvelopeWords = 24;
// Smaller ones are cheaper copied than offered to the kernel one by one.
constexpr std::size_t kSharedBytesMin = 2048;
constexpr int kCallNestingMax = 24;

Exception::Type WireTypeOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kUnavailable:
      return Exception::Type::DISCONNECTED;
    case absl::StatusCode::kResourceExhausted:
      return Exception::Type::OVERLOADED;
    case absl::StatusCode::kUnimplemented:
      return Exception::Type::UNIMPLEMENTED;
    default:
      return Exception::Type::FAILED;
  }
}

// A pointer to a list of bytes (capnproto.org/encoding.html): its distance
// counts from the word behind it.
std::uint64_t DataPointer(std::size_t words_to_it, std::size_t bytes) {
  constexpr std::uint64_t kList = 1;
  constexpr std::uint64_t kBytes = 2;
  return kList | std::uint64_t{words_to_it} << 2 | kBytes << 32 |
         std::uint64_t{bytes} << 35;
}

}  // namespace

absl::Status PlainRpc::Receive(MessageSocket::Words words, Handler& handler) {
  absl::Status refused;
  const absl::Status thrown = CatchKj([&] {
    capnp::ReaderOptions options;
    // Each word is read once or twice, and there is nothing behind them.
    options.traversalLimitInWords = 4 * words.size();
    options.nestingLimit = kCallNestingMax;
    capnp::FlatArrayMessageReader reader(words, options);
    const auto message = reader.getRoot<Message>();
    switch (message.which()) {
      case Message::BOOTSTRAP: {
        const auto bootstrap = message.getBootstrap();
        return handler.OnBootstrap(bootstrap.getQuestionId(),
                                   bootstrap.getDeprecatedObjectId());
      }
      case Message::CALL:
        return handler.OnCall(message.getCall());
      case Message::RETURN:
        return handler.OnReturn(message.getReturn());
      case Message::FINISH:
        return handler.OnFinish(message.getFinish().getQuestionId());
      case Message::RELEASE:
        return;  // Exports last as long as the connection.
      case Message::ABORT: {
        const auto reason = message.getAbort().getReason();
        refused = MakeStatus(absl::StatusCode::kUnavailable,
                             {reason.begin(), reason.size()});
        return;
      }
      default:
        refused = InvalidArgument("a message that is not expected here");
    }
  });
  return thrown.ok() ? refused : thrown;
}

// ---- sending

void PlainRpc::Send(std::size_t words,
                    absl::FunctionRef<void(Message::Builder)> fill) {
  if (!finishes_.empty()) SendFinishes();
  if (words + kEnvelopeWords > scratch_.size()) {
    const auto message = std::make_shared<capnp::MallocMessageBuilder>(
        static_cast<unsigned>(words + kEnvelopeWords));
    fill(message->initRoot<Message>());
    return socket_.Add(message);
  }
  capnp::MallocMessageBuilder message(
      kj::ArrayPtr<capnp::word>(scratch_.data(), scratch_.size()));
  fill(message.initRoot<Message>());
  socket_.Add(message);
}

void PlainRpc::SendBootstrap(Id question, std::string_view object) {
  Send(WordsOf(object.size()) + 1, [&](Message::Builder message) {
    auto bootstrap = message.initBootstrap();
    bootstrap.setQuestionId(question);
    if (object.empty()) return;
    auto text = bootstrap.getDeprecatedObjectId().initAs<capnp::Text>(
        static_cast<unsigned>(object.size()));
    std::memcpy(text.begin(), object.data(), object.size());
  });
}

capnp::Capability::Client PlainRpc::AnyCapability() {
  return capnp::Capability::Client(capnp::newBrokenCap("of the other side"));
}

void PlainRpc::FillCall(Message::Builder message, const Call& call, Fill fill) {
  auto out = message.initCall();
  out.setQuestionId(call.question);
  out.setInterfaceId(call.interface_id);
  out.setMethodId(call.method_id);
  auto target = out.initTarget();
  if (call.target) {
    target.setImportedCap(*call.target);
  } else {
    target.initPromisedAnswer().setQuestionId(0);
  }
  Payload::Builder params = out.initParams();
  if (!call.capability) return fill(params.getContent());
  params.initCapTable(1)[0].setSenderHosted(*call.capability);
  capnp::BuilderCapabilityTable capabilities;
  fill(capabilities.imbue(params.getContent()));
}

void PlainRpc::SendCall(const Call& call, std::size_t words, Fill fill) {
  Send(words, [&](Message::Builder message) { FillCall(message, call, fill); });
}

void PlainRpc::SendCallWithTails(const Call& call, std::size_t words, Fill fill,
                                 std::size_t struct_words,
                                 std::span<const Tail> tails) {
  if (!finishes_.empty()) SendFinishes();
  // One segment: the structs have to be the last words of it.
  capnp::MallocMessageBuilder message(
      static_cast<unsigned>(words + kEnvelopeWords));
  FillCall(message.initRoot<Message>(), call, fill);
  const auto segments = message.getSegmentsForOutput();
  SYNCLINE_CHECK(segments.size() == 1, "more words than were said");
  std::vector<std::uint64_t> out(segments[0].size() + 1);
  std::memcpy(&out[1], segments[0].begin(), segments[0].size() * kWord);
  std::size_t end = out.size();
  std::size_t pointer = out.size() - struct_words * tails.size() - 1;
  for (const Tail& tail : tails) {
    pointer += struct_words;
    out[pointer] = DataPointer(end - pointer - 1, tail.bytes.size());
    end += WordsOf(tail.bytes.size());
  }
  // {number of segments - 1, size of the first}
  out[0] = std::uint64_t{end - 1} << 32;
  socket_.AddBytes(
      {reinterpret_cast<const char*>(out.data()), out.size() * kWord});
  static constexpr char kZeros[kWord] = {};
  for (const Tail& tail : tails) {
    if (tail.owner == nullptr || tail.bytes.size() < kSharedBytesMin) {
      socket_.AddBytes(tail.bytes);
    } else {
      socket_.AddShared(tail.bytes, tail.owner);
    }
    socket_.AddBytes(
        {kZeros, WordsOf(tail.bytes.size()) * kWord - tail.bytes.size()});
  }
}

void PlainRpc::SendReturn(
    Id answer, std::size_t words,
    absl::FunctionRef<void(capnp::rpc::Return::Builder)> fill) {
  Send(words, [&](Message::Builder message) {
    auto out = message.initReturn();
    out.setAnswerId(answer);
    fill(out);
  });
}

void PlainRpc::SendResults(Id answer, std::size_t words, Fill fill) {
  SendReturn(answer, words, [&](capnp::rpc::Return::Builder out) {
    fill(out.initResults().getContent());
  });
}

void PlainRpc::SendBootstrapResult(Id answer) {
  SendReturn(answer, 4, [](capnp::rpc::Return::Builder out) {
    Payload::Builder results = out.initResults();
    results.initCapTable(1)[0].setSenderHosted(0);
    capnp::BuilderCapabilityTable capabilities;
    capabilities.imbue(results.getContent())
        .setAs<capnp::Capability>(AnyCapability());
  });
}

void PlainRpc::SendException(Id answer, const absl::Status& status) {
  const std::string_view reason = FromAbsl(status.message());
  SendReturn(
      answer, WordsOf(reason.size()) + 1, [&](capnp::rpc::Return::Builder out) {
        auto exception = out.initException();
        exception.setType(WireTypeOf(status.code()));
        auto text = exception.initReason(static_cast<unsigned>(reason.size()));
        std::copy(reason.begin(), reason.end(), text.begin());
      });
}

void PlainRpc::SendCanceled(Id answer) {
  SendReturn(answer, 0,
             [](capnp::rpc::Return::Builder out) { out.setCanceled(); });
}

void PlainRpc::FinishLater(Id question) {
  constexpr std::size_t kFinishesMax = 64;
  finishes_.push_back(question);
  if (finishes_.size() >= kFinishesMax) SendFinishes();
}

void PlainRpc::SendFinishes() {
  for (const Id question : std::exchange(finishes_, {})) SendFinish(question);
}

void PlainRpc::SendFinish(Id question) {
  Send(0, [&](Message::Builder message) {
    message.initFinish().setQuestionId(question);
  });
}

}  // namespace syncline
