#include "node/cli/output.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include <fmt/format.h>
#include <boost/json/serialize.hpp>

namespace syncline::cli {
namespace {

bool OnTerminal() {
  static const bool result = isatty(STDOUT_FILENO) == 1;
  return result;
}

bool Colours() {
  static const bool result = [] {
    const char* no_color = std::getenv("NO_COLOR");
    const char* term = std::getenv("TERM");
    return OnTerminal() && (no_color == nullptr || *no_color == '\0') &&
           (term == nullptr || std::string_view(term) != "dumb");
  }();
  return result;
}

const char* Code(Tone tone) {
  switch (tone) {
    case Tone::kPlain:
      return "";
    case Tone::kGood:
      return "\x1b[32m";
    case Tone::kWarning:
      return "\x1b[33m";
    case Tone::kBad:
      return "\x1b[31m";
    case Tone::kFaint:
      return "\x1b[2m";
    case Tone::kStrong:
      return "\x1b[1m";
  }
  return "";
}

// Columns that `text` takes: characters outside of escape sequences.
std::size_t Width(std::string_view text) {
  std::size_t width = 0;
  bool escape = false;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (escape) {
      escape = c != 'm';
    } else if (c == '\x1b') {
      escape = true;
    } else if ((byte & 0xc0) != 0x80) {
      ++width;
    }
  }
  return width;
}

// A reader that went away (`syncline log | head`) is no error; other trouble
// with stdout ends the program, which may happen at any time to it anyway.
void CheckStdout(bool ok) {
  if (ok) return;
  constexpr int kStoreExit = 6;
  if (errno != EPIPE) std::perror("syncline: write to stdout");
  std::_Exit(errno == EPIPE ? 0 : kStoreExit);
}

void WriteStdout(std::string_view text) {
  CheckStdout(std::fwrite(text.data(), 1, text.size(), stdout) == text.size());
}

void WriteStderr(const std::string& text) {
  CheckStdout(std::fflush(stdout) == 0);
  std::fputs(text.c_str(), stderr);
}

}  // namespace

std::string Paint(Tone tone, std::string_view text) {
  if (!Colours() || tone == Tone::kPlain) return std::string(text);
  return fmt::format("{}{}\x1b[0m", Code(tone), text);
}

std::string TimeText(std::int64_t ms_since_1970) {
  std::int64_t seconds = ms_since_1970 / 1000;
  std::int64_t ms = ms_since_1970 % 1000;
  if (ms < 0) {
    ms += 1000;
    --seconds;
  }
  const std::time_t time = seconds;
  std::tm parts{};
  if (gmtime_r(&time, &parts) == nullptr) return "?";
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
                     parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
                     parts.tm_hour, parts.tm_min, parts.tm_sec, ms);
}

std::string SizeText(std::uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string Shown(std::string_view text) {
  std::string result(text);
  if (!OnTerminal()) return result;
  for (char& c : result) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) c = '?';
  }
  return result;
}

void PrintJson(const boost::json::value& value) {
  PrintLine(boost::json::serialize(value), true);
}

void PrintLine(std::string_view text, bool flush) {
  WriteStdout(text);
  WriteStdout("\n");
  if (flush) CheckStdout(std::fflush(stdout) == 0);
}

void PrintError(std::string_view what, std::string_view why) {
  std::string line = fmt::format("syncline: {}: {}", what, why);
  std::replace(line.begin(), line.end(), '\n', ' ');
  WriteStderr(line + "\n");
}

void PrintNote(std::string_view text) {
  WriteStderr(fmt::format("syncline: {}\n", text));
}

void PrintBytes(std::string_view bytes) { WriteStdout(bytes); }

void FlushOutput() { CheckStdout(std::fflush(stdout) == 0); }

Table::Table(std::vector<std::string> header) {
  for (std::string& cell : header) cell = Paint(Tone::kStrong, cell);
  rows_.push_back(std::move(header));
}

void Table::Add(std::vector<std::string> cells) {
  rows_.push_back(std::move(cells));
}

void Table::Print() const {
  std::vector<std::size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], Width(row[i]));
    }
  }
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - Width(row[i]) + 2, ' ');
    }
    PrintLine(line);
  }
}

}  // namespace syncline::cli
