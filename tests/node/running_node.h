#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <future>
#include <memory>
#include <thread>
#include <utility>

#include "kv/keys.h"
#include "node/node.h"

namespace syncline::testing {

// The number of the first project of a new node: its own scope has 1.
inline constexpr ProjectNumber kFirstProject{2};

// A node on an io_context that a thread of its own runs, as in a program.
class RunningNode {
 public:
  explicit RunningNode(const NodeOptions& options)
      : guard_(io_.get_executor()) {
    absl::StatusOr<std::unique_ptr<Node>> node = Node::Open(io_, options);
    status_ = node.status();
    if (node.ok()) node_ = *std::move(node);
    thread_ = std::thread([this] { io_.run(); });
  }
  ~RunningNode() {
    guard_.reset();
    io_.stop();
    if (thread_.joinable()) thread_.join();
  }

  Node& operator*() { return *node_; }
  Node* operator->() { return node_.get(); }
  [[nodiscard]] const absl::Status& status() const { return status_; }
  boost::asio::io_context& io() { return io_; }

  // Runs `function` on the loop, waits for it and gives what it returned.
  template <typename Function>
  auto OnLoop(Function function) {
    std::packaged_task<decltype(function())()> task(std::move(function));
    auto result = task.get_future();
    boost::asio::post(io_, [&task] { task(); });
    return result.get();
  }
  // Waits until the loop has nothing left to run: after Close().
  void Drain() {
    guard_.reset();
    thread_.join();
  }

 private:
  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type>
      guard_;
  absl::Status status_;
  std::unique_ptr<Node> node_;
  std::thread thread_;
};

inline NodeOptions At(const std::filesystem::path& home) {
  NodeOptions options;
  options.home = home;
  return options;
}

}  // namespace syncline::testing
