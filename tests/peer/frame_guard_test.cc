#include "replication/peer/frame_guard.h"

#include <catch2/catch.hpp>
#include <vector>

namespace syncline {
namespace {

std::string U32(std::uint32_t value) {
  std::string bytes;
  for (int i = 0; i < 4; ++i, value >>= 8)
    bytes += static_cast<char>(value & 0xff);
  return bytes;
}

// A message with segments of these many words.
std::string Message(const std::vector<std::uint32_t>& words) {
  std::string message = U32(static_cast<std::uint32_t>(words.size()) - 1);
  std::uint32_t total = 0;
  for (const std::uint32_t count : words) {
    message += U32(count);
    total += count;
  }
  if (message.size() % 8 != 0) message += U32(0);
  return message + std::string(std::size_t{total} * 8, 'x');
}

TEST_CASE("frame_guard: messages pass however they are cut", "[peer]") {
  const std::string stream =
      Message({3}) + Message({0}) + Message({1, 2}) + Message({1, 1, 4});
  for (std::size_t step = 1; step <= stream.size(); ++step) {
    FrameGuard guard;
    for (std::size_t at = 0; at < stream.size(); at += step)
      REQUIRE(guard.Feed(std::string_view(stream).substr(at, step)).ok());
  }
}

TEST_CASE("frame_guard: a stranger may send small messages only", "[peer]") {
  FrameGuard guard;
  CHECK(guard.Feed(Message({512})).ok());
  CHECK_FALSE(guard.Feed(Message({513}).substr(0, 8)).ok());
  CHECK_FALSE(guard.Feed(Message({1})).ok());
}

TEST_CASE("frame_guard: a stranger may not send many messages", "[peer]") {
  FrameGuard guard;
  absl::Status status;
  int count = 0;
  while ((status = guard.Feed(Message({512}))).ok()) REQUIRE(++count < 100);
  CHECK(count == 15);
}

TEST_CASE("frame_guard: a proven peer may send up to the large limit",
          "[peer]") {
  FrameGuard guard;
  guard.Unlock();
  CHECK(guard.Feed(Message({1u << 20})).ok());
  CHECK_FALSE(guard.Feed(U32(0) + U32((1u << 20) + 1)).ok());
}

TEST_CASE("frame_guard: text is not a message", "[peer]") {
  FrameGuard guard;
  CHECK(absl::IsInvalidArgument(guard.Feed("GET / HTTP/1.1\r\n")));
}

TEST_CASE("frame_guard: sizes that overflow are refused", "[peer]") {
  FrameGuard guard;
  guard.Unlock();
  std::string table = U32(509);
  for (int i = 0; i < 511; ++i) table += U32(0xffffffffu);
  CHECK_FALSE(guard.Feed(table).ok());
}

}  // namespace
}  // namespace syncline
