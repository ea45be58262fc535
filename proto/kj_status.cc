#include "proto/kj_status.h"

#include <string>

#include "base/check.h"
#include "base/status.h"

namespace syncline {
namespace {

absl::StatusCode CodeOf(kj::Exception::Type type) {
  switch (type) {
    case kj::Exception::Type::DISCONNECTED:
      return absl::StatusCode::kUnavailable;
    case kj::Exception::Type::OVERLOADED:
      return absl::StatusCode::kResourceExhausted;
    case kj::Exception::Type::UNIMPLEMENTED:
      return absl::StatusCode::kUnimplemented;
    case kj::Exception::Type::FAILED:
      break;
  }
  return absl::StatusCode::kInternal;  // Also types of newer peers.
}

kj::Exception::Type TypeOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kUnavailable:
      return kj::Exception::Type::DISCONNECTED;
    case absl::StatusCode::kResourceExhausted:
      return kj::Exception::Type::OVERLOADED;
    case absl::StatusCode::kUnimplemented:
      return kj::Exception::Type::UNIMPLEMENTED;
    default:
      return kj::Exception::Type::FAILED;
  }
}

}  // namespace

absl::Status StatusFromKj(const kj::Exception& exception) {
  const kj::StringPtr text = exception.getDescription();
  return MakeStatus(CodeOf(exception.getType()), {text.begin(), text.size()});
}

kj::Exception KjFromStatus(const absl::Status& status) {
  SYNCLINE_CHECK(!status.ok(), "success is not an exception");
  const std::string_view text = FromAbsl(status.message());
  return kj::Exception(TypeOf(status.code()), __FILE__, __LINE__,
                       kj::heapString(text.data(), text.size()));
}

absl::Status CatchKj(absl::FunctionRef<void()> function) {
  KJ_IF_MAYBE (exception, kj::runCatchingExceptions([&] { function(); })) {
    return StatusFromKj(*exception);
  }
  return absl::OkStatus();
}

}  // namespace syncline
