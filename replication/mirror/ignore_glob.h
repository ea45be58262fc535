#pragma once

#include <bitset>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace syncline {

// One pattern of an ignore file, without `!` and the slashes at its ends, the
// way git's wildmatch reads it. Immutable.
//
// A pattern is a row of segments between slashes. `**` alone in a segment
// stands for any number of whole segments of the path; within a segment only
// single wildcards remain. So greedy matching that backs up to the last star
// is exact on both levels, and nothing takes exponential time.
class PathGlob {
 public:
  PathGlob() = default;  // Matches nothing.

  // Nothing if it can match no path (an open bracket, a backslash at the end).
  static std::optional<PathGlob> Parse(std::string_view pattern);

  [[nodiscard]] bool Matches(std::string_view path) const;

 private:
  using ByteSet = std::bitset<256>;

  struct Token {
    enum class Type : unsigned char { kByte, kAny, kStar, kSet };
    Type type;
    char byte = 0;        // Of kByte.
    std::size_t set = 0;  // Of kSet: index in sets_.
  };
  struct Segment {
    bool any_depth = false;  // `**`
    bool literal = false;    // Only kByte tokens, spelled out in `text`.
    std::string text;
    std::vector<Token> tokens;
  };
  class Parser;

  [[nodiscard]] bool MatchesOne(const Token& token, char byte) const;
  [[nodiscard]] bool MatchesSegment(const Segment& segment,
                                    std::string_view text) const;

  std::vector<Segment> segments_;
  std::vector<ByteSet> sets_;
};

}  // namespace syncline
