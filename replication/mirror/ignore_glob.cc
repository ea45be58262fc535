#include "replication/mirror/ignore_glob.h"

#include <algorithm>
#include <utility>

namespace syncline {
namespace {

using ByteSet = std::bitset<256>;

bool IsAlpha(int c) { return (c | 32) >= 'a' && (c | 32) <= 'z'; }
bool IsDigit(int c) { return c >= '0' && c <= '9'; }
bool IsSpace(int c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool IsPrint(int c) { return c >= 0x20 && c < 0x7f; }

bool IsInClass(std::string_view name, int c) {
  if (name == "alnum") return IsAlpha(c) || IsDigit(c);
  if (name == "alpha") return IsAlpha(c);
  if (name == "blank") return c == ' ' || c == '\t';
  if (name == "cntrl") return c < 0x20 || c == 0x7f;
  if (name == "digit") return IsDigit(c);
  if (name == "graph") return IsPrint(c) && !IsSpace(c);
  if (name == "lower") return c >= 'a' && c <= 'z';
  if (name == "print") return IsPrint(c);
  if (name == "punct")
    return IsPrint(c) && !IsSpace(c) && !IsAlpha(c) && !IsDigit(c);
  if (name == "space") return IsSpace(c);
  if (name == "upper") return c >= 'A' && c <= 'Z';
  return IsDigit(c) || ((c | 32) >= 'a' && (c | 32) <= 'f');  // xdigit
}

constexpr std::string_view kClasses[] = {"alnum", "alpha", "blank", "cntrl",
                                         "digit", "graph", "lower", "print",
                                         "punct", "space", "upper", "xdigit"};

// Adds a POSIX class; false if there is none of that name.
bool AddClass(std::string_view name, ByteSet& set) {
  if (std::find(std::begin(kClasses), std::end(kClasses), name) ==
      std::end(kClasses))
    return false;
  for (int c = 0; c < 128; ++c) {
    if (IsInClass(name, c)) set.set(static_cast<std::size_t>(c));
  }
  return true;
}

}  // namespace

// Reads a pattern from left to right; any failure means "matches nothing".
class PathGlob::Parser {
 public:
  explicit Parser(std::string_view pattern) : pattern_(pattern) {}

  bool Run(PathGlob& out) {
    Segment segment;
    while (at_ < pattern_.size()) {
      const char c = pattern_[at_];
      if (c == '/' || (c == '\\' && Peek(1) == '/')) {
        at_ += c == '/' ? 1 : 2;
        Close(segment, out);
        if (at_ == pattern_.size()) Close(segment, out);
      } else if (!ReadToken(segment, out)) {
        return false;
      } else if (at_ == pattern_.size()) {
        Close(segment, out);
      }
    }
    return !out.segments_.empty();
  }

 private:
  [[nodiscard]] int Peek(std::size_t ahead) const {
    return at_ + ahead < pattern_.size()
               ? static_cast<unsigned char>(pattern_[at_ + ahead])
               : -1;
  }

  bool ReadToken(Segment& segment, PathGlob& out) {
    switch (pattern_[at_]) {
      case '*':
        ReadStars(segment);
        return true;
      case '?':
        ++at_;
        segment.tokens.push_back({Token::Type::kAny});
        return true;
      case '[': {
        ByteSet set;
        if (!ReadSet(set)) return false;
        segment.tokens.push_back(
            {.type = Token::Type::kSet, .set = out.sets_.size()});
        out.sets_.push_back(set);
        return true;
      }
      case '\\':
        if (++at_ == pattern_.size()) return false;
        [[fallthrough]];
      default:
        segment.tokens.push_back(
            {.type = Token::Type::kByte, .byte = pattern_[at_++]});
        return true;
    }
  }

  // Two stars or more that fill a segment are `**`; others count as one.
  void ReadStars(Segment& segment) {
    const bool starts_segment = segment.tokens.empty();
    const std::size_t first = at_;
    while (Peek(0) == '*') ++at_;
    const bool ends_segment =
        Peek(0) < 0 || Peek(0) == '/' || (Peek(0) == '\\' && Peek(1) == '/');
    if (at_ - first > 1 && starts_segment && ends_segment)
      segment.any_depth = true;
    else
      segment.tokens.push_back({Token::Type::kStar});
  }

  // One member of a bracket, a backslash taking the next byte as it is.
  bool ReadMember(int& member) {
    if (Peek(0) == '\\') ++at_;
    member = Peek(0);
    if (member < 0) return false;
    ++at_;
    return true;
  }

  // "[:name:]" at the read position. If what follows "[:" up to the next ']'
  // does not end in ':', the '[' is an ordinary member.
  enum class ClassRead { kNone, kAdded, kUnknown };
  ClassRead ReadClass(ByteSet& set) {
    const std::size_t begin = at_ + 2;
    const std::size_t close = pattern_.find(']', begin);
    if (close == std::string_view::npos) return ClassRead::kUnknown;
    if (close == begin || pattern_[close - 1] != ':') return ClassRead::kNone;
    if (!AddClass(pattern_.substr(begin, close - 1 - begin), set))
      return ClassRead::kUnknown;
    at_ = close + 1;
    return ClassRead::kAdded;
  }

  bool ReadSet(ByteSet& set) {
    ++at_;  // '['
    const bool negated = Peek(0) == '!' || Peek(0) == '^';
    if (negated) ++at_;
    int previous = -1;  // May begin a range.
    for (bool first = true; first || Peek(0) != ']'; first = false) {
      if (Peek(0) < 0) return false;
      if (Peek(0) == '-' && previous >= 0 && Peek(1) >= 0 && Peek(1) != ']') {
        ++at_;
        int last = 0;
        if (!ReadMember(last)) return false;
        for (int c = previous; c <= last; ++c) set.set(c);
        previous = -1;
        continue;
      }
      if (Peek(0) == '[' && Peek(1) == ':') {
        const ClassRead read = ReadClass(set);
        if (read == ClassRead::kUnknown) return false;
        if (read == ClassRead::kAdded) {
          previous = -1;
          continue;
        }
        ++at_;
        set.set('[');
        previous = '[';
        continue;
      }
      if (!ReadMember(previous)) return false;
      set.set(previous);
    }
    ++at_;  // ']'
    if (negated) set.flip();
    return true;
  }

  static void Close(Segment& segment, PathGlob& out) {
    segment.literal = !segment.any_depth &&
                      std::all_of(segment.tokens.begin(), segment.tokens.end(),
                                  [](const Token& token) {
                                    return token.type == Token::Type::kByte;
                                  });
    if (segment.literal) {
      for (const Token& token : segment.tokens)
        segment.text.push_back(token.byte);
      segment.tokens.clear();
    }
    out.segments_.push_back(std::exchange(segment, {}));
  }

  std::string_view pattern_;
  std::size_t at_ = 0;
};

std::optional<PathGlob> PathGlob::Parse(std::string_view pattern) {
  PathGlob glob;
  if (!Parser(pattern).Run(glob)) return std::nullopt;
  return glob;
}

bool PathGlob::MatchesOne(const Token& token, char byte) const {
  switch (token.type) {
    case Token::Type::kByte:
      return token.byte == byte;
    case Token::Type::kSet:
      return sets_[token.set].test(static_cast<unsigned char>(byte));
    default:
      return true;
  }
}

bool PathGlob::MatchesSegment(const Segment& segment,
                              std::string_view text) const {
  if (segment.literal) return segment.text == text;
  const std::vector<Token>& tokens = segment.tokens;
  std::size_t token = 0;
  std::size_t at = 0;
  std::size_t star = tokens.size();  // The last star passed: none yet.
  std::size_t star_at = 0;           // Where the text after it is tried.
  while (at < text.size()) {
    if (token < tokens.size() && tokens[token].type == Token::Type::kStar) {
      star = token++;
      star_at = at;
    } else if (token < tokens.size() && MatchesOne(tokens[token], text[at])) {
      ++token;
      ++at;
    } else if (star < tokens.size()) {
      token = star + 1;
      at = ++star_at;
    } else {
      return false;
    }
  }
  while (token < tokens.size() && tokens[token].type == Token::Type::kStar)
    ++token;
  return token == tokens.size();
}

// The same on the level of segments. `**` at the end takes at least one.
bool PathGlob::Matches(std::string_view path) const {
  constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  std::size_t segment = 0;
  std::size_t at = 0;  // Start of a path segment; size() + 1 after the last.
  std::size_t star = kNone;
  std::size_t star_at = 0;
  const auto next = [path](std::size_t from) {
    return std::min(path.find('/', from), path.size()) + 1;
  };
  while (at <= path.size()) {
    if (segment < segments_.size() && segments_[segment].any_depth) {
      if (segment + 1 == segments_.size()) return true;
      star = segment++;
      star_at = at;
      continue;
    }
    const std::size_t after = next(at);
    if (segment < segments_.size() &&
        MatchesSegment(segments_[segment], path.substr(at, after - 1 - at))) {
      ++segment;
      at = after;
    } else if (star != kNone) {
      segment = star + 1;
      star_at = next(star_at);
      at = star_at;
    } else {
      return false;
    }
  }
  return segment == segments_.size();
}

}  // namespace syncline
