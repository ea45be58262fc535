@0xbcda84945254291a;
# An entry: what one origin adds to the log at once. These bytes are hashed,
# signed, stored, cached and sent as they are, and never encoded again, so they
# are small: what an entry repeats (origins, items, directories) stands once in
# a table. The whole is one segment without a segment table; an encoder puts
# nothing into it that is not reachable.
#
# "Packed" tables are Data: numbers are LEB128 varints of at most 10 bytes, a
# "sized" string is a varint length and that many bytes. A table is exactly as
# long as its elements. Names, keys and payloads are bytes, not text.
#
# Evolution: fields are only added. A new kind of effect is a new member of
# the union; a reader that does not know it answers "unimplemented" and stops
# at that entry, because equal frontiers must mean equal states. So nothing
# that changes the state may ever be added in another way.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("syncline::wire");

struct Entry {
  counter @0 :UInt64;
  # Of the entry's dot; its origin is number 0 in `origins`.

  hlc @1 :UInt64;
  # Hybrid logical clock: 48 bits of milliseconds since 1970, 16 of counter.

  origins @2 :Data;
  # 16 bytes each; numbered from 0. First the author; then the other origins
  # of the context, ascending; then all others that the entry names, in any
  # order. No origin stands twice.

  context @3 :Data;
  # Packed: the context's counters of the origins 1, 2, ..., none 0. The
  # author's own is `counter` - 1, which is all that a valid entry can have;
  # any other value is in `rare`.

  nodes @4 :Data;
  # Packed: items and where they are, numbered from 0. A node is
  #   where    0 nowhere: only an item
  #            1 a location whose chain does not lead to its parent (only in
  #              void entries); two varints follow, as below: the chain's end
  #              as `where` of at least 2, and the number of a node whose item
  #              is the parent
  #            2 in the root
  #            n in the directory that is node n - 3, which stands before
  #   item     three varints: number of the origin; counter; index * 4 + kind,
  #            kind 0 directory, 1 file, 2 symbolic link
  #   name     sized; not if nowhere
  # The chain of a location are the nodes from below the root down to it.

  dots @5 :Data;
  # Packed: number of the origin, then counter, of all dots that the effects
  # name, in the order of the effects. Each list of an effect is ascending,
  # except the attributes of `remove`, which keep the author's order.

  effects @6 :List(Effect);
  # In order: an effect's index is its place in this list.

  rare @7 :Rare;
  # Null in nearly all entries.
}

struct Rare {
  hasOwnContext @0 :Bool;
  ownContext @1 :UInt64;
  # The context's counter of the author where it is not `counter` - 1.

  hasCause @2 :Bool;
  cause @3 :Data;
  # "auto:<strategy>"; without it the cause is "user".

  deviceKey @4 :Data;
  # Ed25519 public key of the author's device: 32 bytes in the first entry of
  # an origin in a project, else nothing.
}

struct Effect {
  node @0 :UInt32;
  # The item, and for `place` and `content` its location; 0 for doc and event.

  supersedes @1 :UInt16;
  # How many of `Entry.dots` are next the superseded heads of this effect's
  # register; for `remove`, of the item's place.

  union {
    create @2 :Void;
    place @3 :Void;
    content @4 :Content;
    attr @5 :Attr;
    remove @6 :Remove;
    doc @7 :Doc;
    event @8 :Event;
  }
}

struct Content {
  payload @0 :Data;
  attrs @1 :Data;
  # Packed: sized key, sized value; keys ascending.
  sources @2 :UInt16;
  # How many of `Entry.dots` follow the superseded ones: the human heads that
  # an automatic resolution replaced.
}

struct Attr {
  key @0 :Data;
  value @1 :Data;
}

struct Remove {
  content @0 :UInt16;
  # How many of `Entry.dots` follow: the item's content heads.
  attrKeys @1 :Data;
  # Packed: sized keys; for each one dot follows.
}

struct Doc {
  namespace @0 :Data;
  key @1 :Data;
  union {
    payload @2 :Data;
    none @3 :Void;
    # Removes the document.
  }
  sources @4 :UInt16;
  # As in `content`.
}

struct Event {
  topic @0 :Data;
  payload @1 :Data;
}
