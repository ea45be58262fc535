#pragma once

#include <string>
#include <vector>

#include "node/types.h"
#include "proto/control.capnp.h"

// Values of node/types.h as messages of proto/control.capnp.

namespace syncline {

void Fill(control::FileInfo::Builder out, const FileInfo& in);
void Fill(control::FileList::Builder out, const FileList& in);
void Fill(control::Written::Builder out, const Written& in);
void Fill(control::Record::Builder out, const LogRecord& in);
void Fill(control::LogEnd::Builder out, const LogEnd& in);
void Fill(control::Conflict::Builder out, const ConflictInfo& in);
void Fill(control::ConflictDetail::Builder out, const ConflictDetail& in);
void Fill(control::Document::Builder out, const DocumentInfo& in);
void Fill(control::Strategies::Builder out, const StrategyReport& in);
void Fill(control::Mirror::Builder out, const MirrorReport& in);
void Fill(control::ScanResult::Builder out, const ScanReport& in);
void Fill(control::Project::Builder out, const ProjectReport& in);
void Fill(control::Peer::Builder out, const PeerReport& in);
void Fill(control::Status::Builder out, const NodeReport& in);
void Fill(control::VerifyReport::Builder out, const VerifyReport& in);
void Fill(control::Joined::Builder out, const JoinReport& in);

// The version of this program.
std::string ProgramVersion();

}  // namespace syncline
