@0xb4dbb201f1897cec;
# The control interface of a node: what the `syncline` program asks of it, over
# the Unix socket in the node's home or in one process. Trusted: who may open
# the socket may do everything.
#
# Every outcome that a caller should expect is a member of a union; a rejected
# call means that the connection or the node broke. Nothing here is bounded by
# the size of a file, a directory or a log: long answers come in pieces that
# the receiver asks for or acknowledges one by one.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("syncline::control");

# ---- results

struct Failure {
  code @0 :UInt16;     # An absl::StatusCode; never 0 (OK).
  message @1 :Text;    # What failed and why, for people; never parsed.
}

struct Result(Value) {
  union {
    failure @0 :Failure;
    value @1 :Value;
  }
}

struct Done {
  # The value of operations that give none.
}

# ---- the node

struct VersionInfo {
  program @0 :Text;     # Version of the program that serves.
  format @1 :UInt32;    # Format number of the store.
}

struct Device {
  id @0 :Text;      # Base32 groups of the hash of the public key.
  name @1 :Text;    # Given by its owner; not unique.
}

struct Slot {
  origin @0 :Text;       # 32 hex digits.
  counter @1 :UInt64;    # Highest counter of the origin that was applied.
}

struct LogInfo {
  id @0 :Text;           # 32 hex digits; new when the log is made anew.
  head @1 :UInt64;       # Last seq given out.
  durable @2 :UInt64;    # Last seq that survives loss of power.
  horizon @3 :UInt64;    # Last seq truncated away; 0 if none.
}

struct Mirror {
  dir @0 :Text;              # Absolute path.
  state @1 :Text;            # scanning, idle, syncing, paused or error.
  scannedFiles @2 :UInt64;   # Files and directories seen by the last sweep.
  pending @3 :UInt64;        # Paths not yet brought in step.
  error @4 :Text;            # Why the state is error; else empty.
}

struct Project {
  name @0 :Text;                 # Of this node; unique on it.
  id @1 :Text;                   # 32 hex digits; the same on all nodes.
  mirrors @2 :List(Mirror);      # Folders kept equal to it on this node.
  log @3 :LogInfo;               # This node's log of it.
  frontier @4 :List(Slot);       # What was applied, by origin.
  digest @5 :Text;               # Equal exactly where the states are equal.
  items @6 :UInt64;              # Visible files, links and directories.
  bytes @7 :UInt64;              # Size of the visible files together.
  conflicts @8 :UInt64;          # Open conflicts.
  missingChunks @9 :UInt64;      # Pieces of content still to be fetched.
  strategy @10 :Text;            # How conflicts are resolved.
  error @11 :Text;               # Why changes are refused; else empty.
}

struct Peer {
  id @0 :Text;                   # Device id.
  name @1 :Text;                 # As told by its owner or renamed here.
  address @2 :Text;              # Last address used, HOST:PORT, or empty.
  state @3 :Text;                # connected, connecting, offline, refused.
  projects @4 :List(Text);       # Names here of the projects shared with it.
  lastError @5 :Text;            # Why the last session ended, or empty.
  retryAtMs @6 :Int64;           # Next attempt, ms since 1970; 0 if none.
  rttMs @7 :Int64;               # Last round trip; -1 if unknown.
  sentBytes @8 :UInt64;          # In this and earlier sessions.
  receivedBytes @9 :UInt64;      # In this and earlier sessions.
}

struct Status {
  device @0 :Device;             # This node.
  version @1 :Text;              # Version of the program that serves.
  uptimeS @2 :UInt64;            # Seconds since the node was opened.
  projects @3 :List(Project);    # By name.
  peers @4 :List(Peer);          # By id.
  serving @5 :Bool;              # Whether it listens for peers.
  incident @6 :Text;             # Why it last took another origin, or empty.
  incidentMs @7 :Int64;          # When that was, ms since 1970.
}

struct Settled {
  conflicts @0 :UInt64;          # Open, in the projects waited for.
  failed @1 :UInt64;             # Paths that folders could not read or write.
  paused @2 :UInt64;             # Folders that were not waited for.
}

struct Finding {
  project @0 :Text;    # Name of the project.
  where @1 :Text;      # A path, or "log <seq>".
  what @2 :Text;       # What is wrong with it.
}

struct VerifyReport {
  projects @0 :UInt64;              # Checked.
  records @1 :UInt64;               # Log records read.
  files @2 :UInt64;                 # Files whose content was read.
  bytes @3 :UInt64;                 # Bytes of content read.
  missingChunks @4 :UInt64;         # Not fetched yet: not a finding.
  findings @5 :List(Finding);       # Empty if all is well.
  findingsLeftOut @6 :UInt64;       # Findings beyond those listed.
  wantedAgain @7 :UInt64;           # Damaged contents, to be fetched again.
}

interface NodeControl {
  version @0 () -> (result :Result(VersionInfo));

  status @1 (
    projects :List(Text)    # Names to report; empty for all.
  ) -> (result :Result(Status));

  # Answers when all mirrors have seen what is on the disk at the call and are
  # idle, no content is missing and every connected peer is in sync. A file that
  # somebody keeps writing is waited for.
  # kDeadlineExceeded says what was still under way.
  wait @2 (
    projects :List(Text),   # Names to wait for; empty for all.
    timeoutMs :Int64        # Below 0 for no limit.
  ) -> (result :Result(Settled));

  verify @3 (
    projects :List(Text),   # Names to check; empty for all.
    repair :Bool            # Fetch damaged content again.
  ) -> (result :Result(VerifyReport));
}

# ---- projects and mirrors

struct ProjectList {
  projects @0 :List(Project);    # By name.
}

struct MirrorList {
  mirrors @0 :List(Mirror);      # In the order they were added.
}

struct ScanResult {
  struct Problem {
    path @0 :Text;                 # Below the mirror's folder.
    why @1 :Text;                  # Why it could not be taken in.
  }
  mirrors @0 :List(Mirror);        # Those swept.
  problems @1 :List(Problem);      # By path.
}

struct Strategies {
  # Settings of the project, the same on all devices.
  struct Rule {
    path @0 :Text;          # Glob; the most specific that matches counts.
    strategy @1 :Text;      # For what matches.
  }
  strategy @0 :Text;        # local-wins, remote-wins, newest-wins, ...: where
                            # no rule says another.
  rules @1 :List(Rule);     # The most specific first.
  authority @2 :Text;       # Device id, or origin in hex, of the one who alone
                            # resolves; empty: everybody does.
}

interface ProjectControl {
  createProject @0 (
    name :Text              # No '/', not empty, unique on this node.
  ) -> (result :Result(Project));

  projects @1 () -> (result :Result(ProjectList));

  project @2 (
    name :Text              # Of this node.
  ) -> (result :Result(Project));

  # Forgets the project here: its log, state and mirrors. Folders and other
  # nodes keep their files.
  removeProject @3 (
    name :Text              # Of this node.
  ) -> (result :Result(Done));

  strategy @4 (
    project :Text           # Name of the project.
  ) -> (result :Result(Strategies));

  setStrategy @5 (
    project :Text,          # Name of the project.
    strategy :Text,         # See Strategies; empty: takes the setting away.
    path :Text              # Glob of a rule; empty: the one for all else.
  ) -> (result :Result(Written));

  addMirror @6 (
    project :Text,          # Name of the project.
    dir :Text,              # Absolute path of the folder.
    create :Bool            # Make the folder if it is missing.
  ) -> (result :Result(Mirror));

  mirrors @7 (
    project :Text           # Name of the project; empty for all.
  ) -> (result :Result(MirrorList));

  # Ends the mirror; the folder keeps its files.
  removeMirror @8 (
    project :Text,          # Name of the project.
    dir :Text               # Absolute path; empty for its only mirror.
  ) -> (result :Result(Done));

  pauseMirror @9 (
    project :Text,          # Name of the project.
    dir :Text,              # Absolute path; empty for all its mirrors.
    paused :Bool            # False: go on.
  ) -> (result :Result(Done));

  # Sweeps the folder now and answers when its changes are in the log.
  scanMirror @10 (
    project :Text,          # Name of the project.
    dir :Text               # Absolute path; empty for all its mirrors.
  ) -> (result :Result(ScanResult));

  setAuthority @11 (
    project :Text,          # Name of the project.
    device :Text            # Id of a device that is known here, or the start
                            # of it; empty: everybody resolves.
  ) -> (result :Result(Written));
}

# ---- devices

struct DeviceList {
  peers @0 :List(Peer);      # By id.
}

struct Invitation {
  code @0 :Text;             # One line; pairs one device, once.
  expiresMs @1 :Int64;       # Milliseconds since 1970.
}

struct Joined {
  struct Place {
    project @0 :Text;        # Name of the project here.
    dir @1 :Text;            # Folder it is mirrored to; empty if none.
  }
  peer @0 :Device;           # Who invited.
  places @1 :List(Place);    # In the order of the invitation.
  missing @2 :List(Text);    # In the invitation, but given no more.
}

interface DeviceControl {
  device @0 () -> (result :Result(Device));

  renameSelf @1 (
    name :Text               # New name of this device.
  ) -> (result :Result(Done));

  devices @2 () -> (result :Result(DeviceList));

  # Stops sharing with the device and forgets its key.
  removeDevice @3 (
    id :Text                 # Device id, or a prefix that names just one.
  ) -> (result :Result(Done));

  renameDevice @4 (
    id :Text,                # Device id, or a prefix that names just one.
    name :Text               # New name, on this node only.
  ) -> (result :Result(Done));

  invite @5 (
    projects :List(Text),    # Names of the projects to share.
    expiresMs :Int64,        # From now.
    addresses :List(Text)    # HOST:PORT of this node; empty: where it listens.
  ) -> (result :Result(Invitation));

  join @6 (
    code :Text,              # From invite.
    dirs :List(Text)         # Folders for its projects, in order; may be fewer.
  ) -> (result :Result(Joined));

  # Installs the state of another device that is held back because it would
  # remove much.
  acceptState @7 (
    project :Text            # Name of the project here.
  ) -> (result :Result(Done));
}

# ---- files

struct FileInfo {
  path @0 :Text;         # Below the project's root, no leading '/'.
  kind @1 :Text;         # file, dir or symlink.
  size @2 :UInt64;       # Bytes; 0 for directories.
  hash @3 :Text;         # SHA-256 of a file's content in hex; else empty.
  version @4 :Text;      # Dot of the shown value; empty for directories.
  item @5 :Text;         # The item's id.
  mtimeMs @6 :Int64;     # Milliseconds since 1970; 0 if unknown.
  exec @7 :Bool;         # A file that may be executed.
  conflict @8 :Bool;     # Has open siblings.
  target @9 :Text;       # Of a symlink.
  present @10 :Bool;     # All content is on this node.
}

struct FileList {
  entries @0 :List(FileInfo);    # By name, bytewise.
  more @1 :Bool;                 # Ask again with the last name as `after`.
}

interface ByteSource {
  # Pieces of one file, in order, each verified. Drop it to stop early.
  next @0 () -> (result :Result(Piece));

  struct Piece {
    bytes @0 :Data;      # At most 1 MiB; empty at the end and only there.
  }
}

struct Opened {
  info @0 :FileInfo;         # What is being read.
  source @1 :ByteSource;     # Its content.
}

struct Written {
  seq @0 :UInt64;        # Record in this node's log; 0: nothing changed.
  version @1 :Text;      # Dot of the entry; empty if nothing changed.
}

interface ByteSink {
  # Takes a file in order. Drop it to give up: nothing was changed then.
  add @0 (
    bytes :Data            # At most 1 MiB. Send the next after the answer.
  ) -> (result :Result(Done));

  # Makes the content durable and commits it as one entry.
  finish @1 () -> (result :Result(Written));
}

enum Bit {
  keep @0;     # As it was; off where there was nothing.
  set @1;      # On.
  clear @2;    # Off.
}

struct Sink {
  sink @0 :ByteSink;    # To be finished or dropped.
}

interface FileControl {
  stat @0 (
    project :Text,       # Name of the project.
    path :Text           # Empty for the root.
  ) -> (result :Result(FileInfo));

  list @1 (
    project :Text,       # Name of the project.
    path :Text,          # Of a directory; empty for the root.
    after :Text,         # Continue behind this name; empty to begin.
    limit :UInt32        # At most this many; 0 for the server's limit.
  ) -> (result :Result(FileList));

  read @2 (
    project :Text,       # Name of the project.
    path :Text,          # Of a file or symlink.
    version :Text        # Dot of a sibling; empty for the shown one.
  ) -> (result :Result(Opened));

  put @3 (
    project :Text,       # Name of the project.
    path :Text,          # Where the file goes.
    ifMatch :Text,       # Refuse unless this is the shown version; "none":
                         # refuse if the path exists; empty: no condition.
    exec :Bit,           # Whether the file may be executed.
    parents :Bool,       # Make missing directories above it.
    mtimeMs :Int64,      # 0 for now.
    resolve :Bool        # Supersede all siblings of an open conflict.
  ) -> (result :Result(Sink));

  remove @4 (
    project :Text,       # Name of the project.
    path :Text,          # What to remove; never the root.
    recursive :Bool,     # Needed for a directory.
    ifMatch :Text        # As in put, without "none".
  ) -> (result :Result(Written));

  move @5 (
    project :Text,       # Name of the project.
    from :Text,          # What to move.
    to :Text             # New path; a directory: moves into it.
  ) -> (result :Result(Written));

  makeDirectory @6 (
    project :Text,       # Name of the project.
    path :Text,          # Of the directory.
    parents :Bool        # Make those above too; existing ones are no error.
  ) -> (result :Result(Written));

  makeSymlink @7 (
    project :Text,       # Name of the project.
    path :Text,          # Of the link.
    target :Text,        # What it says; not looked at.
    parents :Bool        # Make missing directories above it.
  ) -> (result :Result(Written));
}

# ---- the log

struct Change {
  type @0 :Text;         # create, update, delete, rename, mkdir, rmdir, ...
  path @1 :Text;         # Below the root; of an event, its topic.
  from @2 :Text;         # Of a rename; else empty.
  item @3 :Text;         # Item id, or empty.
  kind @4 :Text;         # file, dir or symlink, or empty.
  size @5 :UInt64;       # Of the content shown, with `hash`.
  hash @6 :Text;         # SHA-256 of a file's content in hex, or empty.
  version @7 :Text;      # Dot of the shown value, or empty.
  payload @8 :Data;      # Of an event.
}

struct Record {
  seq @0 :UInt64;              # Position in this node's log.
  timeMs @1 :Int64;            # The author's clock, ms since 1970.
  device @2 :Text;             # Device id of the origin; empty if unknown.
  origin @3 :Text;             # 32 hex digits.
  counter @4 :UInt64;          # With `origin`, the entry's dot.
  cause @5 :Text;              # user, or auto:<strategy>.
  changes @6 :List(Change);    # What it changed here; those asked for.
  conflicts @7 :List(Conflict);    # Of changes `conflict` and `resolve`.
}

struct LogQuery {
  since @0 :UInt64;         # Exclusive; read only with `resume`.
  until @1 :UInt64;         # Inclusive; 0 for no bound.
  limit @2 :UInt64;         # Records; 0 for no bound.
  reverse @3 :Bool;         # Newest first; not with follow.
  path @4 :Text;            # Glob that a change's path or from must match:
                            # * and ? within a name, ** across; empty: all.
  kinds @5 :List(Text);     # Types of changes wanted; empty for all.
  follow @6 :Bool;          # Stay and deliver what comes.
  logId @7 :Text;           # Of the caller's position; empty if not known.
  resume @8 :Bool;          # From `since`, and say so if it was truncated
                            # away; else from the oldest record there is.
  device @9 :Text;          # Id of the device that made them, or the start of
                            # it; empty: all.
  cursor @10 :Text;         # Behind this named cursor, instead of `since`.
}

interface LogSink {
  # Takes the next records. The next batch comes after the answer.
  deliver @0 (
    records :List(Record)    # In order, at least one.
  ) -> ();
}

struct Horizon {
  horizon @0 :UInt64;    # Last seq truncated away.
  head @1 :UInt64;       # Last seq there is.
}

struct LogEnd {
  union {
    last @0 :UInt64;               # All was delivered; the last seq looked at.
    behindHorizon @1 :Horizon;     # `since` was truncated away.
    cursorInvalid @2 :Horizon;     # Beyond the head, or of another log.
  }
}

interface LogControl {
  # Answers after everything was delivered; with `follow`, when the node stops.
  # Drop the call to end it.
  readLog @0 (
    project :Text,        # Name of the project.
    query :LogQuery,      # Which records.
    sink :LogSink         # Takes them.
  ) -> (result :Result(LogEnd));
}

# ---- events and feeds

struct EventRun {
  # Events of one channel of one project that follow one another.
  project @0 :Text;           # Name of the project.
  channel @1 :Text;           # 1 to 255 bytes, no control characters.
  payloads @2 :List(Data);    # Of the events, in order; at most 1 MiB each.
}

struct EventsAppended {
  struct Refused {
    event @0 :UInt32;           # Its place among all events of the call.
    failure @1 :Failure;        # Why it was not appended, or may not be.
  }
  firsts @0 :List(UInt64);      # For each run: seq of its first event; those
                                # of the run that were appended follow without
                                # a hole. 0 if none was.
  refused @1 :List(Refused);    # By event; empty if all is well.
}

struct FeedPosition {
  log @0 :Data;      # Id of the log; empty if not known.
  seq @1 :UInt64;    # Behind this record.
}

struct FeedSource {
  project @0 :Text;             # Name of the project.
  union {
    live @1 :Void;              # What comes from now on.
    oldest @2 :Void;            # All that is kept, and what comes.
    behind @3 :FeedPosition;    # What follows a position.
  }
}

struct FeedStart {
  position @0 :FeedPosition;    # The first record comes behind it.
  head @1 :UInt64;              # Last record that could be seen then.
}

struct FeedPiece {
  source @0 :UInt32;     # Its place among the sources.
  first @1 :UInt64;      # Seq of the first record.
  last @2 :UInt64;       # Seq of the last one.
  records @3 :Data;      # As they are stored (log/record_span.h).
}

struct FeedEnd {
  source @0 :UInt32;             # The source concerned, where one is.
  union {
    cancelled @1 :Failure;       # The node or the project was closed.
    behindHorizon @2 :Horizon;   # The position was truncated away.
    cursorInvalid @3 :Horizon;   # Beyond the head, or of another log.
    failed @4 :Failure;          # No such project, or a damaged record.
  }
}

interface RecordSink {
  # Once, before records; one for each source.
  start @0 (
    sources :List(FeedStart)    # In the order of the call.
  ) -> ();

  # Takes the next records. What gathers until the answer comes in the next
  # call, up to 256 KiB; where there is that much, two calls are on their way.
  push @1 (
    pieces :List(FeedPiece)     # At least one, each with records.
  ) -> ();
}

interface EventControl {
  # A connection whose first message is a Bootstrap for the object "events"
  # gets this interface and nothing else. The node serves it without the
  # general implementation of RPC (proto/plain_rpc.h): calls are made on the
  # bootstrap capability, and none is passed on. Others get `appendEvents` only.

  # Appends events, each as an entry of its own, all in one turn of the node.
  # Answers once they are as safe as was asked for.
  appendEvents @0 (
    runs :List(EventRun),    # In this order.
    durable :Bool            # False: safe from the death of the node only.
  ) -> (result :Result(EventsAppended));

  # Records of all sources, each in order, replayed and then live. Answers when
  # the feed ends. Drop the call to end it.
  feed @1 (
    sources :List(FeedSource),    # At least one.
    written :Bool,                # Also records that are not durable yet.
    sink :RecordSink              # Takes them.
  ) -> (end :FeedEnd);
}

# ---- keeping the log

struct Cursor {
  enum State {
    valid @0;            # Can be resumed from.
    behindHorizon @1;    # What follows it was truncated away.
    invalid @2;          # Of a log that is no more.
  }
  name @0 :Text;         # 1..128 of A-Z a-z 0-9 . _ : / -
  seq @1 :UInt64;        # The last record that was dealt with.
  movedMs @2 :Int64;     # When it last moved, ms since 1970.
  state @3 :State;       # As of now.
  logId @4 :Text;        # Of the log that it is a position of.
}

struct CursorList {
  cursors @0 :List(Cursor);    # By name.
  head @1 :UInt64;             # Last seq there is.
}

struct Bounds {
  entries @0 :UInt64;    # Newest records; 0 for no bound.
  ageMs @1 :Int64;       # By the author's clock; 0 for no bound.
  bytes @2 :UInt64;      # Stored bytes, about; 0 for no bound.
}

struct Retention {
  keep @0 :Bounds;       # What lies outside goes, unless somebody needs it;
                         # no bounds: everything is kept.
  limit @1 :Bounds;      # What lies outside of this too goes anyway.
}

struct Truncation {
  union {
    through @0 :UInt64;    # Up to this seq.
    keep @1 :Bounds;       # What lies outside.
  }
  force @2 :Bool;          # Also what a device or a cursor has not passed.
}

struct Truncated {
  struct Holder {
    device @0 :Bool;       # A device; else a cursor.
    name @1 :Text;         # Of the cursor; the id of the device.
    passed @2 :UInt64;     # The last record that it has.
  }
  removed @0 :UInt64;      # Records.
  horizon @1 :UInt64;      # Last seq truncated away.
  head @2 :UInt64;         # Last seq there is.
  refused @3 :Bool;        # Nothing was done because of `holders`.
  holders @4 :List(Holder);    # Who had not passed what was to go.
  beyondHead @5 :Bool;     # Nothing was done: there is no such seq yet.
}

interface RetentionControl {
  # Answers when the records are gone and their space was given back.
  truncateLog @0 (
    project :Text,        # Name of the project.
    what :Truncation      # Which records.
  ) -> (result :Result(Truncated));

  retention @1 (
    project :Text         # Name of the project.
  ) -> (result :Result(Retention));

  setRetention @2 (
    project :Text,        # Name of the project.
    retention :Retention  # Of this device.
  ) -> (result :Result(Done));

  cursors @3 (
    project :Text         # Name of the project.
  ) -> (result :Result(CursorList));

  # Makes a cursor or moves it. `last` in the answer is where it stands; else
  # nothing changed.
  setCursor @4 (
    project :Text,        # Name of the project.
    name :Text,           # See Cursor.
    seq :UInt64,          # The last record that was dealt with.
    toHead :Bool,         # To the newest record instead.
    logId :Text,          # Of the caller's position; empty if not known.
    back :Bool            # It may go back; else that is a failure.
  ) -> (result :Result(LogEnd));

  removeCursor @5 (
    project :Text,        # Name of the project.
    name :Text            # Of the cursor.
  ) -> (result :Result(Done));
}

# ---- conflicts

struct Sibling {
  version @0 :Text;      # Dot of the value.
  device @1 :Text;       # Id of its author's device; empty if unknown.
  origin @2 :Text;       # 32 hex digits.
  timeMs @3 :Int64;      # The author's clock.
  size @4 :UInt64;       # Bytes.
  hash @5 :Text;         # SHA-256 of the content in hex; empty for symlinks.
  shown @6 :Bool;        # The one that mirrors and readers get.
  kind @7 :Text;         # file or symlink; empty for a document.
  automatic @8 :Bool;    # Made by a strategy, not by a person.
}

struct Resolution {
  seq @0 :UInt64;        # The record that ended it.
  device @1 :Text;       # Id of the device that did it; empty if unknown.
  by @2 :Text;           # Dot of its entry.
  cause @3 :Text;        # user, or auto:<strategy>...
  version @4 :Text;      # Dot of what is shown since; empty: removed.
}

struct Conflict {
  path @0 :Text;                  # Or "doc:<namespace>/<key>".
  siblings @1 :List(Sibling);     # By version.
  project @2 :Text;               # Name of the project; empty in a Record.
  seq @3 :UInt64;                 # The record with which it came up.
  ancestor @4 :List(Sibling);     # The last value that the authors of both had
                                  # seen; empty if the log does not know.
  resolution @5 :List(Resolution);    # Empty: it is open.
}

struct ConflictList {
  conflicts @0 :List(Conflict);    # By project and path; resolved ones by seq.
}

struct ConflictDetail {
  struct Diff {
    from @0 :Text;       # Dot of the ancestor; empty: of the first sibling.
    to @1 :Text;         # Dot of the sibling.
    text @2 :Data;       # As `diff -u`, without its first two lines.
    known @3 :Bool;      # False: no text, or the content is not here.
  }
  conflict @0 :Conflict;         # What `conflicts` gives.
  diffs @1 :List(Diff);          # Of each sibling.
}

interface ConflictControl {
  conflicts @0 (
    project :Text,       # Name of the project; empty for all.
    path :Text,          # Only this one, kNotFound if it is none; or empty.
    resolved :Bool,      # Those that ended instead, as long as the log has the
                         # record: up to 1000 or a few more, of each project.
    after :UInt64        # Resolved ones that came up behind this seq.
  ) -> (result :Result(ConflictList));

  # Settles an open conflict with one of its values.
  resolve @1 (
    project :Text,       # Name of the project.
    path :Text,          # Of the conflict.
    take :Text           # local (first to arrive here), remote (last to
                         # arrive here) or the version of a sibling.
  ) -> (result :Result(Written));

  showConflict @2 (
    project :Text,       # Name of the project.
    path :Text           # Of the conflict.
  ) -> (result :Result(ConflictDetail));
}

# ---- documents

struct Document {
  nameSpace @0 :Text;    # Without '/'.
  key @1 :Text;          # Any text.
  version @2 :Text;      # Dot of the shown value.
  device @3 :Text;       # Id of its author's device; empty if unknown.
  timeMs @4 :Int64;      # The author's clock.
  value @5 :Data;        # JSON or any bytes, at most 1 MiB.
  conflict @6 :Bool;     # Has open siblings.
}

struct DocumentList {
  documents @0 :List(Document);    # By namespace and key.
  more @1 :Bool;                   # Ask again behind the last one.
}

interface DocumentControl {
  getDocument @0 (
    project :Text,       # Name of the project.
    nameSpace :Text,     # Of the document.
    key :Text,           # Of the document.
    version :Text        # Dot of a sibling; empty for the shown one.
  ) -> (result :Result(Document));

  listDocuments @1 (
    project :Text,           # Name of the project.
    nameSpace :Text,         # Empty for all but `sys`.
    prefix :Text,            # Of their keys; with a namespace only.
    afterNameSpace :Text,    # Continue behind this one; empty to begin.
    afterKey :Text           # Its key.
  ) -> (result :Result(DocumentList));

  # Refused in `sys`, which only settings write.
  putDocument @2 (
    project :Text,       # Name of the project.
    nameSpace :Text,     # Of the document.
    key :Text,           # Of the document.
    value :Data,         # At most 1 MiB.
    remove :Bool,        # Take the document away instead.
    ifMatch :Text,       # As FileControl.put has it.
    resolve :Bool        # Supersede all siblings of an open conflict.
  ) -> (result :Result(Written));
}

interface Control extends (NodeControl, ProjectControl, DeviceControl,
    FileControl, LogControl, RetentionControl, ConflictControl,
    DocumentControl, EventControl) {
  # All of it: what the socket offers.
}
