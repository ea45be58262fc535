#include <catch2/catch.hpp>

#include "replication/state/edits.h"
#include "tests/state/naive_view.h"
#include "tests/state/random_history.h"

namespace syncline {
namespace {

using testing::RandomHistory;

// Tokens of all paths that a history shows.
std::vector<Token> SomeTokens() {
  RandomHistory::Options options;
  options.disturb = false;
  RandomHistory history(5, options);
  for (int k = 0; k < 150; ++k) history.Step();
  std::vector<Token> tokens;
  const CausalState& state = history.replica(0).state();
  for (const auto& [path, row] : testing::ListAll(state)) {
    tokens.push_back(**state.Read(path, true));
  }
  return tokens;
}

TEST_CASE("token: decoding gives back what was encoded", "[state]") {
  const std::vector<Token> tokens = SomeTokens();
  REQUIRE(tokens.size() > 5);
  for (const Token& token : tokens) {
    const auto decoded = DecodeToken(EncodeToken(token));
    REQUIRE(decoded.ok());
    REQUIRE(*decoded == token);
  }
}

TEST_CASE("token: a token that was cut or extended is refused", "[state]") {
  for (const Token& token : SomeTokens()) {
    const std::string bytes = EncodeToken(token);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      REQUIRE_FALSE(DecodeToken(bytes.substr(0, size)).ok());
    }
    REQUIRE_FALSE(DecodeToken(bytes + "x").ok());
  }
}

TEST_CASE("token: damaged bytes are refused or are another whole token",
          "[state][fuzz]") {
  SeededRandom random(3);
  for (const Token& token : SomeTokens()) {
    const std::string bytes = EncodeToken(token);
    for (int k = 0; k < 300; ++k) {
      std::string damaged = bytes;
      damaged[random.Below(damaged.size())] =
          static_cast<char>(random.Below(256));
      const auto decoded = DecodeToken(damaged);
      if (!decoded.ok()) {
        REQUIRE(absl::IsInvalidArgument(decoded.status()));
        continue;
      }
      REQUIRE(decoded->items.size() == decoded->locations.size());
      REQUIRE(EncodeToken(*decoded) == damaged);
    }
  }
}

TEST_CASE("token: a list out of order is refused", "[state]") {
  Token token;
  token.items = {kRoot};
  token.locations = {Location{}};
  token.attrs = {{"b", "1"}, {"a", "1"}};
  REQUIRE_FALSE(DecodeToken(EncodeToken(token)).ok());
  token.attrs = {{"a", "1"}, {"a", "1"}};
  REQUIRE_FALSE(DecodeToken(EncodeToken(token)).ok());
  token.attrs = {{"a", "1"}, {"b", "1"}};
  REQUIRE(DecodeToken(EncodeToken(token)).ok());
  token.item.counter = 9;
  REQUIRE_FALSE(DecodeToken(EncodeToken(token)).ok());
}

}  // namespace
}  // namespace syncline
