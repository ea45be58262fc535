@0x92522e0a3c268324;

# What two nodes say to each other: replication/peer/PROTOCOL.md.
#
# Expected outcomes are union members; a call fails only when the connection
# or the program does. Fields and union members may be added: a reader treats
# one that it does not know as a refusal.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("syncline::wire");

interface PeerGate {
  # What the listening side offers to anybody who connects. Frames are at most
  # 4 KiB until both have proven who they are.

  hello @0 (hello :Hello) -> (answer :HelloAnswer);
  # First call of the dialling side, once per connection.

  prove @1 (proof :Proof, peer :Peer) -> (answer :ProofAnswer);
  # Second and last call. `peer` is what the listening side may call from then
  # on.
}

struct Hello {
  # Who is there. Sent by both sides.

  protocolMin @0 :UInt16;
  # Oldest version of this protocol that the sender speaks.

  protocolMax @1 :UInt16;
  # Newest one. The highest that both speak is used.

  features @2 :UInt64;
  # Bits of optional features; used are those that both sides set. Bit 0:
  # `lacking` is told.

  deviceKey @3 :Data;
  # Ed25519 public key of the device, 32 bytes.

  deviceName @4 :Text;
  # For people; at most 64 bytes.

  origin @5 :Data;
  # Incarnation of the sender's store, 16 bytes.

  instanceNonce @6 :Data;
  # 16 random bytes drawn at every start: two nodes that run with one origin
  # differ here.

  wallClockMs @7 :Int64;
  # The sender's wall clock, milliseconds since 1970. Only to warn people.

  challenge @8 :Data;
  # 32 random bytes that the other side's proof must cover.
}

struct HelloAnswer {
  union {
    accepted :group {
      hello @0 :Hello;
      # The listening side.

      signature @1 :Data;
      # Its Ed25519 signature over the transcript (PROTOCOL.md), 64 bytes.
    }
    refused @2 :Refusal;
  }
}

struct Proof {
  signature @0 :Data;
  # The dialling side's Ed25519 signature over the transcript, 64 bytes.

  invitation @1 :InvitationProof;
  # Only if it comes with an invitation.
}

struct InvitationProof {
  id @0 :Data;
  # Which invitation: 16 bytes that its secret determines.

  mac @1 :Data;
  # HMAC-SHA-256 of the transcript under the invitation's secret, 32 bytes.
}

struct ProofAnswer {
  union {
    accepted :group {
      peer @0 :Peer;
      # What the dialling side may call from now on.

      invited @1 :List(ProjectInfo);
      # The projects that the invitation gave; empty without one.
    }
    refused @2 :Refusal;
  }
}

struct Refusal {
  # Why there will be no session.

  union {
    noCommonVersion @0 :Void;
    # The ranges of protocol versions do not meet.

    notAuthorised @1 :Void;
    # The device is not known here.

    badProof @2 :Void;
    # The signature, or the proof of an invitation, does not verify.

    invitationUnknown @3 :Void;
    # No such invitation.

    invitationUsed @4 :Void;
    # It was redeemed already.

    invitationExpired @5 :Void;
    # Its time has passed.

    ownDevice @6 :Void;
    # Both ends are the same device.

    clone @7 :Void;
    # Another instance runs with the same origin: one is a copy.

    duplicate @8 :Void;
    # The two devices have a better connection already.

    malformed @9 :Void;
    # A field is not what this file says.

    busy @10 :Void;
    # Cannot take part now; try again later.
  }

  detail @11 :Text;
  # For people; may be empty.
}

struct ProjectInfo {
  id @0 :Data;
  # 16 bytes.

  name @1 :Text;
  # The sender's name of it, for people; at most 255 bytes.
}

interface Peer {
  # What an authenticated device may ask of the other. Both sides offer one.

  announce @0 (announcement :Announcement) -> ();
  # Replaces what the sender announced before; sent first, and again whenever
  # it changes. Work goes on for projects that both have announced.

  compare @1 (project :Data, position :Position) -> (answer :CompareAnswer);
  # Where the caller stands, answered with where the other side does.

  pull @2 (request :PullRequest) -> (answer :PullAnswer);
  # Asks for the entries that the caller lacks, now and as they come. Replaces
  # an earlier pull of the project.

  push @3 (segment :Segment) -> (answer :PushAnswer);
  # Part of a pull. Answered when the entries are durable, which gives the
  # segment's bytes back to the window.

  ended @4 (project :Data, stream :UInt32, stop :Stop) -> ();
  # The sender of `stream` cannot go on.

  chunks @5 (project :Data, hashes :List(Data)) -> (answer :ChunksAnswer);
  # Asks for pieces of content by SHA-256; at most 256 at once.

  moreContent @6 (project :Data) -> ();
  # The sender has got content since it answered `missing`: ask again.

  ping @7 () -> ();
  # Every 15 seconds. A side that hears nothing for 45 seconds closes.

  goodbye @8 (reason :Text) -> ();
  # The caller closes the connection next.

  pushState @9 (piece :StatePiece) -> (answer :PushAnswer);
  # Part of a pull that was answered with a state. Answered when the piece is
  # staged, which gives its bytes back to the window.

  history @10 (project :Data, origin :Data, counters :List(UInt64))
      -> (answer :HistoryAnswer);
  # Asks for the chain hashes of one origin at these counters, ascending and
  # at most 64: how two histories that differ find out where they part. Also
  # answered while the project is fenced.

  copied @11 (origin :Data) -> ();
  # Two instances of the callee run as `origin`, which the caller has met in
  # turn: one is a copy of the other. Both must take another origin.

  lacking @12 (project :Data, pieces :UInt64) -> ();
  # How many pieces of content the caller has not got yet that its entries name.
  # Sent before the caller answers anything else about the project unless that
  # is 0, and whenever it becomes 0 or is that no more. Only if both have set
  # bit 0 of their features.
}

struct Announcement {
  projects @0 :List(ProjectInfo);
  # Those that the sender has and that the other device may replicate.

  addresses @1 :List(Text);
  # "HOST:PORT" where the sender accepts connections; at most 16.
}

struct ChainHead {
  # The hash over the entries of one origin up to a counter: equal hashes,
  # equal entries.

  origin @0 :Data;
  # 16 bytes.

  counter @1 :UInt64;
  # 0: none; then the hash is 32 zeros.

  hash @2 :Data;
  # 32 bytes.

  signature @3 :Data;
  # Of the origin's device, over project, origin, counter and hash
  # (PROTOCOL.md), 64 bytes. In a position it may be missing.
}

struct Position {
  # Where a node stands in a project. Only of what is durable there.

  frontierHash @0 :Data;
  # SHA-256 of the encoded frontier, 32 bytes.

  frontier @1 :Data;
  # The encoded frontier; empty where frontierHash says enough.

  digest @2 :Data;
  # Digest of the state at the frontier, 32 bytes; empty while part of it is
  # not durable yet.

  chains @3 :List(ChainHead);
  # Of the sender's own origin and of the receiver's, of all origins that their
  # devices had before, as far as the sender knows them, and of others; at most
  # 64.

  truncated @4 :Data;
  # Encoded vector of what the sender's log no longer holds.

  logId @5 :Data;
  # The sender's log, 16 bytes.

  settled @6 :List(SettledFork);
  # Of origins of the sender's device that it gave up a fork of: what it holds
  # of them is right, and whoever holds something else gives that up. At most
  # 64.
}

struct SettledFork {
  origin @0 :Data;
  # 16 bytes.

  counter @1 :UInt64;
  # Both sides of the fork held the same entries up to there.

  givenUp @2 :Data;
  # Chain hash behind the next entry, on the side that was given up, 32 bytes;
  # empty if there was no such entry.
}

struct CompareAnswer {
  union {
    position @0 :Position;
    # Of the callee; with its frontier if that differs from the caller's.

    stopped @1 :Stop;
  }
}

struct HistoryAnswer {
  union {
    hashes @0 :List(Data);
    # One for each counter asked for; empty where the callee cannot tell.

    stopped @1 :Stop;
  }
}

struct Stop {
  # Why nothing more happens with a project, though the session goes on.

  union {
    notShared @0 :Void;
    # The sender does not share it (any more).

    fence @1 :Void;
    # The two histories contradict each other. People must look.

    diverged @2 :Void;
    # Equal frontiers, unequal states. People must look.

    truncated @3 :Void;
    # The log no longer reaches back to where the other side stands.

    full @4 :Void;
    # The sender of this has no space; it tries again later.

    failed @5 :Void;
    # The sender of this cannot read or write its store.

    stale @6 :Void;
    # Belongs to a pull that has been replaced.
  }

  detail @7 :Text;
  # For people; may be empty.

  origin @8 :Data;
  # Of a fence: whose history is contradicted, 16 bytes; empty if it is not
  # about one. Its owner looks whether it is to settle that.
}

struct PullRequest {
  project @0 :Data;
  # 16 bytes.

  stream @1 :UInt32;
  # Chosen by the caller, new for every pull; comes back in each segment.

  frontier @2 :Data;
  # What the caller has, encoded. It wants everything else.

  windowBytes @3 :UInt32;
  # At most this many bytes may be pushed and not answered, but one entry
  # always may.

  inlineChunkBytesMax @4 :UInt32;
  # Content of at most this size comes along with the entry that names it; at
  # most 16 KiB. 0: none.

  stateId @5 :Data;
  # A state of which the caller has a part, 16 bytes; empty: none. If it comes
  # to a state, it would like to go on with this one,

  stateKey @6 :Data;
  # behind this key.
}

struct PullAnswer {
  union {
    started @0 :Void;
    # Segments will be pushed.

    stopped @1 :Stop;

    state @2 :StateOffer;
    # The log does not reach back far enough: pieces of a state will be pushed.
  }
}

struct StateOffer {
  header @0 :Data;
  # What state it is: replication/peer/PROTOCOL.md.

  from @1 :Data;
  # Pieces come from behind this key; empty: from the start.
}

struct StatePiece {
  project @0 :Data;
  # 16 bytes.

  stream @1 :UInt32;
  # Of the pull.

  id @2 :Data;
  # Of the state, 16 bytes.

  rows @3 :Data;
  # Live heads in the order of their keys (PROTOCOL.md). About 256 KiB.

  end @4 :Bool;
  # It was the last piece.
}

struct Segment {
  project @0 :Data;
  # 16 bytes.

  stream @1 :UInt32;
  # Of the pull.

  frames @2 :Data;
  # Stored entries, frame after frame (log/FORMAT.md), in the order of the
  # sender's log, without those that the receiver has. About 256 KiB.

  chains @3 :List(ChainHead);
  # For every origin in `frames`: where its chain stands behind it.

  chunks @4 :List(Data);
  # Small content that these entries name.

  last @5 :UInt64;
  # Position in the sender's log behind this segment.

  head @6 :UInt64;
  # The sender's durable position: equal to `last` when this is all for now.

  durable @7 :Data;
  # The sender's durable frontier, encoded; empty if it is long or unchanged.
}

struct PushAnswer {
  union {
    durable :group {
      frontier @0 :Data;
      # The receiver's durable frontier, encoded; empty if it is long. Entries
      # that it covers need not be sent.

      windowBytes @1 :UInt32;
      # Replaces the window of the pull.
    }
    stopped @2 :Stop;
    # Nothing of this segment was applied.
  }
}

struct ChunksAnswer {
  union {
    results @0 :List(ChunkResult);
    # One for each hash asked for, in that order, but possibly fewer: at most
    # about 1 MiB is sent. Ask again for the rest.

    stopped @1 :Stop;
  }
}

struct ChunkResult {
  union {
    data @0 :Data;
    # The bytes; their SHA-256 is the hash asked for.

    missing @1 :Void;
    # Not here.
  }
}
