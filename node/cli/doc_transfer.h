#pragma once

#include <functional>
#include <string>

#include <CLI/CLI.hpp>

#include "absl/status/status.h"
#include "node/cli/invocation.h"

namespace syncline::cli {

// Visits documents by namespace and key: all but the settings, or those of
// "NAMESPACE" or "NAMESPACE/START-OF-KEYS".
absl::Status ForEachDocument(
    Session& session, const std::string& project, const std::string& name,
    const std::function<void(control::Document::Reader)>& visit);

// doc export, doc import.
void AddDocTransferCommands(CLI::App& doc, Invocation& in);

}  // namespace syncline::cli
