#include <utility>

#include "base/status.h"
#include "replication/mirror/base_token.h"
#include "replication/mirror/emitter.h"

// What this mirror did to the disk and could not note down any more. Base gets
// the rows that it would have got then, and nothing is told.

namespace syncline {

absl::StatusOr<bool> Emitter::TakeIntended(const LocalOp& op) {
  using Type = TreeStep::Type;
  const Type type = op.step.type;
  if (intents_.empty()) return false;
  if (type == Type::kRename) {
    return TakeIntendedMoves({{op.step.from, op.step.path}});
  }
  if (type == Type::kCycle) return TakeIntendedMoves(op.step.cycle);
  if (type == Type::kRemove) return false;
  const BaseEntry* intent =
      intents_.Find(op.step.path, [&](const BaseEntry& each) {
        return each.kind == op.step.kind && each.payload == op.payload;
      });
  if (intent == nullptr) return false;
  BaseEntry entry = *intent;
  entry.fingerprint = *op.disk;
  if (entry.kind == ItemKind::kFile) {
    // A disk may round times, but not this: a user has changed it since.
    const bool exec = AttrOf(intent->attrs, "exec") == "1";
    if (exec != op.disk->executable()) entry.fingerprint.mode ^= 0100;
    entry.attrs = DiskAttrs(entry.fingerprint);
  }
  base_.Put(op.step.path, entry, rows_);
  hooks_.differs(op.step.path);
  SYNCLINE_RETURN_IF_ERROR(Attributes(op, std::move(entry)));
  return true;
}

absl::StatusOr<bool> Emitter::TakeIntendedMoves(
    const std::vector<std::pair<std::string, std::string>>& moves) {
  std::vector<std::string> tokens;
  for (const auto& [from, to] : moves) {
    SYNCLINE_ASSIGN_OR_RETURN(const std::optional<BaseEntry> base,
                              base_.Get(from));
    if (!base) return false;
    SYNCLINE_ASSIGN_OR_RETURN(const Token seen, ReadToken(base->token));
    const BaseEntry* intent = intents_.Find(to, [&](const BaseEntry& each) {
      const absl::StatusOr<Token> token = DecodeToken(each.token);
      return token.ok() && token->item == seen.item;
    });
    if (intent == nullptr) return false;
    tokens.push_back(intent->token);
  }
  SYNCLINE_RETURN_IF_ERROR(base_.MoveTrees(moves, rows_));
  for (std::size_t i = 0; i < moves.size(); ++i) {
    const auto& [from, to] = moves[i];
    SYNCLINE_ASSIGN_OR_RETURN(std::optional<BaseEntry> entry, base_.Get(to));
    if (!entry) continue;
    entry->token = tokens[i];
    base_.Put(to, *entry, rows_);
    hooks_.differs(from);
    hooks_.differs(to);
  }
  return true;
}

bool Emitter::TakeIntendedRemoval(const std::string& path) {
  if (!intents_.Removes(path)) return false;
  base_.Remove(path, rows_);
  hooks_.differs(path);
  return true;
}

}  // namespace syncline
