#include "replication/ancestry.h"

#include <utility>

#include "base/status.h"
#include "proto/entry_codec.h"

namespace syncline {
namespace {

constexpr unsigned kBoth = 3;

// What `entry` did to a register: its value, if it has one, and what it
// replaced.
struct Write {
  std::optional<std::string> payload;
  std::uint32_t index = 0;
  Dots supersedes;
};

std::optional<Write> WriteOf(const Entry& entry, const RegisterId& reg) {
  for (std::uint32_t i = 0; i < entry.effects.size(); ++i) {
    const Effect& effect = entry.effects[i];
    if (const auto* content = std::get_if<ContentEffect>(&effect)) {
      if (reg.field == RegisterId::Field::kContent &&
          content->item == reg.item) {
        return Write{content->payload, i, content->supersedes};
      }
    }
    if (const auto* doc = std::get_if<DocEffect>(&effect)) {
      if (reg.field == RegisterId::Field::kDoc &&
          doc->name_space == reg.name_space && doc->key == reg.key) {
        return Write{doc->payload, i, doc->supersedes};
      }
    }
  }
  return std::nullopt;
}

}  // namespace

AncestorSearch::AncestorSearch(const AppendLog& log, RegisterId reg)
    : log_(log), reg_(std::move(reg)) {}

absl::Status AncestorSearch::Begin(const Dots& first, const Dots& second) {
  for (const Dot& dot : first) SYNCLINE_RETURN_IF_ERROR(Add(dot, 1, false));
  for (const Dot& dot : second) SYNCLINE_RETURN_IF_ERROR(Add(dot, 2, false));
  return absl::OkStatus();
}

absl::Status AncestorSearch::Add(const Dot& dot, unsigned sides, bool behind) {
  SYNCLINE_ASSIGN_OR_RETURN(const std::optional<Seq> seq, log_.Find(dot));
  if (!seq || *seq > log_.durable()) return absl::OkStatus();
  const auto [at, added] = queue_.try_emplace(*seq);
  Node& node = at->second;
  if (added) {
    node.dot = dot;
    ++open_;
  }
  node.sides |= sides;
  if (behind && !node.behind) {
    node.behind = true;
    --open_;
  }
  return absl::OkStatus();
}

bool AncestorSearch::Over() const {
  return open_ == 0 || looked_at_ >= kRecordsMax;
}

absl::StatusOr<bool> AncestorSearch::Step(
    std::size_t records,
    absl::FunctionRef<bool(std::string_view payload)> usable) {
  for (std::size_t i = 0; i < records && !Over(); ++i) {
    const auto last = std::prev(queue_.end());
    const auto [seq, node] = *last;
    queue_.erase(last);
    if (!node.behind) --open_;
    ++looked_at_;
    SYNCLINE_RETURN_IF_ERROR(Visit(node, seq, usable));
  }
  return Over();
}

absl::Status AncestorSearch::Visit(
    const Node& node, Seq seq,
    absl::FunctionRef<bool(std::string_view)> usable) {
  AppendLog::ReadOptions one;
  one.since = Seq{seq.value - 1};
  one.until = seq;
  const auto reader = log_.Read(one);
  if (!reader->Valid()) {
    // Truncated meanwhile: as if it had been before.
    return absl::IsNotFound(reader->status()) ? absl::OkStatus()
                                              : reader->status();
  }
  SYNCLINE_ASSIGN_OR_RETURN(const DecodedEntry decoded,
                            DecodeEntry(reader->record().entry));
  const Entry& entry = decoded.entry;
  const std::optional<Write> write = WriteOf(entry, reg_);
  if (!write) return absl::OkStatus();
  bool behind = node.behind;
  if (!behind && node.sides == kBoth && write->payload &&
      usable(*write->payload)) {
    behind = true;
    const HeadOrder order{entry.hlc, entry.dot.origin, entry.dot.counter,
                          write->index};
    if (!found_ || found_->order < order) {
      found_ = Found{order, *write->payload};
    }
  }
  for (const Dot& dot : write->supersedes) {
    SYNCLINE_RETURN_IF_ERROR(Add(dot, node.sides, behind));
  }
  return absl::OkStatus();
}

Sibling ValueOf(const RegisterId& reg, const AncestorSearch::Found& found) {
  Sibling sibling;
  sibling.reg = reg;
  sibling.head.order = found.order;
  sibling.head.value = found.payload;
  return sibling;
}

}  // namespace syncline
