#include "tests/sim/sim_user.h"

#include <optional>
#include <string>
#include <utility>

#include "base/status.h"
#include "kv/file_content.h"
#include "replication/state/edits.h"
#include "tests/state/naive_view.h"

namespace syncline::testing {
namespace {

using Effects = absl::StatusOr<std::vector<Effect>>;

class User {
 public:
  User(const CausalState& state, ChunkStore& chunks, RandomSource& random)
      : state_(state),
        chunks_(chunks),
        random_(random),
        rows_(ListAll(state)) {}

  Effects Act() {
    const std::uint64_t dice = random_.Below(100);
    if (dice < 22) return Create(ItemKind::kFile);
    if (dice < 36) return Create(ItemKind::kDirectory);
    if (dice < 42) return Document();
    if (rows_.empty()) return Create(ItemKind::kFile);
    const std::string path = AnyPath();
    SYNCLINE_ASSIGN_OR_RETURN(const std::optional<Token> seen,
                              state_.Read(path, false));
    if (!seen) return std::vector<Effect>();
    if (dice < 62) return RenameEffects(state_, *seen, NewPath(), std::nullopt);
    if (dice < 70) return RemoveEffects(state_, *seen);
    if (dice < 75) return AttrEffects(state_, *seen, "mode", Number(3));
    if (seen->item.IsDirectory()) return RemoveTree(path);
    SYNCLINE_ASSIGN_OR_RETURN(std::string payload, Content());
    if (dice < 80) return ChooseEffects(state_, path, std::move(payload));
    return EditEffects(state_, *seen, std::move(payload), {});
  }

 private:
  std::string Number(std::uint64_t bound) {
    return std::to_string(random_.Below(bound));
  }
  std::string AnyPath() {
    auto at = rows_.begin();
    std::advance(at, random_.Below(rows_.size()));
    return at->first;
  }
  std::string NewPath() {
    std::string name = "n" + Number(5);
    std::vector<std::string> directories = {""};
    for (const auto& [path, row] : rows_) {
      if (row.IsDirectory()) directories.push_back(path + "/");
    }
    return directories[random_.Below(directories.size())] + name;
  }
  absl::StatusOr<std::string> Content() {
    ContentWriter writer(chunks_);
    // Now and then larger than what travels with its entry.
    const std::size_t bytes = random_.Below(8) == 0 ? 20'000 : 20;
    SYNCLINE_RETURN_IF_ERROR(writer.Add(Number(50) + std::string(bytes, 'x')));
    SYNCLINE_ASSIGN_OR_RETURN(const FileContent content, writer.Finish());
    SYNCLINE_RETURN_IF_ERROR(chunks_.Sync());
    return content.Encode();
  }
  Effects Create(ItemKind kind) {
    std::string payload;
    if (kind == ItemKind::kFile) {
      SYNCLINE_ASSIGN_OR_RETURN(payload, Content());
    }
    return CreateEffects(state_, NewPath(), kind, std::move(payload), {}, 0);
  }
  Effects RemoveTree(const std::string& path) {
    SYNCLINE_ASSIGN_OR_RETURN(auto entries,
                              RemoveTreeEffects(state_, path, 1000));
    if (entries.empty()) return std::vector<Effect>();
    return std::move(entries.front());
  }
  Effects Document() {
    std::optional<std::string> value;
    if (random_.Below(4) > 0) value = Number(9);
    return DocEffects(state_, "app", "k" + Number(3), std::move(value));
  }

  const CausalState& state_;
  ChunkStore& chunks_;
  RandomSource& random_;
  const std::map<std::string, Row> rows_;
};

}  // namespace

Effects UserEffects(const CausalState& state, ChunkStore& chunks,
                    RandomSource& random) {
  return User(state, chunks, random).Act();
}

}  // namespace syncline::testing
