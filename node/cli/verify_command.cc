// verify.

#include <fmt/format.h>

#include "base/status.h"
#include "node/cli/invocation.h"
#include "node/cli/json.h"
#include "node/cli/output.h"

namespace syncline::cli {
namespace {

boost::json::object ReportJson(control::VerifyReport::Reader in) {
  boost::json::object out;
  out["projects"] = in.getProjects();
  out["records"] = in.getRecords();
  out["files"] = in.getFiles();
  out["bytes"] = in.getBytes();
  out["missing_chunks"] = in.getMissingChunks();
  boost::json::array findings;
  for (const auto finding : in.getFindings()) {
    boost::json::object each;
    SetText(each, "project", finding.getProject());
    SetText(each, "where", finding.getWhere());
    SetText(each, "what", finding.getWhat());
    findings.push_back(std::move(each));
  }
  out["findings"] = std::move(findings);
  out["findings_left_out"] = in.getFindingsLeftOut();
  return out;
}

void PrintReport(control::VerifyReport::Reader in) {
  for (const auto finding : in.getFindings()) {
    PrintLine(fmt::format("{}  {}: {}: {}", Paint(Tone::kBad, "bad"),
                          Shown(FromKj(finding.getProject())),
                          Shown(FromKj(finding.getWhere())),
                          Shown(FromKj(finding.getWhat()))));
  }
  PrintLine(fmt::format(
      "checked {} projects: {} log records, {} files, {}; {} findings",
      in.getProjects(), in.getRecords(), in.getFiles(), SizeText(in.getBytes()),
      in.getFindings().size() + in.getFindingsLeftOut()));
  if (in.getMissingChunks() > 0) {
    PrintNote(fmt::format("{} pieces of content are still to be fetched",
                          in.getMissingChunks()));
  }
}

absl::StatusOr<ExitCode> Verify(const Invocation& in,
                                const std::vector<std::string>& projects) {
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  SYNCLINE_ASSIGN_OR_RETURN(auto answer, session->Call([&](auto& client) {
    auto request = client.verifyRequest();
    auto names = request.initProjects(static_cast<unsigned>(projects.size()));
    for (unsigned i = 0; i < names.size(); ++i) {
      names.set(i, ToKj(projects[i]));
    }
    return request.send();
  }));
  const auto report = answer->getResult().getValue();
  if (in.json) {
    PrintJson(ReportJson(report));
  } else {
    PrintReport(report);
  }
  return report.getFindings().size() == 0 ? ExitCode::kDone
                                          : ExitCode::kAttention;
}

}  // namespace

void AddVerifyCommand(CLI::App& app, Invocation& in) {
  CLI::App* verify = AddCommand(
      app, "verify", "Check log, state and content against their hashes",
      "syncline verify\n"
      "syncline verify notes --json");
  auto projects = std::make_shared<std::vector<std::string>>();
  verify->add_option("PROJECT", *projects, "Only these");
  verify->callback([&in, projects] {
    in.what = "verify";
    in.run = [&in, projects] { return Verify(in, *projects); };
  });
}

}  // namespace syncline::cli
