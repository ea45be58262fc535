@0xd5a7e02b9c3f4186;
# What the tests of the bridge call.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("syncline::testing");

interface Service {
  echo @0 (bytes :Data) -> (bytes :Data);
  # Bytes of any size, both ways.

  push @1 (bytes :Data) -> stream;
  # Held until the server lets go of it.

  refuse @2 (kind :UInt16) -> ();
  # Fails: 0 failed, 1 overloaded, 2 disconnected, 3 unimplemented.

  hang @3 () -> ();
  # Never answers.

  leave @4 () -> ();
  # The server closes its connection from inside this call.
}
