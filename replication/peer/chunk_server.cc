#include "replication/peer/chunk_server.h"

#include <boost/asio/post.hpp>
#include <optional>
#include <string>
#include <utility>

#include "base/status.h"

namespace syncline {
namespace {

// As many of `hashes` as fit into one answer.
ChunkResults ReadSome(const ChunkStore& store,
                      const std::vector<Hash>& hashes) {
  ChunkResults results;
  std::size_t bytes = 0;
  for (const Hash& hash : hashes) {
    // Damaged bytes are as good as none: the peer can have them elsewhere.
    absl::StatusOr<std::string> chunk = store.Get(hash);
    if (chunk.ok()) {
      bytes += chunk->size();
      if (bytes > kChunkAnswerBytesMax && !results.empty()) break;
      results.emplace_back(*std::move(chunk));
    } else {
      results.emplace_back();
    }
  }
  return results;
}

}  // namespace

ChunkServer::ChunkServer(Replica& replica, boost::asio::any_io_executor loop,
                         boost::asio::any_io_executor worker,
                         std::unique_ptr<Timer> hint, Hooks hooks)
    : replica_(replica),
      loop_(std::move(loop)),
      worker_(std::move(worker)),
      hooks_(std::move(hooks)),
      hint_(std::move(hint)) {
  watch_ = replica_.wants().OnChange([this] {
    if (told_missing_) HintLater();
  });
}

ChunkServer::~ChunkServer() = default;

void ChunkServer::OnAsk(const std::vector<Hash>& hashes,
                        PeerCalls::Done<ChunksAnswer> done) {
  if (hashes.size() > kChunksAskedMax || requests_ == kRequestsMax) {
    done(ChunksAnswer(Stop{Stop::Reason::kFailed, "asks for too much"}));
    boost::asio::post(loop_, alive_.Guard([hook = hooks_.broken] {
      hook(InvalidArgument("the peer is broken: it asks for too much content"));
    }));
    return;
  }
  ++requests_;
  auto results = std::make_shared<ChunkResults>();
  auto read = alive_.Guard([this, results, done = std::move(done)] {
    --requests_;
    OnRead(results, done);
  });
  boost::asio::post(worker_,
                    [results, hashes, loop = loop_, read = std::move(read),
                     chunks = &replica_.chunks()]() mutable {
                      *results = ReadSome(*chunks, hashes);
                      boost::asio::post(loop, std::move(read));
                    });
}

void ChunkServer::OnRead(const std::shared_ptr<ChunkResults>& results,
                         const PeerCalls::Done<ChunksAnswer>& done) {
  for (const std::optional<std::string>& chunk : *results)
    if (!chunk) told_missing_ = true;
  done(ChunksAnswer(std::move(*results)));
}

void ChunkServer::HintLater() {
  if (hint_set_) return;
  hint_set_ = true;
  hint_->Start(kHintMs, [this] {
    hint_set_ = false;
    told_missing_ = false;
    hooks_.more_content();
  });
}

}  // namespace syncline
