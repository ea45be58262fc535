#pragma once

#include <capnp/list.h>

#include <string>
#include <vector>

#include "node/control_bridge.h"

namespace syncline {

inline std::vector<std::string> Texts(capnp::List<capnp::Text>::Reader list) {
  std::vector<std::string> texts;
  for (const capnp::Text::Reader text : list) texts.push_back(FromKj(text));
  return texts;
}

}  // namespace syncline
