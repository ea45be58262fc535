#include "replication/json_merge.h"

#include <array>
#include <map>
#include <set>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace syncline {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";
constexpr int kDepthMax = 32;  // As deep as boost::json reads.

std::string_view Trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

std::optional<boost::json::value> Parse(std::string_view text) {
  boost::json::error_code error;
  boost::json::value value =
      boost::json::parse({text.data(), text.size()}, error);
  if (error) return std::nullopt;
  return value;
}

// Walks over the pieces of valid JSON.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  void SkipBlanks() {
    while (!AtEnd() && kBlanks.find(text_[at_]) != std::string_view::npos) {
      ++at_;
    }
  }
  // The string that starts here, quotes included.
  std::string_view String() {
    const std::size_t begin = at_++;
    while (!AtEnd() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    ++at_;
    return text_.substr(begin, at_ - begin);
  }
  // The value that starts here.
  std::string_view Value() {
    const std::size_t begin = at_;
    int depth = 0;
    while (!AtEnd()) {
      const char c = text_[at_];
      if (depth == 0 && at_ > begin && (c == ',' || c == '}')) break;
      if (c == '"') {
        String();
        continue;
      }
      if (c == '{' || c == '[') ++depth;
      if (c == '}' || c == ']') --depth;
      ++at_;
    }
    return Trimmed(text_.substr(begin, at_ - begin));
  }
  // Takes `c` if it is here.
  bool Take(char c) {
    SkipBlanks();
    if (AtEnd() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

 private:
  [[nodiscard]] bool AtEnd() const { return at_ >= text_.size(); }

  std::string_view text_;
  std::size_t at_ = 0;
};

bool SameValue(std::string_view a, std::string_view b) {
  return a == b || Parse(a) == Parse(b);
}

using Member = std::optional<std::string_view>;

class Merger {
 public:
  // Members of each side that are there.
  std::optional<std::string> Objects(std::string_view base,
                                     std::string_view older,
                                     std::string_view newer, int depth) {
    const auto in_base = SplitJsonObject(base);
    const auto in_older = SplitJsonObject(older);
    const auto in_newer = SplitJsonObject(newer);
    if (depth > kDepthMax || !in_base || !in_older || !in_newer) {
      return std::nullopt;
    }
    std::map<std::string, std::array<Member, 3>> members;
    for (const auto& [name, value] : *in_base) members[name][0] = value;
    for (const auto& [name, value] : *in_older) members[name][1] = value;
    for (const auto& [name, value] : *in_newer) members[name][2] = value;
    std::string merged = "{";
    for (const auto& [name, sides] : members) {
      const std::optional<std::string> value =
          Merge(sides[0], sides[1], sides[2], depth);
      if (!value) continue;
      if (merged.size() > 1) merged += ',';
      merged += boost::json::serialize(boost::json::string(name));
      merged += ':';
      merged += *value;
    }
    merged += '}';
    return merged;
  }

 private:
  static bool Same(const Member& a, const Member& b) {
    return a.has_value() == b.has_value() && (!a || SameValue(*a, *b));
  }
  static std::optional<std::string> Text(const Member& member) {
    if (!member) return std::nullopt;
    return std::string(*member);
  }

  std::optional<std::string> Merge(const Member& base, const Member& older,
                                   const Member& newer, int depth) {
    if (Same(older, newer) || Same(base, older)) return Text(newer);
    if (Same(base, newer)) return Text(older);
    if (!older || !newer) return Text(older ? older : newer);
    // What both added may be two halves of one object.
    const std::string_view from = base.value_or("{}");
    std::optional<std::string> merged =
        Objects(from, *older, *newer, depth + 1);
    return merged ? merged : Text(newer);
  }
};

}  // namespace

bool IsJson(std::string_view text) { return Parse(text).has_value(); }

std::optional<JsonMembers> SplitJsonObject(std::string_view text) {
  const std::optional<boost::json::value> value = Parse(text);
  if (!value || !value->is_object()) return std::nullopt;
  JsonMembers members;
  std::set<std::string> names;
  Scanner scanner(text);
  scanner.Take('{');
  if (scanner.Take('}')) return members;
  do {
    scanner.SkipBlanks();
    const auto name = Parse(scanner.String());
    if (!name || !name->is_string()) return std::nullopt;
    scanner.Take(':');
    scanner.SkipBlanks();
    const std::string_view member = scanner.Value();
    const std::string text_of_name(name->as_string().c_str(),
                                   name->as_string().size());
    if (!names.insert(text_of_name).second) return std::nullopt;
    members.emplace_back(text_of_name, member);
  } while (scanner.Take(','));
  return members;
}

std::optional<std::string> MergeJson(std::string_view base,
                                     std::string_view older,
                                     std::string_view newer) {
  if (!SplitJsonObject(base)) return std::nullopt;
  // One side as it is written, where the other added nothing to it.
  if (SplitJsonObject(older) && SplitJsonObject(newer)) {
    if (SameValue(base, older)) return std::string(newer);
    if (SameValue(base, newer)) return std::string(older);
  }
  return Merger().Objects(base, older, newer, 0);
}

}  // namespace syncline
