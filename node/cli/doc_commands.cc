// doc get, put, rm, ls.

#include <fmt/format.h>

#include <utility>

#include "base/bytes.h"
#include "base/status.h"
#include "node/cli/doc_json.h"
#include "node/cli/doc_transfer.h"
#include "node/cli/invocation.h"
#include "node/cli/json.h"
#include "node/cli/output.h"
#include "node/cli/read_whole.h"
#include "replication/document_limits.h"
#include "replication/json_merge.h"

namespace syncline::cli {
namespace {

struct DocArgs {
  std::string project;
  std::string name;  // NAMESPACE/KEY.
  std::optional<std::string> json;
  std::string if_match;
  std::string version;
  bool bytes = false;
};
using DocCommand = absl::StatusOr<ExitCode> (*)(const Invocation&,
                                                const DocArgs&);

// NAMESPACE and KEY.
absl::StatusOr<std::pair<std::string, std::string>> Split(
    const std::string& name) {
  const std::size_t slash = name.find('/');
  if (slash == 0 || slash == std::string::npos || slash + 1 == name.size()) {
    return InvalidArgument("a document is named NAMESPACE/KEY");
  }
  return std::pair(name.substr(0, slash), name.substr(slash + 1));
}

absl::StatusOr<ExitCode> GetDoc(const Invocation& in, const DocArgs& args) {
  SYNCLINE_ASSIGN_OR_RETURN(const auto name, Split(args.name));
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  SYNCLINE_ASSIGN_OR_RETURN(auto answer, session->Call([&](auto& client) {
    auto request = client.getDocumentRequest();
    request.setProject(ToKj(args.project));
    request.setNameSpace(ToKj(name.first));
    request.setKey(ToKj(name.second));
    request.setVersion(ToKj(args.version));
    return request.send();
  }));
  const auto document = answer->getResult().getValue();
  if (in.json) {
    PrintLine(DocumentJson(document, true));
    return ExitCode::kDone;
  }
  std::string value = FromKj(document.getValue());
  // A line of its own, where that changes nothing.
  if (!value.ends_with('\n') && IsJson(value)) value += '\n';
  PrintBytes(value);
  return ExitCode::kDone;
}

absl::StatusOr<std::string> ValueOf(const DocArgs& args) {
  std::string value;
  if (args.json) {
    value = *args.json;
  } else {
    SYNCLINE_ASSIGN_OR_RETURN(
        value, ReadWhole("-", DocumentLimits::kValueBytesMax + 1));
  }
  if (args.bytes) return value;
  constexpr std::string_view kLineEnds = " \t\r\n";
  const std::size_t end = value.find_last_not_of(kLineEnds);
  value.resize(end == std::string::npos ? 0 : end + 1);
  if (!IsJson(value)) {
    return InvalidArgument("not JSON (--bytes takes anything)");
  }
  return value;
}

absl::StatusOr<ExitCode> Write(const Invocation& in, const DocArgs& args,
                               const std::optional<std::string>& value) {
  SYNCLINE_ASSIGN_OR_RETURN(const auto name, Split(args.name));
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  SYNCLINE_ASSIGN_OR_RETURN(auto answer, session->Call([&](auto& client) {
    auto request = client.putDocumentRequest();
    request.setProject(ToKj(args.project));
    request.setNameSpace(ToKj(name.first));
    request.setKey(ToKj(name.second));
    request.setRemove(!value);
    if (value) request.setValue(ToData(*value));
    request.setIfMatch(ToKj(args.if_match));
    return request.send();
  }));
  if (in.json) PrintJson(ToJson(answer->getResult().getValue()));
  return ExitCode::kDone;
}

absl::StatusOr<ExitCode> PutDoc(const Invocation& in, const DocArgs& args) {
  SYNCLINE_RETURN_IF_ERROR(Split(args.name).status());
  SYNCLINE_ASSIGN_OR_RETURN(const std::string value, ValueOf(args));
  return Write(in, args, value);
}

absl::StatusOr<ExitCode> RemoveDoc(const Invocation& in, const DocArgs& args) {
  return Write(in, args, std::nullopt);
}

absl::StatusOr<ExitCode> ListDocs(const Invocation& in, const DocArgs& args) {
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  Table table({"SIZE", "CHANGED", "VERSION", "NAME"});
  std::string json;
  SYNCLINE_RETURN_IF_ERROR(ForEachDocument(
      *session, args.project, args.name,
      [&](control::Document::Reader document) {
        if (in.json) {
          json += json.empty() ? "[" : ",";
          json += DocumentJson(document, false);
          return;
        }
        std::string name = Shown(FromKj(document.getNameSpace()) + "/" +
                                 FromKj(document.getKey()));
        if (document.getConflict()) {
          name += Paint(Tone::kWarning, "  (conflict)");
        }
        table.Add({SizeText(document.getValue().size()),
                   TimeText(document.getTimeMs()),
                   FromKj(document.getVersion()), std::move(name)});
      }));
  if (in.json) {
    PrintLine(json.empty() ? "[]" : json + "]");
  } else if (!table.empty()) {
    table.Print();
  }
  return ExitCode::kDone;
}

std::shared_ptr<DocArgs> AddDocCommand(CLI::App* sub, Invocation& in,
                                       const std::string& what,
                                       DocCommand run) {
  auto args = std::make_shared<DocArgs>();
  sub->add_option("PROJECT", args->project, "The project")->required();
  sub->callback([&in, what, args, run] {
    in.what = "doc " + what + " " + args->project;
    if (!args->name.empty()) in.what += " " + Shown(args->name);
    in.run = [&in, args, run] { return run(in, *args); };
  });
  return args;
}

void AddName(CLI::App* sub, DocArgs& args) {
  sub->add_option("NAMESPACE/KEY", args.name, "The document")->required();
}

void AddIfMatch(CLI::App* sub, DocArgs& args, const std::string& what) {
  sub->add_option("--if-match", args.if_match, what)->type_name("VERSION");
}

}  // namespace

void AddDocCommands(CLI::App& app, Invocation& in) {
  CLI::App* doc = AddCommand(app, "doc", "Values without a place in the tree",
                             "syncline doc put notes prefs/theme '\"dark\"'\n"
                             "syncline doc get notes prefs/theme\n"
                             "syncline doc ls @node    outside any project");
  CLI::App* get = AddCommand(*doc, "get", "Print a document",
                             "syncline doc get notes prefs/theme\n"
                             "syncline doc get notes prefs/theme --json");
  const auto got = AddDocCommand(get, in, "get", GetDoc);
  AddName(get, *got);
  get->add_option("--version", got->version, "That of a conflict's sibling")
      ->type_name("VERSION");
  CLI::App* put =
      AddCommand(*doc, "put", "Write a document, from the argument or stdin",
                 "syncline doc put notes prefs/theme '\"dark\"'\n"
                 "syncline doc put notes prefs/all < prefs.json\n"
                 "syncline doc put notes icons/app --bytes < app.png");
  const auto written = AddDocCommand(put, in, "put", PutDoc);
  AddName(put, *written);
  put->add_option("JSON", written->json, "The value; without it, stdin");
  put->add_flag("--bytes", written->bytes, "Take any bytes, not JSON alone");
  AddIfMatch(put, *written,
             "Refuse unless this is its version; none: if it exists");
  CLI::App* remove = AddCommand(*doc, "rm", "Remove a document",
                                "syncline doc rm notes prefs/theme");
  const auto removed = AddDocCommand(remove, in, "rm", RemoveDoc);
  AddName(remove, *removed);
  AddIfMatch(remove, *removed, "Refuse unless this is its version");
  CLI::App* list = AddCommand(*doc, "ls", "List documents",
                              "syncline doc ls notes\n"
                              "syncline doc ls notes prefs/th --json");
  const auto listed = AddDocCommand(list, in, "ls", ListDocs);
  list->add_option("NAMESPACE/KEY", listed->name,
                   "A namespace, or with it the start of keys");
  AddDocTransferCommands(*doc, in);
}

}  // namespace syncline::cli
