#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "node/node.h"
#include "node/node_core.h"
#include "replication/replica.h"

// Whole nodes in this process. They open or create the home "home" in `dir`,
// and end the program when anything fails.

namespace syncline::testing {

// What a node consists of, on this thread: for work that the node's own calls
// would hide behind hops between threads.
class CoreRig {
 public:
  explicit CoreRig(const std::filesystem::path& dir);
  ~CoreRig();  // Closes the node.

  boost::asio::io_context& io() { return io_; }
  NodeCore& core() { return *core_; }
  // Makes a project and waits for the disk.
  Replica& MakeProject(const std::string& name);
  // ... `count` of them, waiting once.
  std::vector<Replica*> MakeProjects(std::size_t count);
  Replica& project(const std::string& name);
  void RunUntil(const std::function<bool()>& done);

 private:
  boost::asio::io_context io_;
  std::shared_ptr<NodeCore> core_;
};

// A whole node on a thread of its own.
class NodeRig {
 public:
  explicit NodeRig(const std::filesystem::path& dir);
  ~NodeRig();

  Node& node() { return *node_; }

 private:
  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type>
      work_;
  std::unique_ptr<Node> node_;
  std::thread thread_;
};

}  // namespace syncline::testing
