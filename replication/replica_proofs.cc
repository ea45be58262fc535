// How a replica proves to others what origins wrote: it signs its own chain
// hashes, and keeps the signatures that came with others'.

#include <algorithm>
#include <map>
#include <utility>

#include "base/status.h"
#include "replication/rebuild.h"
#include "replication/replica_impl.h"

namespace syncline {
namespace {

// Values of rows kDoubt.
constexpr std::string_view kFound;
constexpr std::string_view kTold = "t";

void PutDoubt(ProjectNumber project, const Origin& origin,
              std::string_view value, WriteBatch& rows) {
  rows.Put(Column::kProjects,
           ProjectRowKey(project, ProjectRow::kDoubt, origin.view()), value);
}

}  // namespace

bool Replica::Impl::IsOwn(const Origin& origin) const {
  if (origin == identity.self) return true;
  const auto at = devices.find(origin);
  return at != devices.end() && at->second == identity.device_key;
}

std::string Replica::Impl::DeviceOf(const Origin& origin) const {
  const auto at = devices.find(origin);
  return at != devices.end() ? at->second : std::string();
}

void Replica::Impl::KeepSignatures(const CheckedSegment& segment,
                                   WriteBatch& rows) {
  const std::vector<ChainHead> heads = OthersOf(segment.reached);
  if (heads.empty()) return;
  cuts.Add(Seq{log->head().value + segment.fresh.size()}, heads, rows);
}

std::vector<ChainHead> Replica::Impl::OthersOf(
    const std::vector<ChainHead>& all) const {
  std::vector<ChainHead> heads;
  for (const ChainHead& head : all) {
    if (!IsOwn(head.dot.origin) && !head.signature.empty()) {
      heads.push_back(head);
    }
  }
  return heads;
}

absl::StatusOr<ChainHead> Replica::Impl::Signed(ChainHead head) const {
  if (!IsOwn(head.dot.origin) || identity.device == nullptr) {
    return FailedPrecondition("no key to sign " + head.dot.ToText());
  }
  SYNCLINE_ASSIGN_OR_RETURN(
      head.signature, SignChain(*identity.device, identity.project, head));
  return head;
}

absl::StatusOr<std::optional<ChainHead>> Replica::Impl::NewestHead(
    const Origin& origin) const {
  const Dot newest{origin, log->frontier().CounterOf(origin)};
  if (IsOwn(origin) && newest.counter > 0) {
    SYNCLINE_ASSIGN_OR_RETURN(ChainHead head,
                              Signed({newest, log->ChainOf(origin)}));
    return std::optional<ChainHead>(std::move(head));
  }
  const ChainHead* head = cuts.Newest(origin);
  return head == nullptr ? std::optional<ChainHead>() : *head;
}

absl::StatusOr<bool> Replica::Impl::GaveUp(const ChainHead& head) const {
  const bool any = std::any_of(
      settled.begin(), settled.end(),
      [&](const auto& fork) { return fork.fork.origin == head.dot.origin; });
  return any ? IsGivenUp(env.store, identity.number, head) : false;
}

// Chain hashes that the log holds too were proven when they came.
absl::Status Replica::Impl::CheckProofs(const StateHeader& header) {
  for (const ChainHead& head : header.chains) {
    SYNCLINE_ASSIGN_OR_RETURN(const bool given_up, GaveUp(head));
    if (given_up) {
      return ForkStatus(head.dot.origin, GivenUpText(head.dot));
    }
  }
  if (!options.check_signatures) return absl::OkStatus();
  const std::map<Origin, std::string> told(header.devices.begin(),
                                           header.devices.end());
  std::map<Origin, std::string> keys;
  std::vector<ChainHead> news;
  for (const ChainHead& head : header.chains) {
    const Origin& origin = head.dot.origin;
    std::string& key = keys[origin] = DeviceOf(origin);
    const auto at = told.find(origin);
    if (key.empty() && at != told.end()) key = at->second;
    if (at != told.end() && at->second != key) {
      return InvalidArgument("state: origin " + origin.ToHex() +
                             " is not of the device that it says");
    }
    if (log->frontier().CounterOf(origin) != head.dot.counter ||
        log->ChainOf(origin) != head.hash) {
      news.push_back(head);
    }
  }
  return CheckHeadsSigned(identity.project, news, keys);
}

absl::StatusOr<ChainHead> Replica::SignedHead(const Dot& dot) const {
  ChainHead head{dot, {}, {}};
  SYNCLINE_ASSIGN_OR_RETURN(head.hash, impl_->log->ChainAt(dot));
  return impl_->Signed(std::move(head));
}

absl::StatusOr<std::optional<ChainHead>> Replica::NewestHead(
    const Origin& origin) const {
  return impl_->NewestHead(origin);
}

absl::StatusOr<bool> Replica::GaveUp(const ChainHead& head) const {
  return impl_->GaveUp(head);
}

absl::Status Replica::Doubt(const Origin& origin) {
  WriteBatch rows;
  PutDoubt(impl_->identity.number, origin, kFound, rows);
  SYNCLINE_RETURN_IF_ERROR(impl_->env.store.Write(rows, false));
  impl_->doubted[origin] = kFound;
  return absl::OkStatus();
}

void Replica::Impl::NoteDoubts(const std::vector<Origin>& origins,
                               WriteBatch& rows) {
  for (const Origin& origin : origins) {
    const bool known =
        doubted.contains(origin) ||
        std::any_of(settled.begin(), settled.end(), [&](const auto& fork) {
          return fork.fork.origin == origin;
        });
    if (known) continue;
    PutDoubt(identity.number, origin, kTold, rows);
    doubted[origin] = kTold;
  }
}

absl::Status Replica::Impl::Proven(const absl::Status& found,
                                   const std::vector<ChainHead>& heads) const {
  const std::optional<Origin> origin = ForkedOrigin(found);
  if (!origin || !options.check_signatures) return found;
  const std::string device =
      IsOwn(*origin) ? identity.device_key : DeviceOf(*origin);
  const bool proven =
      std::any_of(heads.begin(), heads.end(), [&](const ChainHead& head) {
        if (head.dot.origin != *origin) return false;
        const absl::StatusOr<Hash> here = log->ChainAt(head.dot);
        if (here.ok() && *here == head.hash) return false;
        return IsSigned(device, identity.project, head);
      });
  if (proven) return found;
  return MakeStatus(absl::StatusCode::kUnavailable,
                    std::string(FromAbsl(found.message())) +
                        ", as the peer says without proof");
}

absl::Status Replica::Impl::CheckDoubts(
    const std::vector<ChainHead>& heads) const {
  if (doubted.empty()) return absl::OkStatus();
  for (const ChainHead& head : heads) {
    if (!InDoubt(head.dot.origin) || !log->frontier().Covers(head.dot)) {
      continue;
    }
    const absl::StatusOr<Hash> here = log->ChainAt(head.dot);
    if (absl::IsNotFound(here.status())) {
      return MakeStatus(absl::StatusCode::kUnavailable,
                        CannotTellText(head.dot.origin));
    }
    SYNCLINE_RETURN_IF_ERROR(here.status());
  }
  return absl::OkStatus();
}

bool Replica::InDoubt(const Origin& origin) const {
  return impl_->InDoubt(origin);
}

bool Replica::FoundForked(const Origin& origin) const {
  const auto at = impl_->doubted.find(origin);
  return at != impl_->doubted.end() && at->second == kFound;
}

absl::Status Replica::SettleAsIs(const Fork& fork) {
  SettledFork settled{fork, std::nullopt};
  // Where they part may not be known.
  settled.fork.counter =
      std::min(fork.counter, impl_->log->frontier().CounterOf(fork.origin));
  WriteBatch rows;
  Settle(impl_->identity.number, settled, rows);
  // It stays in doubt: others may hold the other history still.
  PutDoubt(impl_->identity.number, fork.origin, kFound, rows);
  SYNCLINE_RETURN_IF_ERROR(impl_->env.store.Write(rows, true));
  impl_->settled.push_back(settled);
  impl_->doubted[fork.origin] = kFound;
  return absl::OkStatus();
}

CutReader Replica::CutsBehind(Seq since) const {
  return CutReader(impl_->env.store, impl_->identity.number, since);
}

bool Replica::IsOwn(const Origin& origin) const { return impl_->IsOwn(origin); }

std::string Replica::DeviceOf(const Origin& origin) const {
  return impl_->DeviceOf(origin);
}

}  // namespace syncline
