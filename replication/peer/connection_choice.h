#pragma once

#include <string>

#include "replication/device_identity.h"

namespace syncline {

// One of several connections between the same two devices.
struct ConnectionFacts {
  bool dialled = false;        // By this side.
  std::string instance_nonce;  // Of the peer; empty if it is being closed.
  bool invited = false;        // Came with an invitation.
};

// Whether `incoming` takes the place of `existing`, or is turned away. Of two
// that the devices dialled towards each other the one of the smaller id stays:
// both sides come to the same answer, in whatever order they see them. In one
// direction the newer one stays: its dialler has given up the older. So it
// does if the peer was restarted, and if an invitation was spent on it.
inline bool TakesOver(const ConnectionFacts& existing,
                      const ConnectionFacts& incoming, const DeviceId& self,
                      const DeviceId& peer) {
  if (incoming.invited || existing.dialled == incoming.dialled ||
      existing.instance_nonce != incoming.instance_nonce)
    return true;
  return incoming.dialled == (self < peer);
}

}  // namespace syncline
