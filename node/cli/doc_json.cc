#include "node/cli/doc_json.h"

#include <utility>

#include <boost/json/serialize.hpp>

#include "base/bytes.h"
#include "node/cli/json.h"
#include "node/cli/output.h"
#include "replication/json_merge.h"

namespace syncline::cli {

std::string DocumentJson(control::Document::Reader document, bool value) {
  boost::json::object out;
  SetText(out, "namespace", document.getNameSpace());
  SetText(out, "key", document.getKey());
  SetText(out, "version", document.getVersion());
  SetText(out, "device", document.getDevice());
  out["time"] = TimeText(document.getTimeMs());
  out["size"] = document.getValue().size();
  out["conflict"] = document.getConflict();
  if (!value) return boost::json::serialize(out);
  std::string bytes = FromKj(document.getValue());
  if (!IsJson(bytes)) {
    out["value_hex"] = ToHex(bytes);
    return boost::json::serialize(out);
  }
  return WithMember(out, "value", std::move(bytes));
}

}  // namespace syncline::cli
