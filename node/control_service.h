#pragma once

#include <cstddef>
#include <memory>

#include "node/control_bridge.h"
#include "node/node_core.h"
#include "proto/control.capnp.h"
#include "proto/kj_loop.h"

namespace syncline {

// The control interface (proto/control.capnp) over a node. One object serves
// all connections of the socket, and the program itself where no node serves.
// Create, use and destroy inside the node's KJ loop; borrows `core`.
class ControlService final : public control::Control::Server {
 public:
  explicit ControlService(NodeCore& core) : core_(core), bridge_(core.loop()) {}

 protected:
  // node/control_node.cc
  kj::Promise<void> version(VersionContext context) override;
  kj::Promise<void> status(StatusContext context) override;
  kj::Promise<void> wait(WaitContext context) override;
  kj::Promise<void> verify(VerifyContext context) override;

  // node/control_projects.cc
  kj::Promise<void> createProject(CreateProjectContext context) override;
  kj::Promise<void> projects(ProjectsContext context) override;
  kj::Promise<void> project(ProjectContext context) override;
  kj::Promise<void> removeProject(RemoveProjectContext context) override;
  kj::Promise<void> strategy(StrategyContext context) override;
  kj::Promise<void> setStrategy(SetStrategyContext context) override;
  kj::Promise<void> setAuthority(SetAuthorityContext context) override;
  kj::Promise<void> addMirror(AddMirrorContext context) override;
  kj::Promise<void> mirrors(MirrorsContext context) override;
  kj::Promise<void> removeMirror(RemoveMirrorContext context) override;
  kj::Promise<void> pauseMirror(PauseMirrorContext context) override;
  kj::Promise<void> scanMirror(ScanMirrorContext context) override;

  // node/control_devices.cc
  kj::Promise<void> device(DeviceContext context) override;
  kj::Promise<void> renameSelf(RenameSelfContext context) override;
  kj::Promise<void> devices(DevicesContext context) override;
  kj::Promise<void> removeDevice(RemoveDeviceContext context) override;
  kj::Promise<void> renameDevice(RenameDeviceContext context) override;
  kj::Promise<void> invite(InviteContext context) override;
  kj::Promise<void> join(JoinContext context) override;
  kj::Promise<void> acceptState(AcceptStateContext context) override;

  // node/control_files.cc
  kj::Promise<void> stat(StatContext context) override;
  kj::Promise<void> list(ListContext context) override;
  kj::Promise<void> read(ReadContext context) override;
  kj::Promise<void> put(PutContext context) override;
  kj::Promise<void> remove(RemoveContext context) override;
  kj::Promise<void> move(MoveContext context) override;
  kj::Promise<void> makeDirectory(MakeDirectoryContext context) override;
  kj::Promise<void> makeSymlink(MakeSymlinkContext context) override;

  // node/control_events.cc
  kj::Promise<void> appendEvents(AppendEventsContext context) override;
  kj::Promise<void> feed(FeedContext context) override;

  // node/control_log.cc
  kj::Promise<void> readLog(ReadLogContext context) override;

  // node/control_conflicts.cc
  kj::Promise<void> conflicts(ConflictsContext context) override;
  kj::Promise<void> resolve(ResolveContext context) override;
  kj::Promise<void> showConflict(ShowConflictContext context) override;

  // node/control_documents.cc
  kj::Promise<void> getDocument(GetDocumentContext context) override;
  kj::Promise<void> listDocuments(ListDocumentsContext context) override;
  kj::Promise<void> putDocument(PutDocumentContext context) override;

  // node/control_retention.cc
  kj::Promise<void> truncateLog(TruncateLogContext context) override;
  kj::Promise<void> retention(RetentionContext context) override;
  kj::Promise<void> setRetention(SetRetentionContext context) override;
  kj::Promise<void> cursors(CursorsContext context) override;
  kj::Promise<void> setCursor(SetCursorContext context) override;
  kj::Promise<void> removeCursor(RemoveCursorContext context) override;

 private:
  // Calls `change(replica, done)` for the project `name`; its Written.
  kj::Promise<absl::StatusOr<Written>> Change(
      capnp::Text::Reader name,
      absl::FunctionRef<void(Replica&, Callback<Written>)> change);

  NodeCore& core_;
  ControlBridge bridge_;
  // Feeds of all connections.
  const std::shared_ptr<std::size_t> feeds_ = std::make_shared<std::size_t>(0);
};

}  // namespace syncline
