#pragma once

#include <memory>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "node/feed.h"

namespace syncline {

class NodeCore;

// A feed for a consumer in the node's process; see node/feed.h. Errors come as
// its end, also that the node is gone. On the node's loop, `io`.
std::unique_ptr<FeedSubscription> SubscribeHere(
    boost::asio::io_context& io, const std::weak_ptr<NodeCore>& core,
    std::vector<FeedSource> sources, Visibility visibility,
    FeedHandlers handlers);

}  // namespace syncline
