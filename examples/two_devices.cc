// Two devices in one program:
//
//   two_devices DIR     makes two homes in DIR, pairs them, and keeps the
//                       folder DIR/folder of the one equal to a project that
//                       the other writes

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <filesystem>
#include <fstream>
#include <future>
#include <iostream>
#include <memory>
#include <string>
#include <thread>

#include "node/node.h"
#include "node/node_devices.h"
#include "node/project_documents.h"
#include "node/project_files.h"

namespace {

using namespace syncline;

// A node, and the thread that runs its loop.
class Device {
 public:
  ~Device() {
    if (node_) node_->Close().IgnoreError();
    work_.reset();
    if (loop_.joinable()) loop_.join();
  }

  // Opens the home and listens for other devices.
  absl::Status Start(const std::filesystem::path& home) {
    NodeOptions options;
    options.home = home;
    auto node = Node::Open(io_, options);
    if (!node.ok()) return node.status();
    node_ = *std::move(node);
    loop_ = std::thread([this] { io_.run(); });
    std::promise<absl::Status> served;
    boost::asio::post(
        io_, [&] { served.set_value(node_->Serve({"127.0.0.1:0"}).status()); });
    return served.get_future().get();
  }
  Node& node() { return *node_; }

 private:
  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type>
      work_{io_.get_executor()};
  std::unique_ptr<Node> node_;
  std::thread loop_;
};

// One answer for all steps: the first that fails ends it.
absl::Status Run(const std::filesystem::path& dir) {
  Device laptop;
  Device phone;
  absl::Status status = laptop.Start(dir / "laptop");
  status.Update(phone.Start(dir / "phone"));
  if (!status.ok()) return status;

  const auto notes = laptop.node().CreateProject("notes");
  if (!notes.ok()) return notes.status();
  status.Update(notes->files().Put("todo.txt", "milk\n").status());
  status.Update(notes->documents().Put("prefs", "theme", "\"dark\"").status());

  const auto invitation = laptop.node().devices().Invite({"notes"});
  if (!invitation.ok()) return invitation.status();
  const auto joined =
      phone.node().devices().Join(invitation->code, {dir / "folder"});
  if (!joined.ok()) return joined.status();

  const Project there = phone.node().project("notes");
  status.Update(notes->sync().Wait(60'000).status());
  status.Update(there.sync().Wait(60'000).status());
  const auto theme = there.documents().Get("prefs", "theme");
  if (!theme.ok()) return theme.status();
  std::ifstream file(dir / "folder" / "todo.txt");
  std::string line;
  std::getline(file, line);
  std::cout << "todo.txt: " << line << "\ntheme: " << theme->value << "\n";
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: two_devices DIR\n";
    return 2;
  }
  const absl::Status status = Run(argv[1]);
  if (status.ok()) return 0;
  std::cerr << "two_devices: " << status.ToString() << "\n";
  return 1;
}
