#include "node/feed_push.h"

#include <algorithm>
#include <utility>

#include "node/client/event_methods.h"
#include "proto/control.capnp.h"
#include "proto/words.h"

namespace syncline {
namespace {

using control::RecordSink;

constexpr std::size_t kPushBytesMax = 256u << 10;
constexpr std::size_t kPushBytesMin = 4u << 10;
// Shared out among all feeds, each of which may have two pushes on their way:
// what consumers that stall can cost together is twice this.
constexpr std::size_t kAllPushBytes = 64u << 20;
constexpr std::size_t kPieceWords = 4;  // Of a FeedPiece.

}  // namespace

FeedPush::FeedPush(const std::weak_ptr<NodeCore>& core, PlainRpc& rpc,
                   IdTable<FeedQuestion>& questions,
                   std::shared_ptr<std::size_t> feeds, PlainRpc::Id sink,
                   Visibility visibility, std::function<void()> on_ready)
    : rpc_(rpc),
      questions_(questions),
      feeds_(std::move(feeds)),
      sink_(sink),
      feed_(std::make_shared<LogFeed>(core, visibility, std::move(on_ready))) {
  ++*feeds_;
}

FeedPush::~FeedPush() {
  --*feeds_;
  feed_->Stop();
  for (const PlainRpc::Id question : asked_) {
    questions_.Find(question)->feed = nullptr;
  }
}

void FeedPush::Open(const std::vector<FeedSource>& sources) {
  if (feed_->Open(sources)) SendStart();
}

PlainRpc::Call FeedPush::CallOf(std::uint16_t method, bool is_push) {
  PlainRpc::Call call;
  call.question = questions_.Add({this, is_push});
  call.target = sink_;
  call.interface_id = capnp::typeId<RecordSink>();
  call.method_id = method;
  asked_.push_back(call.question);
  return call;
}

void FeedPush::SendStart() {
  constexpr std::size_t kStartWords = 8;
  const std::vector<FeedStart>& starts = feed_->starts();
  rpc_.SendCall(
      CallOf(SinkMethods::kStart, false), (starts.size() + 1) * kStartWords,
      [&](capnp::AnyPointer::Builder content) {
        auto list = content.initAs<RecordSink::StartParams>().initSources(
            static_cast<unsigned>(starts.size()));
        for (unsigned i = 0; i < list.size(); ++i) {
          auto position = list[i].initPosition();
          position.setLog(ToData(starts[i].position.log.bytes));
          position.setSeq(starts[i].position.seq.value);
          list[i].setHead(starts[i].head.value);
        }
      });
}

void FeedPush::Push() {
  while (!end_ && !failed_) {
    const std::size_t room =
        std::clamp(kAllPushBytes / *feeds_, kPushBytesMin, kPushBytesMax);
    const std::size_t window = last_bytes_ >= room / 2 ? 2 : 1;
    if (in_flight_ >= window) return;
    const std::size_t bytes = Gather(room);
    if (bytes == 0) break;
    last_bytes_ = bytes;
    Send();
  }
  if (!end_ && feed_->ended()) end_ = *feed_->ended();
}

std::size_t FeedPush::Gather(std::size_t room) {
  gathered_.clear();
  std::size_t bytes = 0;
  FeedRecords records;
  while (bytes < room && feed_->Next(room - bytes, records)) {
    bytes += records.span.bytes.size();
    gathered_.push_back(std::move(records));
  }
  return bytes;
}

void FeedPush::Send() {
  tails_.clear();
  for (FeedRecords& one : gathered_) {
    tails_.push_back({one.span.bytes, std::move(one.span.owner)});
  }
  rpc_.SendCallWithTails(
      CallOf(SinkMethods::kPush, true), (gathered_.size() + 2) * kPieceWords,
      [&](capnp::AnyPointer::Builder content) {
        auto pieces = content.initAs<RecordSink::PushParams>().initPieces(
            static_cast<unsigned>(gathered_.size()));
        for (unsigned i = 0; i < pieces.size(); ++i) {
          const FeedRecords& one = gathered_[i];
          pieces[i].setSource(static_cast<std::uint32_t>(one.source));
          pieces[i].setFirst(one.span.first.value);
          pieces[i].setLast(one.span.last.value);
        }
      },
      kPieceWords, tails_);
  tails_.clear();
  gathered_.clear();
  ++in_flight_;
}

void FeedPush::OnAnswer(PlainRpc::Id question, bool is_push, bool taken) {
  std::erase(asked_, question);
  if (is_push) --in_flight_;
  // A sink that fails gets no more; its caller is about to finish the call.
  if (!taken) failed_ = true;
  if (is_push) Push();
}

}  // namespace syncline
