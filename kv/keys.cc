#include "kv/keys.h"

#include "base/bytes.h"

namespace syncline {

std::string ProjectPrefix(ProjectNumber project) {
  std::string prefix;
  AppendU32(prefix, project.value);
  return prefix;
}

std::string PrefixEnd(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && end.back() == '\xff') end.pop_back();
  if (!end.empty()) ++end.back();
  return end;
}

}  // namespace syncline
