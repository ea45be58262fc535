#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace syncline {

// Whether `path` is one that a project can have: names of 1..255 bytes between
// single '/', none of them "." or "..", no NUL, no '/' at either end. "" is
// the root, which only `root_allowed` lets pass.
//   kInvalidArgument  it is not; the message says why
absl::Status CheckPath(std::string_view path, bool root_allowed);

// "a/b" of "a/b/c"; "" of "c".
std::string_view DirOf(std::string_view path);
// "c" of "a/b/c".
std::string_view NameIn(std::string_view path);
// "a/b/c" of "a/b" and "c"; "c" of "" and "c".
std::string PathBelow(std::string_view dir, std::string_view name);

// `dir` as an absolute path without symbolic links, "." or "..": what is
// missing at its end is taken as it is written.
std::string CanonicalDir(std::string_view dir);

}  // namespace syncline
