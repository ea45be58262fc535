#pragma once

namespace syncline {

inline constexpr char kProgramVersion[] = SYNCLINE_VERSION;

}  // namespace syncline
