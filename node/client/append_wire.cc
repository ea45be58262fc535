#include "node/client/append_wire.h"

#include <algorithm>
#include <string_view>

#include "node/client/feed_wire.h"
#include "proto/words.h"

namespace syncline {
namespace {

void SetText(capnp::Text::Builder out, std::string_view text) {
  std::copy(text.begin(), text.end(), out.begin());
}

}  // namespace

std::size_t AppendWords(const AppendBatch& batch) {
  constexpr std::size_t kRunWords = 8;
  std::size_t words =
      4 + TextWords(batch.payloads.size()) + 2 * batch.sizes.size();
  for (const AppendBatch::Run& run : batch.runs) {
    words += kRunWords + TextWords(run.project.size()) +
             TextWords(run.channel.size());
  }
  return words;
}

void FillAppend(control::EventControl::AppendEventsParams::Builder out,
                const AppendBatch& batch) {
  out.setDurable(batch.durability == Durability::kDurable);
  auto runs = out.initRuns(static_cast<unsigned>(batch.runs.size()));
  const std::uint32_t* size = batch.sizes.data();
  const char* at = batch.payloads.data();
  for (unsigned i = 0; i < runs.size(); ++i) {
    const AppendBatch::Run& run = batch.runs[i];
    SetText(runs[i].initProject(static_cast<unsigned>(run.project.size())),
            run.project);
    SetText(runs[i].initChannel(static_cast<unsigned>(run.channel.size())),
            run.channel);
    auto payloads = runs[i].initPayloads(static_cast<unsigned>(run.events));
    for (unsigned j = 0; j < payloads.size(); ++j, ++size) {
      std::copy_n(at, *size, payloads.init(j, *size).begin());
      at += *size;
    }
  }
}

absl::StatusOr<AppendOutcome> OutcomeOf(
    control::Result<control::EventsAppended>::Reader result) {
  if (result.isFailure()) return StatusOf(result.getFailure());
  const auto value = result.getValue();
  AppendOutcome outcome;
  const auto firsts = value.getFirsts();
  outcome.firsts.reserve(firsts.size());
  for (const std::uint64_t first : firsts) outcome.firsts.push_back({first});
  for (const auto refused : value.getRefused()) {
    outcome.refused.emplace_back(refused.getEvent(),
                                 StatusOf(refused.getFailure()));
  }
  return outcome;
}

}  // namespace syncline
