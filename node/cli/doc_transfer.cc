// doc export, doc import: one JSON document per line.

#include "node/cli/doc_transfer.h"

#include <fmt/format.h>

#include <iostream>

#include <boost/json/parse.hpp>

#include "base/bytes.h"
#include "base/status.h"
#include "node/cli/doc_json.h"
#include "node/cli/json.h"
#include "node/cli/output.h"
#include "replication/document_limits.h"
#include "replication/json_merge.h"

namespace syncline::cli {
namespace {

struct Line {
  std::string name_space;
  std::string key;
  std::string value;
};

std::optional<std::string> StringOf(std::string_view json) {
  boost::json::error_code error;
  const boost::json::value value =
      boost::json::parse({json.data(), json.size()}, error);
  if (error || !value.is_string()) return std::nullopt;
  return std::string(value.as_string().c_str(), value.as_string().size());
}

// What DocumentJson() makes, of which it needs the names and the value.
absl::StatusOr<Line> ParseLine(std::string_view text) {
  const auto members = SplitJsonObject(text);
  if (!members) return InvalidArgument("not a JSON object");
  std::optional<std::string> name_space;
  std::optional<std::string> key;
  std::optional<std::string> value;
  for (const auto& [name, json] : *members) {
    if (name == "namespace") name_space = StringOf(json);
    if (name == "key") key = StringOf(json);
    if (name == "value") value = std::string(json);
    if (name == "value_hex") {
      const auto hex = StringOf(json);
      value = hex ? FromHex(*hex) : std::nullopt;
      if (!value) return InvalidArgument("value_hex is not hexadecimal");
    }
  }
  if (!name_space || !key || !value) {
    return InvalidArgument("a line has namespace, key, and value or value_hex");
  }
  return Line{*std::move(name_space), *std::move(key), *std::move(value)};
}

// Whether it changed anything.
absl::StatusOr<bool> PutLine(Session& session, const std::string& project,
                             const Line& line) {
  SYNCLINE_ASSIGN_OR_RETURN(auto answer, session.Call([&](auto& client) {
    auto request = client.putDocumentRequest();
    request.setProject(ToKj(project));
    request.setNameSpace(ToKj(line.name_space));
    request.setKey(ToKj(line.key));
    request.setValue(ToData(line.value));
    return request.send();
  }));
  return answer->getResult().getValue().getSeq() > 0;
}

absl::StatusOr<ExitCode> Export(const Invocation& in,
                                const std::string& project,
                                const std::string& name) {
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  SYNCLINE_RETURN_IF_ERROR(ForEachDocument(
      *session, project, name, [](control::Document::Reader document) {
        PrintLine(DocumentJson(document, true));
      }));
  return ExitCode::kDone;
}

absl::StatusOr<ExitCode> Import(const Invocation& in,
                                const std::string& project) {
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  std::uint64_t number = 0;
  std::uint64_t written = 0;
  std::uint64_t unchanged = 0;
  for (std::string text; std::getline(std::cin, text);) {
    ++number;
    if (text.find_first_not_of(" \t\r") == std::string::npos) continue;
    const std::string where = fmt::format("line {}", number);
    const absl::StatusOr<Line> line = ParseLine(text);
    if (!line.ok()) return Annotate(line.status(), where);
    const absl::StatusOr<bool> changed = PutLine(*session, project, *line);
    if (!changed.ok()) return Annotate(changed.status(), where);
    ++(*changed ? written : unchanged);
  }
  if (in.json) {
    PrintJson({{"written", written}, {"unchanged", unchanged}});
  } else {
    PrintLine(fmt::format("{} written, {} unchanged", written, unchanged));
  }
  return ExitCode::kDone;
}

}  // namespace

absl::Status ForEachDocument(
    Session& session, const std::string& project, const std::string& name,
    const std::function<void(control::Document::Reader)>& visit) {
  const std::size_t slash = name.find('/');
  std::string after_name_space;
  std::string after_key;
  for (bool more = true; more;) {
    SYNCLINE_ASSIGN_OR_RETURN(auto answer, session.Call([&](auto& client) {
      auto request = client.listDocumentsRequest();
      request.setProject(ToKj(project));
      request.setNameSpace(ToKj(name.substr(0, slash)));
      if (slash != std::string::npos) {
        request.setPrefix(ToKj(name.substr(slash + 1)));
      }
      request.setAfterNameSpace(ToKj(after_name_space));
      request.setAfterKey(ToKj(after_key));
      return request.send();
    }));
    const auto list = answer->getResult().getValue();
    for (const auto document : list.getDocuments()) {
      visit(document);
      after_name_space = FromKj(document.getNameSpace());
      after_key = FromKj(document.getKey());
    }
    more = list.getMore();
  }
  return absl::OkStatus();
}

void AddDocTransferCommands(CLI::App& doc, Invocation& in) {
  CLI::App* out = AddCommand(doc, "export",
                             "Print all documents, one JSON document per line",
                             "syncline doc export notes > documents.jsonl\n"
                             "syncline doc export notes prefs");
  auto project = std::make_shared<std::string>();
  auto name = std::make_shared<std::string>();
  out->add_option("PROJECT", *project, "The project")->required();
  out->add_option("NAMESPACE", *name, "Only these; without it, all but sys");
  out->callback([&in, project, name] {
    in.what = "doc export " + *project;
    in.run = [&in, project, name] { return Export(in, *project, *name); };
  });
  CLI::App* into = AddCommand(doc, "import", "Write what `export` printed",
                              "syncline doc import notes < documents.jsonl");
  into->add_option("PROJECT", *project, "The project")->required();
  into->callback([&in, project] {
    in.what = "doc import " + *project;
    in.run = [&in, project] { return Import(in, *project); };
  });
}

}  // namespace syncline::cli
