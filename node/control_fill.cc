#include "node/control_fill.h"

#include "base/bytes.h"
#include "node/control_bridge.h"
#include "node/file_info.h"
#include "node/version.h"

namespace syncline {
namespace {

template <typename Builder, typename Values>
void FillList(Builder list, const Values& values) {
  unsigned index = 0;
  for (const auto& value : values) Fill(list[index++], value);
}

std::string HashText(const Hash& hash, bool known) {
  return known ? hash.ToHex() : std::string();
}

void FillChange(control::Change::Builder out, const PathChange& in) {
  out.setType(ToKj(std::string(PathChangeTypeName(in.type))));
  out.setPath(ToKj(in.path));
  out.setFrom(ToKj(in.from));
  if (in.version) out.setVersion(ToKj(in.version->ToText()));
  if (in.type == PathChange::Type::kEvent) {
    out.setPayload(ToData(in.payload));
  }
  if (!in.item) return;
  out.setItem(ToKj(in.item->ToText()));
  out.setKind(ToKj(std::string(KindName(in.item->kind))));
  std::uint64_t size = 0;
  Hash hash;
  if (in.payload.empty() ||
      !DescribePayload(in.payload, in.item->kind, size, hash)) {
    return;
  }
  out.setSize(size);
  out.setHash(ToKj(HashText(hash, in.item->kind == ItemKind::kFile)));
}

void FillSibling(control::Sibling::Builder out, const SiblingInfo& in) {
  out.setVersion(ToKj(in.version.ToText()));
  out.setDevice(ToKj(in.device));
  out.setOrigin(ToKj(in.version.origin.ToHex()));
  out.setTimeMs(in.time_ms);
  out.setSize(in.size);
  out.setHash(ToKj(HashText(in.hash, in.kind != ItemKind::kSymlink)));
  out.setShown(in.shown);
  if (in.kind) out.setKind(ToKj(std::string(KindName(*in.kind))));
  out.setAutomatic(in.automatic);
}

void FillTexts(capnp::List<capnp::Text>::Builder out,
               const std::vector<std::string>& in) {
  for (unsigned i = 0; i < out.size(); ++i) out.set(i, ToKj(in[i]));
}

}  // namespace

void Fill(control::FileInfo::Builder out, const FileInfo& in) {
  out.setPath(ToKj(in.path));
  out.setKind(ToKj(std::string(KindName(in.kind))));
  out.setSize(in.size);
  out.setHash(ToKj(HashText(in.hash, in.kind == ItemKind::kFile)));
  if (in.version) out.setVersion(ToKj(in.version->ToText()));
  out.setItem(ToKj(in.item.ToText()));
  out.setMtimeMs(in.mtime_ms);
  out.setExec(in.exec);
  out.setConflict(in.conflict);
  out.setTarget(ToKj(in.target));
  out.setPresent(in.present);
}

void Fill(control::FileList::Builder out, const FileList& in) {
  FillList(out.initEntries(static_cast<unsigned>(in.entries.size())),
           in.entries);
  out.setMore(in.more);
}

void Fill(control::Written::Builder out, const Written& in) {
  out.setSeq(in.seq.value);
  if (in.version) out.setVersion(ToKj(in.version->ToText()));
}

void Fill(control::Record::Builder out, const LogRecord& in) {
  out.setSeq(in.seq.value);
  out.setTimeMs(in.time_ms);
  out.setDevice(ToKj(in.device));
  out.setOrigin(ToKj(in.dot.origin.ToHex()));
  out.setCounter(in.dot.counter);
  out.setCause(ToKj(in.cause));
  auto changes = out.initChanges(static_cast<unsigned>(in.changes.size()));
  for (unsigned i = 0; i < changes.size(); ++i) {
    FillChange(changes[i], in.changes[i]);
  }
  FillList(out.initConflicts(static_cast<unsigned>(in.conflicts.size())),
           in.conflicts);
}

void Fill(control::LogEnd::Builder out, const LogEnd& in) {
  if (in.state == CursorState::kValid) return out.setLast(in.last.value);
  auto horizon = in.state == CursorState::kBehindHorizon
                     ? out.initBehindHorizon()
                     : out.initCursorInvalid();
  horizon.setHorizon(in.horizon.value);
  horizon.setHead(in.head.value);
}

void Fill(control::Conflict::Builder out, const ConflictInfo& in) {
  out.setProject(ToKj(in.project));
  out.setPath(ToKj(in.path));
  out.setSeq(in.seq.value);
  auto siblings = out.initSiblings(static_cast<unsigned>(in.siblings.size()));
  for (unsigned i = 0; i < siblings.size(); ++i) {
    FillSibling(siblings[i], in.siblings[i]);
  }
  if (in.ancestor) FillSibling(out.initAncestor(1)[0], *in.ancestor);
  if (!in.resolution) return;
  auto resolution = out.initResolution(1)[0];
  resolution.setSeq(in.resolution->seq.value);
  resolution.setDevice(ToKj(in.resolution->device));
  resolution.setBy(ToKj(in.resolution->by.ToText()));
  resolution.setCause(ToKj(in.resolution->cause));
  if (in.resolution->version) {
    resolution.setVersion(ToKj(in.resolution->version->ToText()));
  }
}

void Fill(control::ConflictDetail::Builder out, const ConflictDetail& in) {
  Fill(out.initConflict(), in.conflict);
  auto diffs = out.initDiffs(static_cast<unsigned>(in.diffs.size()));
  for (unsigned i = 0; i < diffs.size(); ++i) {
    const ConflictDiff& diff = in.diffs[i];
    if (diff.from) diffs[i].setFrom(ToKj(diff.from->ToText()));
    diffs[i].setTo(ToKj(diff.to.ToText()));
    diffs[i].setKnown(diff.text.has_value());
    if (diff.text) diffs[i].setText(ToData(*diff.text));
  }
}

void Fill(control::Document::Builder out, const DocumentInfo& in) {
  out.setNameSpace(ToKj(in.name_space));
  out.setKey(ToKj(in.key));
  out.setVersion(ToKj(in.version.ToText()));
  out.setDevice(ToKj(in.device));
  out.setTimeMs(in.time_ms);
  out.setValue(ToData(in.value));
  out.setConflict(in.conflict);
}

void Fill(control::Strategies::Builder out, const StrategyReport& in) {
  out.setStrategy(ToKj(std::string(StrategyName(in.strategy))));
  out.setAuthority(ToKj(in.authority));
  auto rules = out.initRules(static_cast<unsigned>(in.rules.size()));
  for (unsigned i = 0; i < rules.size(); ++i) {
    rules[i].setPath(ToKj(in.rules[i].glob));
    rules[i].setStrategy(ToKj(std::string(StrategyName(in.rules[i].strategy))));
  }
}

void Fill(control::Mirror::Builder out, const MirrorReport& in) {
  out.setDir(ToKj(in.dir));
  out.setState(ToKj(in.state));
  out.setScannedFiles(in.scanned_files);
  out.setPending(in.pending);
  out.setError(ToKj(in.error));
}

void Fill(control::ScanResult::Builder out, const ScanReport& in) {
  FillList(out.initMirrors(static_cast<unsigned>(in.mirrors.size())),
           in.mirrors);
  auto problems = out.initProblems(static_cast<unsigned>(in.problems.size()));
  for (unsigned i = 0; i < problems.size(); ++i) {
    problems[i].setPath(ToKj(in.problems[i].first));
    problems[i].setWhy(ToKj(in.problems[i].second));
  }
}

void Fill(control::Project::Builder out, const ProjectReport& in) {
  out.setName(ToKj(in.name));
  out.setId(ToKj(ToHex(in.id.bytes)));
  FillList(out.initMirrors(static_cast<unsigned>(in.mirrors.size())),
           in.mirrors);
  auto log = out.initLog();
  log.setId(ToKj(ToHex(in.log.bytes)));
  log.setHead(in.head.value);
  log.setDurable(in.durable.value);
  log.setHorizon(in.horizon.value);
  const auto slots = in.frontier.slots();
  auto frontier = out.initFrontier(static_cast<unsigned>(slots.size()));
  for (unsigned i = 0; i < frontier.size(); ++i) {
    frontier[i].setOrigin(ToKj(slots[i].origin.ToHex()));
    frontier[i].setCounter(slots[i].counter);
  }
  out.setDigest(ToKj(in.digest.ToHex()));
  out.setItems(in.items);
  out.setBytes(in.bytes);
  out.setConflicts(in.conflicts);
  out.setMissingChunks(in.missing_chunks);
  out.setStrategy(ToKj(std::string(StrategyName(in.strategy))));
  out.setError(ToKj(in.error));
}

void Fill(control::Peer::Builder out, const PeerReport& in) {
  out.setId(ToKj(in.id));
  out.setName(ToKj(in.name));
  out.setAddress(ToKj(in.address));
  out.setState(ToKj(in.state));
  FillTexts(out.initProjects(static_cast<unsigned>(in.projects.size())),
            in.projects);
  out.setLastError(ToKj(in.last_error));
  out.setRetryAtMs(in.retry_at_ms);
  out.setRttMs(in.rtt_ms);
  out.setSentBytes(in.sent_bytes);
  out.setReceivedBytes(in.received_bytes);
}

void Fill(control::Status::Builder out, const NodeReport& in) {
  auto device = out.initDevice();
  device.setId(ToKj(in.device_id));
  device.setName(ToKj(in.device_name));
  out.setVersion(ToKj(ProgramVersion()));
  out.setUptimeS(in.uptime_s);
  out.setServing(in.serving);
  if (in.incident) {
    out.setIncident(ToKj(in.incident->what));
    out.setIncidentMs(in.incident->at_ms);
  }
  FillList(out.initProjects(static_cast<unsigned>(in.projects.size())),
           in.projects);
  FillList(out.initPeers(static_cast<unsigned>(in.peers.size())), in.peers);
}

void Fill(control::VerifyReport::Builder out, const VerifyReport& in) {
  out.setProjects(in.projects);
  out.setRecords(in.records);
  out.setFiles(in.files);
  out.setBytes(in.bytes);
  out.setMissingChunks(in.missing_chunks);
  out.setFindingsLeftOut(in.findings_left_out);
  out.setWantedAgain(in.wanted_again);
  auto findings = out.initFindings(static_cast<unsigned>(in.findings.size()));
  for (unsigned i = 0; i < findings.size(); ++i) {
    findings[i].setProject(ToKj(in.findings[i].project));
    findings[i].setWhere(ToKj(in.findings[i].where));
    findings[i].setWhat(ToKj(in.findings[i].what));
  }
}

void Fill(control::Joined::Builder out, const JoinReport& in) {
  auto peer = out.initPeer();
  peer.setId(ToKj(in.device_id));
  peer.setName(ToKj(in.device_name));
  auto places = out.initPlaces(static_cast<unsigned>(in.places.size()));
  for (unsigned i = 0; i < places.size(); ++i) {
    places[i].setProject(ToKj(in.places[i].project));
    places[i].setDir(ToKj(in.places[i].dir));
  }
  auto missing = out.initMissing(static_cast<unsigned>(in.missing.size()));
  for (unsigned i = 0; i < missing.size(); ++i) {
    missing.set(i, ToKj(in.missing[i]));
  }
}

std::string ProgramVersion() { return kProgramVersion; }

}  // namespace syncline
