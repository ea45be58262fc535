#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <catch2/catch.hpp>
#include <functional>
#include <future>
#include <memory>
#include <string_view>
#include <thread>
#include <vector>

#include "node/client/client.h"
#include "tests/node/feed_log.h"

namespace syncline::testing {

// A client on an io_context that a thread of its own runs.
class RunningClient {
 public:
  explicit RunningClient(const std::filesystem::path& home,
                         Client::Options options = {})
      : guard_(io_.get_executor()) {
    auto client = Client::Connect(io_.get_executor(), home, std::move(options));
    INFO(client.status());
    REQUIRE(client.ok());
    client_ = *std::move(client);
    thread_ = std::thread([this] { io_.run(); });
  }
  ~RunningClient() {
    OnLoop([this] { client_.reset(); });
    guard_.reset();
    thread_.join();
  }

  Client& operator*() { return *client_; }
  Client* operator->() { return client_.get(); }
  void DropHere() { client_.reset(); }  // On the loop.

  void OnLoop(const std::function<void()>& function) {
    std::promise<void> ran;
    boost::asio::post(io_, [&] {
      function();
      ran.set_value();
    });
    ran.get_future().wait();
  }

  std::future<absl::StatusOr<Seq>> Append(
      std::string_view project, std::string_view channel,
      std::string_view payload, Durability durability = Durability::kDurable) {
    auto promise = std::make_shared<std::promise<absl::StatusOr<Seq>>>();
    client_->Append(project, channel, payload, durability,
                    [promise](absl::StatusOr<Seq> seq) {
                      promise->set_value(std::move(seq));
                    });
    return promise->get_future();
  }

  void Subscribe(FeedLog& log, const std::vector<FeedSource>& sources,
                 Visibility visibility) {
    log.Subscribe([this](const auto& run) { OnLoop(run); },
                  [&](FeedHandlers handlers) {
                    return client_->Subscribe(sources, visibility,
                                              std::move(handlers));
                  });
  }

 private:
  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type>
      guard_;
  std::unique_ptr<Client> client_;
  std::thread thread_;
};

}  // namespace syncline::testing
