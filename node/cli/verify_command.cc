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
  out["wanted_again"] = in.getWantedAgain();
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
  if (in.getWantedAgain() > 0) {
    PrintNote(
        fmt::format("the content of {} files is fetched again from devices "
                    "that have it (see 'syncline wait')",
                    in.getWantedAgain()));
  }
}

absl::StatusOr<ExitCode> Verify(const Invocation& in, bool repair,
                                const std::vector<std::string>& projects) {
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  SYNCLINE_ASSIGN_OR_RETURN(auto answer, session->Call([&](auto& client) {
    auto request = client.verifyRequest();
    request.setRepair(repair);
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
      "syncline verify notes --json\n"
      "syncline verify --repair");
  auto projects = std::make_shared<std::vector<std::string>>();
  verify->add_option("PROJECT", *projects, "Only these");
  auto repair = std::make_shared<bool>(false);
  verify->add_flag("--repair", *repair,
                   "Fetch content that is damaged or missing again from "
                   "devices that have it");
  verify->callback([&in, repair, projects] {
    in.what = "verify";
    in.run = [&in, repair, projects] { return Verify(in, *repair, *projects); };
  });
}

}  // namespace syncline::cli
