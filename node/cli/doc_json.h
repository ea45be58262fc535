#pragma once

#include <string>

#include "proto/control.capnp.h"

namespace syncline::cli {

// A document as one line of JSON. A value that is JSON stands there as it is
// written (`value`), other bytes in hex (`value_hex`). `value`: with it.
std::string DocumentJson(control::Document::Reader document, bool value);

}  // namespace syncline::cli
