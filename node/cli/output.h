#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/value.hpp>

namespace syncline::cli {

// What people and scripts see. Data goes to stdout, all else to stderr.

// Ways to mark text; plain where the output is no terminal, NO_COLOR is set or
// TERM is "dumb".
enum class Tone { kPlain, kGood, kWarning, kBad, kFaint, kStrong };

// `text` in `tone`, for stdout.
std::string Paint(Tone tone, std::string_view text);

// "2026-07-09T10:15:00.123Z". 0 is a time too.
std::string TimeText(std::int64_t ms_since_1970);
// "1.5 MiB"; exact below 1 KiB.
std::string SizeText(std::uint64_t bytes);

// How much of an id is shown where people look: enough to tell a few apart.
inline constexpr std::size_t kShortId = 9;

// Replaces what could steer a terminal: control characters become '?', when
// stdout is a terminal. Names come from other devices.
std::string Shown(std::string_view text);

// One JSON document and a newline; flushed.
void PrintJson(const boost::json::value& value);
// `text` and a newline; flushed if `flush`.
void PrintLine(std::string_view text, bool flush = false);
// As they are.
void PrintBytes(std::string_view bytes);
// Hands everything to the system; ends the program if it does not take it.
void FlushOutput();
// "syncline: what: why".
void PrintError(std::string_view what, std::string_view why);
// "syncline: text", for what is no error.
void PrintNote(std::string_view text);

// Columns as wide as their widest cell, two spaces between; the last one runs
// free. Cells may be painted.
class Table {
 public:
  explicit Table(std::vector<std::string> header);
  void Add(std::vector<std::string> cells);
  [[nodiscard]] bool empty() const { return rows_.size() == 1; }
  void Print() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace syncline::cli
