#include "replication/peer/peer_messages.h"

namespace syncline {

std::size_t Segment::bytes() const {
  std::size_t bytes = frames.size();
  for (const std::string& chunk : chunks) bytes += chunk.size();
  return bytes;
}

}  // namespace syncline
