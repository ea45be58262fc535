#pragma once

#include <optional>
#include <string>

#include <boost/json.hpp>

#include "replication/state/causal_state.h"

// JSON forms of tests/vectors: entries, tokens, rows and heads.

namespace syncline::testing {

// Malformed vectors abort: they are part of the source.
inline std::string Text(const boost::json::value& value) {
  return std::string(value.as_string());
}
Entry ParseEntry(const boost::json::object& data);
Token ParseToken(const boost::json::object& data);
VersionVector ParseFrontier(const boost::json::object& data);
Origin ParseOrigin(const boost::json::value& text);

boost::json::object EntryJson(const Entry& entry);
boost::json::object RowJson(const Row& row);
boost::json::object FrontierJson(const VersionVector& frontier);
// All heads in the canonical form, sorted by (register, dot) as text.
boost::json::array HeadsJson(const CausalState::Snapshot& snapshot);
boost::json::array HlcJson(Hlc hlc);

}  // namespace syncline::testing
