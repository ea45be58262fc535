#pragma once

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/testing/process.h"
#include "tests/testing/temporary_directory.h"

namespace syncline::testing {

// The program on one home, with nothing serving unless a test does.
class Home {
 public:
  Home() = default;
  [[nodiscard]] std::filesystem::path path() const { return temp_ / "home"; }
  [[nodiscard]] const TemporaryDirectory& temp() const { return temp_; }

  CommandResult Run(const std::vector<std::string>& args,
                    std::string_view input = {}) const {
    return RunSyncline(path(), args, input);
  }
  // The output of a command that must succeed.
  std::string Must(const std::vector<std::string>& args,
                   std::string_view input = {}) const {
    const CommandResult result = Run(args, input);
    INFO(args[0] << ": " << result.out << result.err);
    REQUIRE(result.exit_code == 0);
    return result.out;
  }
  boost::json::value Json(std::vector<std::string> args) const {
    args.emplace_back("--json");
    return boost::json::parse(Must(args));
  }
  // A refusal is one line, nothing else, and one exit code.
  void Refused(const std::vector<std::string>& args, int exit_code,
               std::string_view input = {}) const {
    const CommandResult result = Run(args, input);
    INFO(args[0] << ": " << result.out << result.err);
    CHECK(result.exit_code == exit_code);
    CHECK(result.err.starts_with("syncline: "));
    CHECK(result.err.find('\n') + 1 == result.err.size());
    CHECK(result.out.empty());
  }

 private:
  TemporaryDirectory temp_;
};

// Without the newline at its end.
inline std::string Line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

inline std::vector<boost::json::object> JsonLines(const std::string& text) {
  std::vector<boost::json::object> lines;
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = text.find('\n', start);
    lines.push_back(
        boost::json::parse(text.substr(start, end - start)).as_object());
    start = end + 1;
  }
  return lines;
}

}  // namespace syncline::testing
