#pragma once

#include <string>
#include <string_view>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "node/control_bridge.h"
#include "proto/control.capnp.h"

namespace syncline::cli {

// The JSON forms of the contract.

// Sets `key` to `text`. Names on disk may be any bytes: what is not UTF-8
// becomes U+FFFD there, and `<key>_hex` has all the bytes.
void SetText(boost::json::object& out, std::string_view key,
             std::string_view text);
inline void SetText(boost::json::object& out, std::string_view key,
                    const std::string& text) {
  SetText(out, key, std::string_view(text));
}
inline void SetText(boost::json::object& out, std::string_view key,
                    capnp::Text::Reader text) {
  SetText(out, key, std::string_view(text.cStr(), text.size()));
}

// `object` on one line, and behind its members one more: `key`, whose value is
// the JSON document `value` as it is written. Numbers keep their digits.
std::string WithMember(const boost::json::object& object, std::string_view key,
                       std::string value);

boost::json::object ToJson(control::Mirror::Reader in);
boost::json::object ToJson(control::Project::Reader in);
boost::json::object ToJson(control::Peer::Reader in);
boost::json::object ToJson(control::Status::Reader in);
boost::json::object ToJson(control::FileInfo::Reader in);
boost::json::object ToJson(control::Written::Reader in);
boost::json::object ToJson(control::Conflict::Reader in);
boost::json::object ToJson(control::ConflictDetail::Reader in);

// A record on one line. The payload of an event that is JSON stands there as it
// is written.
std::string RecordJson(control::Record::Reader in);

template <typename List>
boost::json::array ToJsonList(const List& list) {
  boost::json::array out;
  for (const auto& each : list) out.push_back(ToJson(each));
  return out;
}

}  // namespace syncline::cli
