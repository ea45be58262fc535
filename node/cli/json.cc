#include "node/cli/json.h"

#include <boost/json/serialize.hpp>

#include "base/bytes.h"
#include "base/utf8.h"
#include "node/cli/output.h"
#include "replication/json_merge.h"

namespace syncline::cli {
namespace {

using boost::json::object;

boost::json::value TimeOrNull(std::int64_t ms) {
  if (ms == 0) return nullptr;
  return boost::json::value(TimeText(ms));
}

// With the JSON that the payload is, else text, else bytes.
std::string WithPayload(object change, std::string payload) {
  if (IsJson(payload)) {
    return WithMember(change, "payload", std::move(payload));
  }
  if (IsUtf8(payload)) {
    change["payload_text"] = std::move(payload);
  } else {
    change["payload_hex"] = ToHex(payload);
  }
  return boost::json::serialize(change);
}

std::string ChangeJson(control::Change::Reader in) {
  object out;
  SetText(out, "type", in.getType());
  SetText(out, "path", in.getPath());
  if (in.getFrom().size() > 0) SetText(out, "from", in.getFrom());
  if (in.getItem().size() > 0) {
    SetText(out, "item", in.getItem());
    SetText(out, "kind", in.getKind());
  }
  if (in.getHash().size() > 0 || in.getSize() > 0) {
    out["size"] = in.getSize();
  }
  if (in.getHash().size() > 0) SetText(out, "hash", in.getHash());
  if (in.getVersion().size() > 0) SetText(out, "version", in.getVersion());
  if (in.getType() == "event") {
    return WithPayload(std::move(out), FromKj(in.getPayload()));
  }
  return boost::json::serialize(out);
}

object SiblingToJson(control::Sibling::Reader in) {
  object out;
  SetText(out, "version", in.getVersion());
  SetText(out, "device", in.getDevice());
  SetText(out, "origin", in.getOrigin());
  out["time"] = TimeText(in.getTimeMs());
  SetText(out, "kind", in.getKind());
  out["size"] = in.getSize();
  SetText(out, "hash", in.getHash());
  out["shown"] = in.getShown();
  out["automatic"] = in.getAutomatic();
  return out;
}

object LogJson(control::LogInfo::Reader in) {
  object out;
  SetText(out, "id", in.getId());
  out["head"] = in.getHead();
  out["durable"] = in.getDurable();
  out["horizon"] = in.getHorizon();
  return out;
}

}  // namespace

void SetText(object& out, std::string_view key, std::string_view text) {
  constexpr std::string_view kReplacement = "\xef\xbf\xbd";
  std::string clean;
  bool valid = true;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t bytes = Utf8CharacterBytes(text.substr(i));
    if (bytes == 0) {
      clean += kReplacement;
      valid = false;
      ++i;
    } else {
      clean += text.substr(i, bytes);
      i += bytes;
    }
  }
  out[key] = clean;
  if (!valid) out[std::string(key) + "_hex"] = ToHex(text);
}

std::string WithMember(const object& object, std::string_view key,
                       std::string value) {
  // Within JSON, line ends stand between its parts only.
  for (char& c : value) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  std::string line = boost::json::serialize(object);
  line.pop_back();
  if (!object.empty()) line += ',';
  line += boost::json::serialize(key);
  line += ':';
  line += value;
  line += '}';
  return line;
}

object ToJson(control::Mirror::Reader in) {
  object out;
  SetText(out, "dir", in.getDir());
  SetText(out, "state", in.getState());
  out["scanned_files"] = in.getScannedFiles();
  out["pending"] = in.getPending();
  SetText(out, "error", in.getError());
  return out;
}

object ToJson(control::Project::Reader in) {
  object out;
  SetText(out, "name", in.getName());
  SetText(out, "id", in.getId());
  out["mirrors"] = ToJsonList(in.getMirrors());
  out["log"] = LogJson(in.getLog());
  object frontier;
  for (const auto slot : in.getFrontier()) {
    frontier[FromKj(slot.getOrigin())] = slot.getCounter();
  }
  out["frontier"] = std::move(frontier);
  SetText(out, "digest", in.getDigest());
  out["items"] = in.getItems();
  out["bytes"] = in.getBytes();
  out["conflicts"] = in.getConflicts();
  out["missing_chunks"] = in.getMissingChunks();
  SetText(out, "strategy", in.getStrategy());
  SetText(out, "error", in.getError());
  return out;
}

object ToJson(control::Peer::Reader in) {
  object out;
  SetText(out, "id", in.getId());
  SetText(out, "name", in.getName());
  SetText(out, "address", in.getAddress());
  SetText(out, "state", in.getState());
  boost::json::array projects;
  for (const auto name : in.getProjects()) {
    projects.emplace_back(FromKj(name));
  }
  out["projects"] = std::move(projects);
  SetText(out, "last_error", in.getLastError());
  out["retry_at"] = TimeOrNull(in.getRetryAtMs());
  if (in.getRttMs() >= 0) {
    out["rtt_ms"] = in.getRttMs();
  } else {
    out["rtt_ms"] = nullptr;
  }
  out["sent_bytes"] = in.getSentBytes();
  out["received_bytes"] = in.getReceivedBytes();
  return out;
}

object ToJson(control::Status::Reader in) {
  object out;
  object device;
  SetText(device, "id", in.getDevice().getId());
  SetText(device, "name", in.getDevice().getName());
  out["device"] = std::move(device);
  SetText(out, "version", in.getVersion());
  out["uptime_s"] = in.getUptimeS();
  out["serving"] = in.getServing();
  if (in.getIncident().size() > 0) {
    object incident;
    SetText(incident, "what", in.getIncident());
    incident["at"] = TimeOrNull(in.getIncidentMs());
    out["incident"] = std::move(incident);
  } else {
    out["incident"] = nullptr;
  }
  out["projects"] = ToJsonList(in.getProjects());
  out["peers"] = ToJsonList(in.getPeers());
  return out;
}

object ToJson(control::FileInfo::Reader in) {
  object out;
  SetText(out, "path", in.getPath());
  SetText(out, "kind", in.getKind());
  out["size"] = in.getSize();
  SetText(out, "hash", in.getHash());
  SetText(out, "version", in.getVersion());
  SetText(out, "item", in.getItem());
  out["mtime"] = TimeOrNull(in.getMtimeMs());
  out["exec"] = in.getExec();
  out["conflict"] = in.getConflict();
  if (in.getKind() == "symlink") SetText(out, "target", in.getTarget());
  return out;
}

object ToJson(control::Written::Reader in) {
  object out;
  out["seq"] = in.getSeq();
  SetText(out, "version", in.getVersion());
  return out;
}

std::string RecordJson(control::Record::Reader in) {
  object out;
  out["seq"] = in.getSeq();
  out["time"] = TimeText(in.getTimeMs());
  SetText(out, "device", in.getDevice());
  SetText(out, "origin", in.getOrigin());
  out["counter"] = in.getCounter();
  SetText(out, "cause", in.getCause());
  if (in.getConflicts().size() > 0) {
    out["conflicts"] = ToJsonList(in.getConflicts());
  }
  std::string changes = "[";
  for (const auto change : in.getChanges()) {
    if (changes.size() > 1) changes += ',';
    changes += ChangeJson(change);
  }
  changes += ']';
  return WithMember(out, "changes", std::move(changes));
}

object ToJson(control::Conflict::Reader in) {
  object out;
  SetText(out, "path", in.getPath());
  out["seq"] = in.getSeq();
  boost::json::array siblings;
  for (const auto sibling : in.getSiblings()) {
    siblings.push_back(SiblingToJson(sibling));
  }
  out["siblings"] = std::move(siblings);
  out["ancestor"] = nullptr;
  for (const auto ancestor : in.getAncestor()) {
    object value = SiblingToJson(ancestor);
    value.erase("shown");
    out["ancestor"] = std::move(value);
  }
  for (const auto resolution : in.getResolution()) {
    object value;
    value["seq"] = resolution.getSeq();
    SetText(value, "device", resolution.getDevice());
    SetText(value, "by", resolution.getBy());
    SetText(value, "cause", resolution.getCause());
    SetText(value, "version", resolution.getVersion());
    out["resolution"] = std::move(value);
  }
  return out;
}

object ToJson(control::ConflictDetail::Reader in) {
  object out = ToJson(in.getConflict());
  boost::json::array diffs;
  for (const auto diff : in.getDiffs()) {
    object each;
    SetText(each, "from", diff.getFrom());
    SetText(each, "to", diff.getTo());
    if (diff.getKnown()) {
      SetText(each, "diff", FromKj(diff.getText()));
    } else {
      each["diff"] = nullptr;
    }
    diffs.push_back(std::move(each));
  }
  out["diffs"] = std::move(diffs);
  return out;
}

}  // namespace syncline::cli
