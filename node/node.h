#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "node/async.h"
#include "node/feed.h"
#include "node/node_options.h"
#include "node/node_scope.h"
#include "node/project.h"
#include "node/project_conflicts.h"
#include "node/project_documents.h"
#include "node/project_files.h"
#include "node/project_log.h"
#include "node/types.h"

namespace syncline {

class NodeCore;
class ControlSocket;

// A Syncline node inside a program: what an embedder includes. One home
// directory, one identity, any number of projects.
//
// The node lives on an io_context that the program runs, on one thread at a
// time. Every operation comes twice: as an Asio-style asynchronous call, to be
// made from any thread, whose completion token may be a callback, use_future
// or use_awaitable; and as a blocking one, for threads other than the loop's.
// Errors are absl::Status; nothing throws. Common codes:
//   kNotFound     no such project, path or device
//   kCancelled    the node was closed
//   kDataLoss, kResourceExhausted, kInternal  from the disk
// Destroy the node when nobody runs the io_context, or on its thread; what was
// acknowledged is on the disk, closed before or not.
class Node {
 public:
  class Devices;  // node/node_devices.h

  // Opens the node in `options.home`, making it if that is asked for. Blocks
  // on the disk.
  //   kNotFound            no such home, and not to be made
  //   kInvalidArgument     there can be none: a file is in its way
  //   kFailedPrecondition  in use by another process, or written by a newer
  //                        format; the message says which
  //   kDataLoss            the store is damaged
  static absl::StatusOr<std::unique_ptr<Node>> Open(boost::asio::io_context& io,
                                                    const NodeOptions& options);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // Listens for peers at `listen` ("127.0.0.1:PORT", 0 for a free port), dials
  // those it knows, and gives the addresses bound. Once, on the loop.
  //   kFailedPrecondition  not a loopback address
  //   kUnavailable         cannot listen there
  absl::StatusOr<std::vector<std::string>> Serve(
      const std::vector<std::string>& listen);
  // Offers the control interface in the home (node/README.md). On the loop.
  absl::Status ServeControl();

  // Ends everything in order: nothing new is accepted, sessions and mirrors
  // end, memory is written back, the store is closed. Then every call answers
  // kCancelled.
  template <typename Token>
  auto AsyncClose(Token&& token) {
    return InitiateAsync<absl::Status>(io_, Closer(),
                                       std::forward<Token>(token));
  }
  absl::Status Close() { return BlockOn<absl::Status>(io_, Closer()); }

  template <typename Token>
  auto AsyncCreateProject(std::string name, Token&& token) {
    return InitiateAsync<absl::StatusOr<Project>>(io_, Creator(std::move(name)),
                                                  std::forward<Token>(token));
  }
  //   kAlreadyExists    a project of that name is here
  //   kInvalidArgument  no name for a project
  absl::StatusOr<Project> CreateProject(std::string name) {
    return BlockOn<absl::StatusOr<Project>>(io_, Creator(std::move(name)));
  }

  template <typename Token>
  auto AsyncRemoveProject(std::string name, Token&& token) {
    return InitiateAsync<absl::Status>(io_, Remover(std::move(name)),
                                       std::forward<Token>(token));
  }
  // Folders and other devices keep their files.
  absl::Status RemoveProject(std::string name) {
    return BlockOn<absl::Status>(io_, Remover(std::move(name)));
  }

  template <typename Token>
  auto AsyncStatus(Token&& token) {
    return InitiateAsync<absl::StatusOr<NodeReport>>(
        io_, StatusReader(), std::forward<Token>(token));
  }
  absl::StatusOr<NodeReport> Status() {
    return BlockOn<absl::StatusOr<NodeReport>>(io_, StatusReader());
  }

  // One feed of many projects: see node/feed.h. Errors come as its end; no
  // such project is kNotFound. Call on the loop.
  [[nodiscard]] std::unique_ptr<FeedSubscription> Subscribe(
      std::vector<FeedSource> sources, Visibility visibility,
      FeedHandlers handlers);

  // The project of that name, whether or not there is one: its operations
  // answer kNotFound then. kNodeScope (node/node_scope.h) is always there. Must
  // not outlive the io_context.
  [[nodiscard]] Project project(std::string name) const;

  // Who it shares projects with. Must not outlive the io_context.
  [[nodiscard]] Devices devices() const;

  // Base32 groups of the hash of the device's public key.
  [[nodiscard]] std::string device_id() const;

 private:
  Node(boost::asio::io_context& io, std::shared_ptr<NodeCore> core);
  Starter<absl::Status> Closer();
  Starter<absl::StatusOr<Project>> Creator(std::string name);
  Starter<absl::Status> Remover(std::string name);
  Starter<absl::StatusOr<NodeReport>> StatusReader();

  boost::asio::io_context& io_;
  std::shared_ptr<NodeCore> core_;
  std::shared_ptr<std::unique_ptr<ControlSocket>> control_;
};

}  // namespace syncline
