// Waiting for one mirror after a sweep.

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <utility>

#include "node/node_core.h"

namespace syncline {

class NodeCore::Settling : public std::enable_shared_from_this<Settling> {
 public:
  Settling(NodeCore& core, MirrorRow row, std::function<void()> done)
      : core_(core.weak_from_this()),
        row_(std::move(row)),
        timer_(core.io_),
        done_(std::move(done)) {}

  void Look() {
    if (Over()) return done_();
    timer_.expires_after(kPause);
    timer_.async_wait(
        [self = shared_from_this()](const boost::system::error_code& error) {
          if (!error) self->Look();
        });
  }

 private:
  static constexpr std::chrono::milliseconds kPause{20};
  // 20 seconds; 2 if there is something to be written to the folder or a file
  // does not come to rest, which is no reason to wait.
  static constexpr int kLooksMax = 1000;
  static constexpr int kLooksPendingMax = 100;

  bool Over() {
    const std::shared_ptr<NodeCore> core = core_.lock();
    ProjectRuntime* project = core ? core->Find(row_.project) : nullptr;
    if (project == nullptr || ++looks_ > kLooksMax) return true;
    const auto open = project->mirrors.find(row_.id);
    if (open == project->mirrors.end()) return true;
    const Mirror::Status status = open->second->status();
    return status.state == Mirror::State::kIdle ||
           status.state == Mirror::State::kPaused ||
           status.state == Mirror::State::kError ||
           ((status.pending > 0 || !status.unsettled.empty()) &&
            looks_ > kLooksPendingMax);
  }

  std::weak_ptr<NodeCore> core_;
  MirrorRow row_;
  boost::asio::steady_timer timer_;
  std::function<void()> done_;
  int looks_ = 0;
};

// A sweep passes over files that were written a moment ago; the mirror comes
// back to them.
void NodeCore::Settle(const MirrorRow& row, std::function<void()> done) {
  std::make_shared<Settling>(*this, row, std::move(done))->Look();
}

}  // namespace syncline
