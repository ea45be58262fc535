// Calls of the control interface that may take for ever end with who asked.

#include <kj/async.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "node/control_service.h"
#include "node/node_core.h"
#include "tests/testing/temporary_directory.h"

namespace syncline {
namespace {

// A node and one who asks it something, on a loop that the test runs.
struct Controlled {
  Controlled() {
    NodeOptions options;
    options.home = temp / "home";
    options.run_mirrors = false;
    auto opened = NodeCore::Open(io, options);
    REQUIRE(opened.ok());
    core = *std::move(opened);
    core->loop().Enter(
        [this] { client.emplace(kj::heap<ControlService>(*core)); });
    bool made = false;
    core->CreateProject(
        "p", [&](const absl::Status& status) { made = status.ok(); });
    RunUntil(made);
  }
  ~Controlled() {
    GiveUp();
    core->loop().Enter([this] { client.reset(); });
    bool closed = false;
    core->Close([&](const absl::Status&) { closed = true; });
    RunUntil(closed);
  }

  void RunUntil(const bool& done) {
    while (!done) io.run_one();
  }
  // Whether it comes to rest.
  bool Rests() {
    constexpr int kHandlersMax = 50;
    constexpr std::chrono::milliseconds kRest(300);
    for (int i = 0; i < kHandlersMax; ++i) {
      if (io.run_one_for(kRest) == 0) return true;
    }
    return false;
  }

  void Ask(const std::function<kj::Promise<void>()>& ask) {
    core->loop().Enter([&] { asked = ask().eagerlyEvaluate(nullptr); });
  }
  void GiveUp() {
    core->loop().Enter([this] { asked = nullptr; });
  }

  testing::TemporaryDirectory temp;
  boost::asio::io_context io;
  // There are other threads, from which work comes.
  decltype(boost::asio::make_work_guard(io)) work =
      boost::asio::make_work_guard(io);
  std::shared_ptr<NodeCore> core;
  std::optional<control::Control::Client> client;
  kj::Promise<void> asked = nullptr;
};

class NoSink final : public control::LogSink::Server {
 public:
  explicit NoSink(bool& gone) : gone_(gone) {}
  ~NoSink() noexcept { gone_ = true; }

 private:
  bool& gone_;
};

TEST_CASE("control: a wait ends with who waits", "[node]") {
  Controlled node;
  std::filesystem::create_directory(node.temp / "dir");
  bool added = false;
  node.core->AddMirror(
      "p", node.temp / "dir", false,
      [&](const absl::StatusOr<MirrorReport>& mirror) { added = mirror.ok(); });
  node.RunUntil(added);
  // It is waited for until it is back.
  std::filesystem::remove_all(node.temp / "dir");
  node.Ask([&] {
    auto request = node.client->waitRequest();
    request.setTimeoutMs(-1);
    return request.send().ignoreResult();
  });
  CHECK_FALSE(node.Rests());
  node.GiveUp();
  CHECK(node.Rests());
}

TEST_CASE("control: following a log ends with who follows", "[node]") {
  Controlled node;
  bool gone = false;
  node.Ask([&] {
    auto request = node.client->readLogRequest();
    request.setProject("p");
    request.initQuery().setFollow(true);
    request.setSink(kj::heap<NoSink>(gone));
    return request.send().ignoreResult();
  });
  CHECK(node.Rests());
  CHECK_FALSE(gone);
  node.GiveUp();
  CHECK(node.Rests());
  CHECK(gone);
}

}  // namespace
}  // namespace syncline
