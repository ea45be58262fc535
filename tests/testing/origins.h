#pragma once

#include "clock/origin.h"

namespace syncline::testing {

// Authors, where it does not matter who they are.
inline const Origin kA = *Origin::FromHex("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
inline const Origin kB = *Origin::FromHex("bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");
inline const Origin kC = *Origin::FromHex("cccccccccccccccccccccccccccccccc");

}  // namespace syncline::testing
