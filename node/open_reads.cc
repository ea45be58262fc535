#include "node/open_reads.h"

#include "node/log_feed.h"
#include "node/log_stream.h"

namespace syncline {

void OpenReads::Add(const std::shared_ptr<LogStream>& stream) {
  std::erase_if(streams_, [](const auto& weak) { return weak.expired(); });
  streams_.push_back(stream);
}

// Those that end may end others.
void OpenReads::Close(std::optional<ProjectNumber> project) {
  const std::vector<std::weak_ptr<LogStream>> streams = streams_;
  for (const std::weak_ptr<LogStream>& weak : streams) {
    const std::shared_ptr<LogStream> stream = weak.lock();
    if (stream && (!project || stream->project() == *project)) stream->Close();
  }
  std::vector<std::weak_ptr<LogFeed>> feeds;
  feeds.reserve(feeds_.size());
  for (LogFeed* feed : feeds_) feeds.push_back(feed->weak_from_this());
  for (const std::weak_ptr<LogFeed>& weak : feeds) {
    if (const std::shared_ptr<LogFeed> feed = weak.lock()) feed->Close(project);
  }
}

}  // namespace syncline
