#include <boost/asio/post.hpp>
#include <catch2/catch.hpp>
#include <future>
#include <string>

#include "replication/chain_signature.h"
#include "replication/peer/chunk_fetcher.h"
#include "replication/peer/chunk_server.h"
#include "replication/peer/loop_timer.h"
#include "replication/peer/segment_receiver.h"
#include "replication/peer/segment_sender.h"
#include "tests/peer/fake_peer.h"
#include "tests/peer/peer_rig.h"
#include "tests/testing/state_steps.h"

// The parts of a session against a peer that does as the test likes.

namespace syncline::testing {
namespace {

Effect Event(std::string payload) {
  return EventEffect{"topic", std::move(payload)};
}

struct SegmentSending {
  PeerWorld world;
  PeerNode node{world, "alpha"};
  FakePeer peer;
  VersionVector theirs;
  std::vector<std::pair<Stop, bool>> ended;
  std::unique_ptr<SegmentSender> sender;

  void Start(std::uint32_t window, std::uint32_t inline_bytes_max = 16384) {
    PullRequest request;
    request.project = PeerNode::TheProject();
    request.stream = 7;
    request.window_bytes = window;
    request.inline_chunk_bytes_max = inline_bytes_max;
    SegmentSender::Hooks hooks;
    hooks.push = [this](Segment segment, PeerCalls::Done<PushAnswer> done) {
      peer.Push(std::move(segment), std::move(done));
    };
    hooks.ended = [this](const Stop& stop, bool by_peer) {
      ended.push_back({stop, by_peer});
    };
    sender = std::make_unique<SegmentSender>(
        *node.rig(), world.io.get_executor(), world.worker.get_executor(),
        request, theirs, hooks);
    sender->Start();
    world.RunAWhile();
  }
  void Answer(std::size_t index, std::uint32_t window) {
    peer.pushes[index].done(PushAnswer(PushDurable{{}, window}));
    world.RunAWhile();
  }
  std::size_t Pushed() const {
    std::size_t bytes = 0;
    for (const auto& push : peer.pushes) bytes += push.message.bytes();
    return bytes;
  }
};

TEST_CASE("segment_sender: no more is on the way than the window allows",
          "[peer]") {
  SegmentSending sending;
  for (int i = 0; i < 60; ++i)
    sending.node.rig().Commit({Event(std::string(50'000, 'e'))});
  const std::uint32_t window = 1u << 20;
  sending.Start(window);
  CHECK(sending.Pushed() <= window);
  CHECK(sending.Pushed() > window / 2);
  CHECK(sending.sender->in_flight_bytes() == sending.Pushed());
  const std::size_t first = sending.peer.pushes.front().message.bytes();
  const std::size_t before = sending.Pushed();
  sending.Answer(0, window);
  CHECK(sending.Pushed() > before);
  CHECK(sending.Pushed() - first <= window);
  for (const auto& push : sending.peer.pushes)
    CHECK(push.message.bytes() <= kSegmentBytes);
}

TEST_CASE("segment_sender: small content counts against the window", "[peer]") {
  SegmentSending sending;
  for (int i = 0; i < 40; ++i)
    sending.node.rig().Put("f" + std::to_string(i),
                           std::string(15'000, static_cast<char>('0' + i)));
  const std::uint32_t window = 300'000;
  sending.Start(window);
  CHECK(sending.Pushed() <= window);
  CHECK(sending.Pushed() > 100'000);
  CHECK_FALSE(sending.peer.pushes.front().message.chunks.empty());
}

TEST_CASE("segment_sender: an entry larger than the window goes alone",
          "[peer]") {
  SegmentSending sending;
  sending.node.rig().Commit({Event(std::string(60'000, 'e'))});
  sending.node.rig().Commit({Event("next")});
  sending.Start(4'096);
  REQUIRE(sending.peer.pushes.size() == 1);
  CHECK(sending.peer.pushes[0].message.last == 1);
  CHECK(sending.peer.pushes[0].message.head == 2);
  sending.Answer(0, 4'096);
  REQUIRE(sending.peer.pushes.size() == 2);
  CHECK(sending.peer.pushes[1].message.last == 2);
}

TEST_CASE("segment_sender: what the peer covers is left out", "[peer]") {
  SegmentSending sending;
  const Dot first = sending.node.rig().Put("one", "1").dot;
  sending.node.rig().Put("two", "2");
  sending.theirs.Raise(first.origin, first.counter);
  sending.Start(1u << 20);
  REQUIRE(sending.peer.pushes.size() == 1);
  const Segment& segment = sending.peer.pushes[0].message;
  REQUIRE(segment.chains.size() == 1);
  CHECK(segment.chains[0].dot == Dot{first.origin, 2});
  CHECK(segment.chains[0].hash ==
        sending.node.rig()->log().ChainOf(first.origin));
  CHECK(segment.chunks == std::vector<std::string>{"2"});
  // Learnt by an answer: not sent either.
  VersionVector known = sending.theirs;
  known.Raise(first.origin, 3);
  sending.peer.pushes[0].done(PushAnswer(PushDurable{known, 1u << 20}));
  sending.node.rig().Put("three", "3");
  sending.node.rig().Put("four", "4");
  sending.world.RunAWhile();
  REQUIRE(sending.peer.pushes.size() >= 2);
  CHECK(sending.peer.pushes[1].message.chains[0].dot.counter == 4);
  CHECK(sending.peer.pushes[1].message.chains[0].hash ==
        sending.node.rig()->log().ChainOf(first.origin));
}

TEST_CASE("segment_sender: what is left out comes with its chain hash",
          "[peer]") {
  SegmentSending sending;
  PeerNode author(sending.world, "beta");
  const Origin origin = author.rig()->identity().self;
  author.rig().Put("one", "1");
  sending.node.rig().PullFrom(author.rig());
  sending.node.rig().Put("mine", "1");
  author.rig().Put("two", "2");
  sending.node.rig().PullFrom(author.rig());
  const auto head_of = [&](std::size_t push) -> std::optional<ChainHead> {
    for (const ChainHead& head : sending.peer.pushes[push].message.chains)
      if (head.dot.origin == origin) return head;
    return std::nullopt;
  };
  const Dot newest{origin, 2};
  sending.theirs.Raise(origin, 3);  // One more than this node has.
  sending.Start(1u << 20, 0);
  REQUIRE(sending.peer.pushes.size() == 1);
  CHECK(head_of(0) ==
        ChainHead{newest, sending.node.rig()->log().ChainOf(origin), {}});
  // Once.
  sending.Answer(0, 1u << 20);
  sending.node.rig().Put("mine", "2");
  sending.world.RunAWhile();
  REQUIRE(sending.peer.pushes.size() == 2);
  CHECK_FALSE(head_of(1));
}

TEST_CASE("segment_sender: content comes along only if it was asked for",
          "[peer]") {
  SegmentSending sending;
  sending.node.rig().Put("one", "1");
  sending.Start(1u << 20, 0);
  REQUIRE(sending.peer.pushes.size() == 1);
  CHECK(sending.peer.pushes[0].message.chunks.empty());
}

TEST_CASE("segment_sender: truncation while it waits ends it", "[peer]") {
  SegmentSending sending;
  for (int i = 0; i < 10; ++i)
    sending.node.rig().Commit({Event(std::string(3'000, 'e'))});
  sending.Start(4'096);
  REQUIRE(sending.peer.pushes.size() == 1);
  REQUIRE(sending.node.rig()->log().TruncateThrough(Seq{9}).ok());
  sending.Answer(0, 4'096);
  REQUIRE(sending.ended.size() == 1);
  CHECK(sending.ended[0].first.reason == Stop::Reason::kTruncated);
  CHECK_FALSE(sending.ended[0].second);
}

TEST_CASE("segment_sender: the peer can end it", "[peer]") {
  SegmentSending sending;
  sending.node.rig().Put("one", "1");
  sending.Start(1u << 20);
  sending.peer.pushes[0].done(
      PushAnswer(Stop{Stop::Reason::kFull, "no space"}));
  sending.node.rig().Put("two", "2");
  sending.world.RunAWhile();
  CHECK(sending.peer.pushes.size() == 1);
  REQUIRE(sending.ended.size() == 1);
  CHECK(sending.ended[0].first.reason == Stop::Reason::kFull);
  CHECK(sending.ended[0].second);
}

// ---- receiving

struct SegmentReceiving {
  PeerWorld world;
  PeerNode node{world, "alpha"};
  PeerNode author{world, "beta"};
  VersionVector theirs;
  ManualTime time;
  std::vector<absl::Status> broken;
  std::vector<Stop> stopped;
  std::vector<absl::StatusOr<PushAnswer>> answers;
  SegmentReceiver receiver{
      *node.rig(),
      world.io.get_executor(),
      world.worker.get_executor(),
      1,
      theirs,
      time,
      {[this](absl::Status why) { broken.push_back(why); },
       [this](const Stop& why) { stopped.push_back(why); }}};

  // All that the author has and the node lacks.
  Segment Missing() {
    ReplicaRig::Segment missing =
        author.rig().Missing(node.rig()->log().frontier());
    Segment segment;
    segment.project = PeerNode::TheProject();
    segment.stream = 1;
    segment.frames = std::move(missing.frames);
    segment.chains = std::move(missing.heads);
    return segment;
  }
  void Push(Segment segment) {
    receiver.OnPush(std::move(segment), [this](auto answer) {
      answers.push_back(std::move(answer));
    });
  }
  void RequireNothingApplied() {
    world.RunAWhile();
    REQUIRE(node.rig()->log().head() == Seq{0});
    REQUIRE(node.rig()->state().frontier().empty());
  }
};

TEST_CASE("segment_receiver: what waits does not come in behind a state",
          "[peer]") {
  SegmentReceiving receiving;
  PeerNode other(receiving.world, "gamma");
  other.rig().Put("state", "1");
  receiving.author.rig().Put("one", "1");
  Segment segment = receiving.Missing();
  segment.chunks = {"1"};
  // Its content is not stored before the state is here.
  std::promise<void> here;
  boost::asio::post(receiving.world.worker, [&] { here.get_future().wait(); });
  receiving.Push(std::move(segment));
  Join(receiving.node.rig(), other.rig());
  here.set_value();
  receiving.world.RunAWhile();
  REQUIRE(receiving.stopped.size() == 1);
  CHECK(receiving.stopped[0].reason == Stop::Reason::kFailed);
  REQUIRE(receiving.answers.size() == 1);
  CHECK(std::holds_alternative<Stop>(*receiving.answers[0]));
  CHECK(receiving.node.rig().Show("one") == "(none)");
  CHECK(receiving.node.rig().Show("state") == "1");
}

TEST_CASE("segment_receiver: what is long is read by the worker, in its order",
          "[peer]") {
  SegmentReceiving receiving;
  receiving.author.rig().Commit({Event(std::string(60'000, 'e'))});
  receiving.author.rig().Put("one", "1");
  Segment both = receiving.Missing();
  VersionVector first;
  first.Raise(receiving.author.self().origin, 1);
  ReplicaRig::Segment behind = receiving.author.rig().Missing(first);
  Segment second = both;
  second.frames = behind.frames;
  both.frames.resize(both.frames.size() - behind.frames.size());
  both.chains = {
      *receiving.author.rig()->SignedHead({first.slots()[0].origin, 1})};

  std::promise<void> go_on;
  boost::asio::post(receiving.world.worker, [&] { go_on.get_future().wait(); });
  receiving.Push(std::move(both));
  receiving.Push(std::move(second));
  receiving.world.RunAWhile();
  CHECK(receiving.answers.empty());
  CHECK(receiving.node.rig()->log().head() == Seq{0});
  go_on.set_value();
  receiving.world.RunUntil([&] { return receiving.answers.size() == 2; });
  CHECK(receiving.broken.empty());
  CHECK(receiving.node.rig()->log().head() == Seq{2});
}

TEST_CASE("segment_receiver: an answer means durable", "[peer]") {
  SegmentReceiving receiving;
  const Dot dot = receiving.author.rig().Put("one", "1").dot;
  Segment segment = receiving.Missing();
  segment.chunks = {"1"};
  receiving.Push(std::move(segment));
  receiving.world.RunUntil([&] { return receiving.answers.size() == 1; });
  REQUIRE(receiving.answers[0].ok());
  const auto* durable = std::get_if<PushDurable>(&*receiving.answers[0]);
  REQUIRE(durable != nullptr);
  CHECK(durable->frontier->Covers(dot));
  CHECK(receiving.node.rig()->log().durable_frontier().Covers(dot));
  CHECK(receiving.theirs.Covers(dot));
  CHECK(receiving.node.rig().Show("one") == "1");
  CHECK(receiving.node.rig()->wants().size() == 0);
}

TEST_CASE("segment_receiver: only one of two senders gets the whole window",
          "[peer]") {
  SegmentReceiving receiving;
  SegmentReceiver other{*receiving.node.rig(),
                        receiving.world.io.get_executor(),
                        receiving.world.worker.get_executor(),
                        2,
                        receiving.theirs,
                        receiving.time,
                        {[](const absl::Status&) {}, [](const Stop&) {}}};
  const auto window = [&](SegmentReceiver& receiver, bool more) {
    receiving.author.rig().Put("file", "");
    Segment segment = receiving.Missing();
    segment.head = more ? 100 : 1;
    segment.last = 1;
    std::uint32_t granted = 0;
    bool answered = false;
    receiver.OnPush(std::move(segment), [&](const auto& answer) {
      granted = std::get<PushDurable>(*answer).window_bytes;
      answered = true;
    });
    receiving.world.RunUntil([&] { return answered; });
    return granted;
  };
  CHECK(window(receiving.receiver, true) == kWindowBytesStart);
  CHECK(window(other, true) == kWindowBytesLeast);
  CHECK(window(receiving.receiver, true) == kWindowBytesStart);
  receiving.receiver.Refuse({Stop::Reason::kFailed, ""});
  CHECK(window(other, true) == kWindowBytesStart);
}

TEST_CASE("segment_receiver: a broken segment is the peer's fault",
          "[peer][fault]") {
  SegmentReceiving receiving;
  receiving.author.rig().Put("one", "1");
  receiving.author.rig().Put("two", "2");
  const bool read_by_worker = GENERATE(false, true);
  if (read_by_worker)
    receiving.author.rig().Commit({Event(std::string(60'000, 'e'))});
  Segment segment = receiving.Missing();
  SECTION("damaged") { segment.frames[20] ^= 1; }
  SECTION("cut off") { segment.frames.pop_back(); }
  SECTION("a gap") {
    const std::string all = segment.frames;
    VersionVector one;
    one.Raise(receiving.author.self().origin, 1);
    segment.frames = receiving.author.rig().Missing(one).frames;
  }
  SECTION("no chain hash") { segment.chains.clear(); }
  SECTION("garbage") { segment.frames.assign(64, 'g'); }
  SECTION("large content") {
    segment.chunks = {std::string(kInlineChunkBytesMax + 1, 'c')};
  }
  receiving.Push(std::move(segment));
  receiving.world.RunUntil([&] { return !receiving.broken.empty(); });
  CHECK(absl::IsInvalidArgument(receiving.broken[0]));
  CHECK(receiving.stopped.empty());
  REQUIRE(receiving.answers.size() == 1);
  CHECK(std::holds_alternative<Stop>(*receiving.answers[0]));
  receiving.RequireNothingApplied();
}

TEST_CASE("segment_receiver: a chain that arrives elsewhere is a fork",
          "[peer][fault]") {
  SegmentReceiving receiving;
  receiving.author.rig().Put("one", "1");
  receiving.node.rig().PullFrom(receiving.author.rig());
  receiving.author.rig().Put("two", "2");
  Segment segment = receiving.Missing();
  ChainHead& head = segment.chains[0];
  head.hash.bytes[0] ^= 1;
  Stop::Reason expected = Stop::Reason::kFailed;
  SECTION("not if the author has not signed that") {}
  SECTION("signed by its author") {
    const Replica::Identity& author = receiving.author.rig()->identity();
    head.signature = *SignChain(*author.device, author.project, head);
    expected = Stop::Reason::kFence;
  }
  receiving.Push(segment);
  receiving.Push(receiving.Missing());  // Behind it: not applied either.
  receiving.world.RunUntil([&] { return !receiving.stopped.empty(); });
  CHECK(receiving.stopped[0].reason == expected);
  CHECK(receiving.broken.empty());
  CHECK(receiving.answers.size() == 2);
  CHECK(receiving.node.rig()->log().head() == Seq{1});
}

TEST_CASE("segment_receiver: more than the window is the peer's fault",
          "[peer][fault]") {
  SegmentReceiving receiving;
  for (int i = 0; i < 3; ++i) {
    Segment segment;
    segment.stream = 1;
    segment.chunks = {std::string(1000, 'c')};
    segment.frames = std::string(kWindowBytesStart / 2, 'f');
    receiving.Push(std::move(segment));
  }
  receiving.world.RunUntil([&] { return !receiving.broken.empty(); });
  CHECK(std::string(receiving.broken[0].message()).find("window") !=
        std::string::npos);
  receiving.RequireNothingApplied();
}

TEST_CASE("segment_receiver: the own disk is not the peer's fault",
          "[peer][fault]") {
  SegmentReceiving receiving;
  receiving.author.rig().Put("one", "1");
  Stop::Reason expected = Stop::Reason::kFull;
  SECTION("full") {
    receiving.node.store().FailFrom(
        FaultyStore::Call::kWrite, 1,
        absl::ResourceExhaustedError("no space left"));
  }
  SECTION("broken") {
    receiving.node.store().FailFrom(FaultyStore::Call::kWrite, 1,
                                    absl::InternalError("i/o error"));
    expected = Stop::Reason::kFailed;
  }
  SECTION("full before the entry") {
    Segment with_content = receiving.Missing();
    with_content.chunks = {"1"};
    receiving.node.store().FailFrom(
        FaultyStore::Call::kWrite, 1,
        absl::ResourceExhaustedError("no space left"));
    receiving.Push(std::move(with_content));
  }
  receiving.Push(receiving.Missing());
  receiving.world.RunUntil([&] { return !receiving.stopped.empty(); });
  CHECK(receiving.stopped[0].reason == expected);
  CHECK(receiving.broken.empty());
  for (const auto& answer : receiving.answers)
    CHECK(std::get<Stop>(*answer).reason == expected);
}

// ---- content

struct Fetching {
  PeerWorld world;
  PeerNode node{world, "alpha"};
  PeerNode author{world, "beta"};
  FakePeer peer;
  std::vector<absl::Status> broken;
  std::vector<Stop> stopped;
  std::string content = SeededRandom(9).Bytes(200'000);
  std::unique_ptr<ChunkFetcher> fetcher;

  Fetching() {
    author.rig().Put("file", content);
    REQUIRE(node.rig()
                .Ingest(author.rig().Missing(node.rig()->log().frontier()))
                .ok());
    REQUIRE(node.rig()->wants().size() > 0);
    fetcher = std::make_unique<ChunkFetcher>(
        *node.rig(), world.io.get_executor(), world.worker.get_executor(),
        LoopTimers(world.io.get_executor())(),
        ChunkFetcher::Hooks{
            [this](std::vector<Hash> hashes,
                   PeerCalls::Done<ChunksAnswer> done) {
              peer.Chunks(PeerNode::TheProject(), std::move(hashes),
                          std::move(done));
            },
            [this](absl::Status why) { broken.push_back(std::move(why)); },
            [this](const Stop& stop) { stopped.push_back(stop); }});
    fetcher->Start();
    world.RunUntil([this] { return !peer.chunks.empty(); });
  }
  ChunkResults Right(std::size_t index) {
    ChunkResults results;
    for (const Hash& hash : peer.chunks[index].message)
      results.emplace_back(*author.rig().chunks().Get(hash));
    return results;
  }
};

TEST_CASE("chunk_fetcher: what is wanted is asked for and stored", "[peer]") {
  Fetching fetching;
  fetching.peer.chunks[0].done(ChunksAnswer(fetching.Right(0)));
  fetching.world.RunUntil(
      [&] { return fetching.node.rig()->wants().size() == 0; });
  CHECK(fetching.node.rig().Show("file") == fetching.content);
}

TEST_CASE("chunk_fetcher: bytes with another hash are refused",
          "[peer][fault]") {
  Fetching fetching;
  const std::size_t wanted = fetching.node.rig()->wants().size();
  ChunkResults results = fetching.Right(0);
  (*results.back())[5] ^= 1;
  fetching.peer.chunks[0].done(ChunksAnswer(std::move(results)));
  fetching.world.RunUntil([&] { return !fetching.broken.empty(); });
  CHECK(absl::IsInvalidArgument(fetching.broken[0]));
  CHECK(fetching.node.rig()->wants().size() == wanted);
  for (const Hash& hash : fetching.peer.chunks[0].message)
    CHECK_FALSE(fetching.node.rig().chunks().Has(hash));
}

TEST_CASE("chunk_fetcher: what the peer lacks is asked for again once it says",
          "[peer]") {
  Fetching fetching;
  const std::size_t asked = fetching.peer.chunks[0].message.size();
  fetching.peer.chunks[0].done(ChunksAnswer(ChunkResults(asked)));
  fetching.fetcher->OnMoreContent();
  fetching.world.RunUntil([&] { return fetching.peer.chunks.size() == 2; });
  CHECK(fetching.peer.chunks[1].message == fetching.peer.chunks[0].message);
  fetching.peer.chunks[1].done(ChunksAnswer(fetching.Right(1)));
  fetching.world.RunUntil(
      [&] { return fetching.node.rig()->wants().size() == 0; });
}

TEST_CASE("chunk_fetcher: what was asked for goes back when the peer goes",
          "[peer]") {
  Fetching fetching;
  CHECK(fetching.node.rig()->wants().Take(1000, 1u << 30).empty());
  fetching.fetcher.reset();
  CHECK(fetching.node.rig()->wants().Take(1000, 1u << 30).size() ==
        fetching.node.rig()->wants().size());
}

TEST_CASE("chunk_fetcher: an answer with nothing in it is the peer's fault",
          "[peer][fault]") {
  Fetching fetching;
  fetching.peer.chunks[0].done(ChunksAnswer(ChunkResults()));
  fetching.world.RunUntil([&] { return !fetching.broken.empty(); });
}

TEST_CASE("chunk_server: answers are limited and in order", "[peer]") {
  PeerWorld world;
  PeerNode node(world, "alpha");
  SeededRandom random(4);
  std::vector<Hash> hashes;
  for (int i = 0; i < 6; ++i)
    hashes.push_back(*node.rig().chunks().Put(random.Bytes(250'000)));
  hashes.insert(hashes.begin() + 1, Sha256("nobody has this"));
  std::vector<absl::Status> broken;
  ChunkServer server(
      *node.rig(), world.io.get_executor(), world.worker.get_executor(),
      LoopTimers(world.io.get_executor())(),
      {[] {}, [&](absl::Status why) { broken.push_back(std::move(why)); }});
  std::optional<ChunksAnswer> answer;
  server.OnAsk(hashes, [&](auto result) { answer = *std::move(result); });
  world.RunUntil([&] { return answer.has_value(); });
  const auto& results = std::get<ChunkResults>(*answer);
  REQUIRE(results.size() == 5);
  CHECK(results[0].has_value());
  CHECK_FALSE(results[1].has_value());
  for (std::size_t i = 2; i < results.size(); ++i)
    CHECK(Sha256(*results[i]) == hashes[i]);
  CHECK(broken.empty());
}

TEST_CASE("chunk_server: who was told of a lack hears when content comes",
          "[peer]") {
  Fetching fetching;  // `node` wants what the author has.
  int hints = 0;
  ChunkServer server(*fetching.node.rig(), fetching.world.io.get_executor(),
                     fetching.world.worker.get_executor(),
                     LoopTimers(fetching.world.io.get_executor())(),
                     {[&] { ++hints; }, [](absl::Status) {}});
  bool told = GENERATE(false, true);
  if (told) {
    bool answered = false;
    server.OnAsk(fetching.peer.chunks[0].message,
                 [&](const auto&) { answered = true; });
    fetching.world.RunUntil([&] { return answered; });
  }
  fetching.peer.chunks[0].done(ChunksAnswer(fetching.Right(0)));
  fetching.world.RunUntil(
      [&] { return fetching.node.rig()->wants().size() == 0; });
  fetching.world.RunUntil([&] { return !told || hints == 1; });
  fetching.world.RunAWhile();
  CHECK(hints == (told ? 1 : 0));
}

TEST_CASE("chunk_server: asking for too much at once is the peer's fault",
          "[peer][fault]") {
  PeerWorld world;
  PeerNode node(world, "alpha");
  std::vector<absl::Status> broken;
  ChunkServer server(
      *node.rig(), world.io.get_executor(), world.worker.get_executor(),
      LoopTimers(world.io.get_executor())(),
      {[] {}, [&](absl::Status why) { broken.push_back(std::move(why)); }});
  int answers = 0;
  for (std::size_t i = 0; i <= ChunkServer::kRequestsMax; ++i)
    server.OnAsk({Sha256("x")}, [&](auto) { ++answers; });
  world.RunUntil([&] { return !broken.empty() && answers == 5; });
}

}  // namespace
}  // namespace syncline::testing
