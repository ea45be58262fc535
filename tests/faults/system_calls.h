#pragma once

#include <string_view>

// Linked into a program, puts itself between it (RocksDB included) and the
// calls of the kernel that change files, so that a test can end the program at
// any of them or see what was done in which order. Told by its environment:
//
//   SYNCLINE_TRACE=FILE            a line for each call, behind it:
//                                  kind, class, path and second path, by tabs
//   SYNCLINE_KILL=KIND:CLASS:N:HOW kill -9 at the N-th call of that kind and
//                                  class; HOW: before, after, or torn (behind
//                                  the first half of a write)
//
// Kinds: create, write, sync, rename, unlink, mkdir, truncate. Classes say
// what the file is for; calls on other files are let through.

namespace syncline::testing {

// Adds a line of the program's own to the trace, if there is one.
void NoteInTrace(std::string_view line);

// Not seen by the trace, and never a place to die.
void WriteUnseen(int file, std::string_view bytes);

}  // namespace syncline::testing
