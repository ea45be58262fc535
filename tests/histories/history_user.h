#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "tests/histories/history.h"

namespace syncline::testing {

// What a user does at once.
struct UserAction {
  std::vector<Effect> effects;
  // All that the effects may supersede, besides places of directories: rule
  // P11 pins what others move. Nothing: the verb looks for itself.
  std::optional<std::vector<LiveHeads::Name>> seen;
  std::string what;
  // What is at `source` goes to `target` (nowhere if empty); `token` is how it
  // was seen. Without a source: something new at `target`.
  struct Move {
    std::string source;
    std::string target;
    std::optional<Token> token;
  };
  std::optional<Move> move;
};

// Users of one history: they know the same few names, and act on what is
// there now or on what they saw a while ago.
class HistoryUsers {
 public:
  explicit HistoryUsers(RandomSource& random);

  // What all are to have first.
  UserAction Begin(const CausalState& empty);
  // Empty effects: nothing to do, or refused.
  UserAction Act(HistoryReplica& replica);
  // An entry that breaks a rule of section 4 (A5), in one of many ways.
  Entry Illegal(HistoryReplica& replica, std::int64_t now_ms);

 private:
  enum class Verb : std::uint8_t {
    kCreate,
    kMkdir,
    kEdit,
    kAttr,
    kRemove,
    kRename,
    kReplace,
    kRetype,
    kChoose,
    kDocument,
    kSettings,
    kRemoveTree,
    kEvent
  };
  static constexpr std::size_t kVerbs = 13;

  std::uint64_t Below(std::uint64_t bound) { return random_.Below(bound); }
  bool OneIn(std::uint64_t n) { return Below(n) == 0; }
  Verb AnyVerb();
  std::string Value();
  std::string NewPath(const CausalState& state);
  std::string Pick(const CausalState& state);
  bool Look(HistoryReplica& replica, HistoryReplica::Seen& seen);
  void Create(const CausalState& state, Verb verb, UserAction& action);
  void Document(const CausalState& state, Verb verb, UserAction& action);
  void EditSeen(const CausalState& state, Verb verb,
                const HistoryReplica::Seen& seen, UserAction& action);
  void Rename(const CausalState& state, Verb verb,
              const HistoryReplica::Seen& seen, UserAction& action);

  RandomSource& random_;
  std::size_t profile_;
  std::uint64_t made_ = 0;
  std::vector<std::string> paths_;        // That were ever made.
  std::vector<std::string> directories_;  // Of them.
};

}  // namespace syncline::testing
