#include "tests/sim/sim_network.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "base/status.h"
#include "tests/sim/sim_lying_calls.h"
#include "tests/sim/sim_node.h"

namespace syncline::testing {

// Ends with the link, a cut or a crash; whatever is on its way is lost then.
struct SimLink::Connection {
  SimLink* link;
  std::unique_ptr<Remote> remotes[2];  // What node i calls.
  // What becomes of its calls, and of its answers, should node i lie.
  std::unique_ptr<SimLyingCalls> calls[2];
  std::unique_ptr<SimLyingCalls> answers[2];
  std::unique_ptr<PeerSession> sessions[2];   // Of node i.
  std::int64_t last_us[2] = {0, 0};           // Arrival of the last, at node i.
  std::deque<std::function<void()>> held[2];  // While stalled.
  std::uint64_t arrived[2] = {0, 0};
  bool hangs = false;

  // `event` happens at node `to`, unless the connection ends before.
  void Send(const std::shared_ptr<Connection>& self, int to,
            std::function<void()> event) {
    SimClock& clock = link->clock_;
    const std::int64_t at =
        std::max(clock.now_us() + clock.Between(100, 40'000), last_us[to] + 1);
    last_us[to] = at;
    clock.After(at - clock.now_us(), [weak = std::weak_ptr<Connection>(self),
                                      to, event = std::move(event)]() mutable {
      const auto connection = weak.lock();
      if (connection) connection->Arrive(to, std::move(event));
    });
  }
  void Arrive(int to, std::function<void()> event) {
    if (hangs) return;
    if (link->stalled_[to] || !held[to].empty()) {
      held[to].push_back(std::move(event));
      return;
    }
    ++arrived[to];
    event();
  }
  void Release(int to) {
    for (auto& event : std::exchange(held[to], {})) {
      link->clock_.After(0, std::move(event));
      ++arrived[to];
    }
  }
};

// What node `from` sees of the other.
class SimLink::Remote final : public PeerCalls {
 public:
  Remote(std::weak_ptr<Connection> connection, int from)
      : connection_(std::move(connection)), from_(from) {}

  void Announce(Announcement announcement, Called done) override {
    Call<absl::Status>("announce", std::move(done),
                       [=](PeerCalls& to, auto answer) {
                         to.Announce(announcement, std::move(answer));
                       });
  }
  void Compare(const ProjectId& project, Position position,
               Done<CompareAnswer> done) override {
    Call<absl::StatusOr<CompareAnswer>>(
        "compare", std::move(done), [=](PeerCalls& to, auto answer) {
          to.Compare(project, position, std::move(answer));
        });
  }
  void History(const ProjectId& project, const Origin& origin,
               std::vector<std::uint64_t> counters,
               Done<HistoryAnswer> done) override {
    Call<absl::StatusOr<HistoryAnswer>>(
        "history", std::move(done), [=](PeerCalls& to, auto answer) {
          to.History(project, origin, counters, std::move(answer));
        });
  }
  void Pull(PullRequest request, Done<PullAnswer> done) override {
    Call<absl::StatusOr<PullAnswer>>("pull", std::move(done),
                                     [=](PeerCalls& to, auto answer) {
                                       to.Pull(request, std::move(answer));
                                     });
  }
  void Push(Segment segment, Done<PushAnswer> done) override {
    Call<absl::StatusOr<PushAnswer>>("push " + segment.frames, std::move(done),
                                     [=](PeerCalls& to, auto answer) {
                                       to.Push(segment, std::move(answer));
                                     });
  }
  void PushState(StatePush piece, Done<PushAnswer> done) override {
    Call<absl::StatusOr<PushAnswer>>("state " + piece.rows, std::move(done),
                                     [=](PeerCalls& to, auto answer) {
                                       to.PushState(piece, std::move(answer));
                                     });
  }
  void Ended(const ProjectId& project, std::uint32_t stream, Stop stop,
             Called done) override {
    Call<absl::Status>("ended", std::move(done),
                       [=](PeerCalls& to, auto answer) {
                         to.Ended(project, stream, stop, std::move(answer));
                       });
  }
  void Chunks(const ProjectId& project, std::vector<Hash> hashes,
              Done<ChunksAnswer> done) override {
    Call<absl::StatusOr<ChunksAnswer>>(
        "chunks", std::move(done), [=](PeerCalls& to, auto answer) {
          to.Chunks(project, hashes, std::move(answer));
        });
  }
  void MoreContent(const ProjectId& project, Called done) override {
    Call<absl::Status>("more content", std::move(done),
                       [=](PeerCalls& to, auto answer) {
                         to.MoreContent(project, std::move(answer));
                       });
  }
  void Lacking(const ProjectId& project, std::uint64_t pieces,
               Called done) override {
    Call<absl::Status>("lacking", std::move(done),
                       [=](PeerCalls& to, auto answer) {
                         to.Lacking(project, pieces, std::move(answer));
                       });
  }
  void Copied(const Origin& origin, Called done) override {
    Call<absl::Status>("copied", std::move(done),
                       [=](PeerCalls& to, auto answer) {
                         to.Copied(origin, std::move(answer));
                       });
  }
  void Ping(Called done) override {
    Call<absl::Status>("ping", std::move(done), [](PeerCalls& to, auto answer) {
      to.Ping(std::move(answer));
    });
  }
  void Goodbye(std::string reason, Called done) override {
    Call<absl::Status>("goodbye", std::move(done),
                       [=](PeerCalls& to, auto answer) {
                         to.Goodbye(reason, std::move(answer));
                       });
  }

 private:
  template <typename Answer, typename Done, typename Method>
  void Call(std::string_view what, Done done, Method method) {
    const auto connection = connection_.lock();
    if (!connection) return;
    connection->link->clock_.Trace(what);
    const int to = 1 - from_;
    connection->Send(
        connection, to,
        [weak = connection_, to, from = from_, done = std::move(done),
         method = std::move(method)] {
          const auto at = weak.lock();
          if (!at) return;
          method(*at->answers[to], [weak, from, done](Answer answer) {
            const auto back = weak.lock();
            if (!back) return;
            back->Send(back, from,
                       [done, answer = std::move(answer)] { done(answer); });
          });
        });
  }

  const std::weak_ptr<Connection> connection_;
  const int from_;
};

SimLink::SimLink(SimClock& clock, SimNode& a, SimNode& b)
    : clock_(clock), nodes_{&a, &b} {
  ConnectLater();
}

SimLink::~SimLink() { Cut(); }

void SimLink::SetUp(bool up) {
  up_ = up;
  if (!up) Cut();
  if (up) ConnectLater();
}

void SimLink::Stall(bool towards_second, bool stalled) {
  const int to = towards_second ? 1 : 0;
  stalled_[to] = stalled;
  if (!stalled && connection_) connection_->Release(to);
}

void SimLink::Hang() {
  if (connection_) connection_->hangs = true;
}

void SimLink::PeersChanged() {
  if (!connection_) return;
  for (const auto& session : connection_->sessions) session->ProjectsChanged();
}

std::string SimLink::Trouble() const {
  std::string trouble;
  for (const int i : {0, 1}) {
    if (!connection_) continue;
    for (const auto& project : connection_->sessions[i]->projects()) {
      if (project.error.ok()) continue;
      trouble += "; " + std::to_string(nodes_[i]->number()) + " with " +
                 std::to_string(nodes_[1 - i]->number()) + ": " +
                 std::string(FromAbsl(project.error.message()));
    }
  }
  return trouble;
}

bool SimLink::IsHonest() const {
  return !nodes_[0]->damage().ever() && !nodes_[1]->damage().ever();
}

bool SimLink::InSync(int i) const {
  const auto projects = connection_->sessions[i]->projects();
  return projects.size() == 1 && projects[0].in_sync;
}

std::string SimLink::Overstated() const {
  if (!connection_ || !IsHonest()) return {};
  for (const int i : {0, 1}) {
    Replica& own = nodes_[i]->replica();
    Replica& other = nodes_[1 - i]->replica();
    if (InSync(i) && other.wants().size() > 0 &&
        own.log().durable_frontier() == other.log().frontier()) {
      return "in step: the other device lacks content";
    }
  }
  return {};
}

std::string SimLink::Understated() const {
  // Those who cannot tell whether they hold the same say so, in all cases.
  if (!connection_ || !IsHonest() || !Trouble().empty()) return {};
  if (InSync(0) && InSync(1)) return {};
  return "in step: one of two does not know it";
}

void SimLink::ConnectLater() {
  if (connecting_) return;
  connecting_ = true;
  clock_.After(clock_.Between(1'000, 500'000), [this] {
    connecting_ = false;
    Connect();
  });
}

void SimLink::Connect() {
  if (!up_ || connection_) return;
  const bool known =
      nodes_[0]->Knows(*nodes_[1]) && nodes_[1]->Knows(*nodes_[0]);
  if (!known || !nodes_[0]->running() || !nodes_[1]->running()) {
    return ConnectLater();
  }
  auto connection = std::make_shared<Connection>();
  connection->link = this;
  const std::weak_ptr<Connection> weak = connection;
  const auto malformed = [this, weak] { OnMalformed(weak.lock()); };
  for (const int i : {0, 1}) {
    SimDamage& damage = nodes_[i]->damage();
    connection->remotes[i] = std::make_unique<Remote>(weak, i);
    connection->calls[i] =
        std::make_unique<SimLyingCalls>(*connection->remotes[i], damage,
                                        SimLyingCalls::Lies::kCalls, malformed);
    connection->sessions[i] = nodes_[i]->NewSession(
        *nodes_[1 - i], *connection->calls[i],
        [weak, i] {
          const auto at = weak.lock();
          return at ? at->arrived[i] : 0;
        },
        [this, weak](const absl::Status& why) { OnEnded(weak.lock(), why); });
    connection->answers[i] = std::make_unique<SimLyingCalls>(
        *connection->sessions[i], damage, SimLyingCalls::Lies::kAnswers,
        malformed);
  }
  connection_ = std::move(connection);
  for (const auto& session : connection_->sessions) session->Start();
}

void SimLink::OnEnded(const std::shared_ptr<Connection>& connection,
                      const absl::Status& why) {
  clock_.Trace(FromAbsl(why.message()));
  if (!connection) return;
  CutLater(connection);
  if (!absl::IsInvalidArgument(why)) return;
  ++refused_;
  // What was taken of a state may be wrong long after.
  for (SimNode* const node : nodes_) {
    if (node->damage().ever()) return;
  }
  fault_ = "refused: " + std::string(FromAbsl(why.message()));
}

void SimLink::OnMalformed(const std::shared_ptr<Connection>& connection) {
  ++refused_;
  clock_.Trace("malformed");
  if (connection) CutLater(connection);
}

void SimLink::CutLater(const std::shared_ptr<Connection>& connection) {
  clock_.After(0, [this, weak = std::weak_ptr<Connection>(connection)] {
    if (const auto at = weak.lock(); at && at == connection_) Cut();
  });
}

void SimLink::Cut() {
  if (!connection_) return;
  // Nothing in the sessions may find the connection alive.
  const std::shared_ptr<Connection> ended = std::exchange(connection_, nullptr);
  for (auto& session : ended->sessions) session.reset();
  if (up_) ConnectLater();
}

}  // namespace syncline::testing
