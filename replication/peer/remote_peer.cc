#include "replication/peer/remote_peer.h"

#include <kj/async.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "proto/kj_status.h"
#include "proto/words.h"
#include "replication/peer/history_codec.h"
#include "replication/peer/peer_codec.h"

namespace syncline {
namespace {

class RemotePeer final : public PeerCalls {
 public:
  RemotePeer(KjLoop& loop, wire::Peer::Client peer,
             std::function<void(absl::Status)> failed)
      : loop_(loop),
        failed_(std::move(failed)),
        parts_(kj::heap<Parts>(kj::mv(peer), *this)) {}
  ~RemotePeer() noexcept override {
    loop_.Enter([this] { parts_ = nullptr; });
  }

  void Announce(Announcement announcement, Called done) override {
    Send(std::move(done), [&](wire::Peer::Client& peer) {
      auto request = peer.announceRequest();
      EncodeAnnouncement(announcement, request.initAnnouncement());
      return request.send().ignoreResult();
    });
  }

  void Compare(const ProjectId& project, Position position,
               Done<CompareAnswer> done) override {
    SendFor(std::move(done), DecodeCompareAnswer, [&](auto& peer) {
      auto request = peer.compareRequest();
      request.setProject(ToData(project.bytes));
      EncodePosition(position, request.initPosition());
      return request.send();
    });
  }

  void History(const ProjectId& project, const Origin& origin,
               std::vector<std::uint64_t> counters,
               Done<HistoryAnswer> done) override {
    SendFor(std::move(done), DecodeHistoryAnswer, [&](auto& peer) {
      auto request = peer.historyRequest();
      request.setProject(ToData(project.bytes));
      request.setOrigin(ToData(origin.view()));
      auto list = request.initCounters(static_cast<unsigned>(counters.size()));
      for (unsigned i = 0; i < list.size(); ++i) list.set(i, counters[i]);
      return request.send();
    });
  }

  void Pull(PullRequest wanted, Done<PullAnswer> done) override {
    SendFor(std::move(done), DecodePullAnswer, [&](auto& peer) {
      auto request = peer.pullRequest();
      EncodePullRequest(wanted, request.initRequest());
      return request.send();
    });
  }

  void Push(Segment segment, Done<PushAnswer> done) override {
    SendFor(std::move(done), DecodePushAnswer, [&](auto& peer) {
      const std::uint64_t words = segment.bytes() / sizeof(capnp::word) + 512;
      auto request = peer.pushRequest(capnp::MessageSize{words, 0});
      EncodeSegment(segment, request.initSegment());
      return request.send();
    });
  }

  void PushState(StatePush piece, Done<PushAnswer> done) override {
    SendFor(std::move(done), DecodePushAnswer, [&](auto& peer) {
      const std::uint64_t words = piece.rows.size() / sizeof(capnp::word) + 64;
      auto request = peer.pushStateRequest(capnp::MessageSize{words, 0});
      EncodeStatePush(piece, request.initPiece());
      return request.send();
    });
  }

  void Ended(const ProjectId& project, std::uint32_t stream, Stop stop,
             Called done) override {
    Send(std::move(done), [&](wire::Peer::Client& peer) {
      auto request = peer.endedRequest();
      request.setProject(ToData(project.bytes));
      request.setStream(stream);
      EncodeStop(stop, request.initStop());
      return request.send().ignoreResult();
    });
  }

  void Chunks(const ProjectId& project, std::vector<Hash> hashes,
              Done<ChunksAnswer> done) override {
    SendFor(std::move(done), DecodeChunksAnswer, [&](auto& peer) {
      auto request = peer.chunksRequest();
      request.setProject(ToData(project.bytes));
      auto list = request.initHashes(static_cast<unsigned>(hashes.size()));
      for (unsigned i = 0; i < list.size(); ++i)
        list.set(i, ToData(hashes[i].view()));
      return request.send();
    });
  }

  void MoreContent(const ProjectId& project, Called done) override {
    Send(std::move(done), [&](wire::Peer::Client& peer) {
      auto request = peer.moreContentRequest();
      request.setProject(ToData(project.bytes));
      return request.send().ignoreResult();
    });
  }

  void Lacking(const ProjectId& project, std::uint64_t pieces,
               Called done) override {
    Send(std::move(done), [&](wire::Peer::Client& peer) {
      auto request = peer.lackingRequest();
      request.setProject(ToData(project.bytes));
      request.setPieces(pieces);
      return request.send().ignoreResult();
    });
  }

  void Copied(const Origin& origin, Called done) override {
    Send(std::move(done), [&](wire::Peer::Client& peer) {
      auto request = peer.copiedRequest();
      request.setOrigin(ToData(origin.view()));
      return request.send().ignoreResult();
    });
  }

  void Ping(Called done) override {
    Send(std::move(done), [&](wire::Peer::Client& peer) {
      return peer.pingRequest().send().ignoreResult();
    });
  }

  void Goodbye(std::string reason, Called done) override {
    Send(std::move(done), [&](wire::Peer::Client& peer) {
      auto request = peer.goodbyeRequest();
      request.setReason(reason);
      return request.send().ignoreResult();
    });
  }

 private:
  struct Parts final : kj::TaskSet::ErrorHandler {
    Parts(wire::Peer::Client client, RemotePeer& remote)
        : owner(remote), peer(kj::mv(client)), tasks(*this) {}
    void taskFailed(kj::Exception&& exception) override {
      owner.Failed(StatusFromKj(exception));
    }
    RemotePeer& owner;
    wire::Peer::Client peer;
    kj::TaskSet tasks;
  };

  // A lost connection is noticed by itself; every other failure ends it.
  void Failed(const absl::Status& status) {
    if (!absl::IsUnavailable(status))
      failed_(Annotate(status, "a call of the peer failed"));
  }

  template <typename Call>
  void Send(Called done, Call call) {
    loop_.Enter([&] {
      parts_->tasks.add(call(parts_->peer)
                            .then([done] { done(absl::OkStatus()); },
                                  [this, done](kj::Exception&& exception) {
                                    const absl::Status status =
                                        StatusFromKj(exception);
                                    done(status);
                                    Failed(status);
                                  }));
    });
  }

  template <typename Answer, typename Decode, typename Call>
  void SendFor(Done<Answer> done, Decode decode, Call call) {
    loop_.Enter([&] {
      parts_->tasks.add(call(parts_->peer)
                            .then(
                                [this, done, decode](auto&& response) {
                                  absl::StatusOr<Answer> answer =
                                      decode(response.getAnswer());
                                  const absl::Status status = answer.status();
                                  done(std::move(answer));
                                  if (!status.ok()) Failed(status);
                                },
                                [this, done](kj::Exception&& exception) {
                                  const absl::Status status =
                                      StatusFromKj(exception);
                                  done(status);
                                  Failed(status);
                                }));
    });
  }

  KjLoop& loop_;
  std::function<void(absl::Status)> failed_;
  kj::Own<Parts> parts_;
};

}  // namespace

std::unique_ptr<PeerCalls> NewRemotePeer(
    KjLoop& loop, wire::Peer::Client peer,
    std::function<void(absl::Status)> failed) {
  return std::make_unique<RemotePeer>(loop, kj::mv(peer), std::move(failed));
}

}  // namespace syncline
