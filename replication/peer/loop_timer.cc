#include "replication/peer/loop_timer.h"

#include <chrono>
#include <utility>

#include <boost/asio/steady_timer.hpp>

namespace syncline {
namespace {

class LoopTimer final : public Timer {
 public:
  explicit LoopTimer(const boost::asio::any_io_executor& loop) : timer_(loop) {}

  void Start(std::int64_t ms, std::function<void()> done) override {
    // A wait that ended is not taken back by the next: its handler may be in
    // the queue already.
    started_ = std::make_shared<char>();
    timer_.expires_after(std::chrono::milliseconds(ms));
    timer_.async_wait([token = std::weak_ptr<char>(started_),
                       done = std::move(done)](const auto& error) {
      if (!error && !token.expired()) done();
    });
  }
  void Cancel() override {
    started_.reset();
    timer_.cancel();
  }

 private:
  std::shared_ptr<char> started_;
  boost::asio::steady_timer timer_;
};

}  // namespace

MakeTimer LoopTimers(const boost::asio::any_io_executor& loop) {
  return [loop] { return std::make_unique<LoopTimer>(loop); };
}

}  // namespace syncline
