#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "replication/content_merge.h"

namespace syncline {

// How a node is opened.
struct NodeOptions {
  std::filesystem::path home;
  // Make the home (mode 0700) if it is missing; else that is kNotFound.
  bool create = true;
  // Given to a home that is made; empty: the machine's name.
  std::string name;
  // Start the folder mirrors at once. Without, they start when an operation
  // needs them.
  bool run_mirrors = true;
  // How often logs with a retention policy are looked at.
  std::int64_t retention_period_ms = 30'000;
  // Tried under the strategy `merge` before Syncline's own merge
  // (replication/content_merge.h). On worker threads.
  MergeFunction merge = {};
  // Hears of each step of Close(), in order: "accepting", "sessions",
  // "mirrors", "views", "commits", "store".
  std::function<void(std::string_view)> on_close_step;
};

}  // namespace syncline
