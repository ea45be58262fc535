// strategy.

#include <fmt/format.h>

#include "base/status.h"
#include "node/cli/invocation.h"
#include "node/cli/json.h"
#include "node/cli/output.h"

namespace syncline::cli {
namespace {

struct StrategyArgs {
  std::string project;
  std::string strategy;
  std::string path;
  bool unset = false;
  std::string authority;
};

absl::Status Set(Session& session, const StrategyArgs& args) {
  if (!args.authority.empty()) {
    return session
        .Call([&](auto& client) {
          auto request = client.setAuthorityRequest();
          request.setProject(ToKj(args.project));
          if (args.authority != "none") {
            request.setDevice(ToKj(args.authority));
          }
          return request.send();
        })
        .status();
  }
  if (args.strategy.empty() && !args.unset) return absl::OkStatus();
  return session
      .Call([&](auto& client) {
        auto request = client.setStrategyRequest();
        request.setProject(ToKj(args.project));
        request.setStrategy(ToKj(args.strategy));
        request.setPath(ToKj(args.path));
        return request.send();
      })
      .status();
}

void PrintStrategies(const Invocation& in, const StrategyArgs& args,
                     control::Strategies::Reader strategies) {
  const std::string strategy = FromKj(strategies.getStrategy());
  const std::string authority = FromKj(strategies.getAuthority());
  if (in.json) {
    boost::json::array rules;
    for (const auto rule : strategies.getRules()) {
      boost::json::object each;
      SetText(each, "path", rule.getPath());
      SetText(each, "strategy", rule.getStrategy());
      rules.push_back(std::move(each));
    }
    return PrintJson({{"project", args.project},
                      {"strategy", strategy},
                      {"paths", std::move(rules)},
                      {"authority", authority}});
  }
  PrintLine(strategy);
  if (strategies.getRules().size() > 0) {
    Table table({"STRATEGY", "PATHS"});
    for (const auto rule : strategies.getRules()) {
      table.Add({FromKj(rule.getStrategy()), Shown(FromKj(rule.getPath()))});
    }
    table.Print();
  }
  if (!authority.empty()) PrintLine("resolved by " + authority + " alone");
}

// What is set for one pattern.
absl::StatusOr<ExitCode> PrintRule(const Invocation& in,
                                   const StrategyArgs& args,
                                   control::Strategies::Reader strategies) {
  for (const auto rule : strategies.getRules()) {
    if (FromKj(rule.getPath()) != args.path) continue;
    const std::string strategy = FromKj(rule.getStrategy());
    if (in.json) {
      boost::json::object out{{"project", args.project}};
      SetText(out, "path", args.path);
      out["strategy"] = strategy;
      PrintJson(out);
    } else {
      PrintLine(strategy);
    }
    return ExitCode::kDone;
  }
  return NotFound("no strategy is set for '" + args.path + "'");
}

absl::StatusOr<ExitCode> RunStrategy(const Invocation& in,
                                     const StrategyArgs& args) {
  if (args.unset && !args.strategy.empty()) {
    return InvalidArgument("either a strategy or --unset");
  }
  if (!args.authority.empty() &&
      (args.unset || !args.strategy.empty() || !args.path.empty())) {
    return InvalidArgument("--authority is set by itself");
  }
  SYNCLINE_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, in.Open());
  SYNCLINE_RETURN_IF_ERROR(Set(*session, args));
  SYNCLINE_ASSIGN_OR_RETURN(auto answer, session->Call([&](auto& client) {
    auto request = client.strategyRequest();
    request.setProject(ToKj(args.project));
    return request.send();
  }));
  const auto strategies = answer->getResult().getValue();
  if (!args.path.empty() && !args.unset) {
    return PrintRule(in, args, strategies);
  }
  PrintStrategies(in, args, strategies);
  return ExitCode::kDone;
}

}  // namespace

void AddStrategyCommand(CLI::App& app, Invocation& in) {
  CLI::App* sub =
      AddCommand(app, "strategy",
                 "How conflicts of a project are resolved, on all its devices",
                 "syncline strategy notes\n"
                 "syncline strategy notes newest-wins\n"
                 "syncline strategy notes manual --path 'contracts/**'\n"
                 "syncline strategy notes --path 'contracts/**' --unset\n"
                 "syncline strategy notes --authority ABCDEFG");
  auto args = std::make_shared<StrategyArgs>();
  sub->add_option("PROJECT", args->project, "The project")->required();
  sub->add_option("STRATEGY", args->strategy, "The new strategy")
      ->check(CLI::IsMember({"local-wins", "remote-wins", "newest-wins",
                             "keep-both", "merge", "manual", "skip"}));
  sub->add_option("--path", args->path,
                  "For paths that match; of several patterns, that with the "
                  "most bytes other than * and ? counts")
      ->type_name("GLOB");
  sub->add_flag("--unset", args->unset, "Take the setting away");
  sub->add_option("--authority", args->authority,
                  "The device that alone resolves; none: all of them")
      ->type_name("DEVICE");
  sub->callback([&in, args] {
    in.what = "strategy " + args->project;
    in.run = [&in, args] { return RunStrategy(in, *args); };
  });
}

}  // namespace syncline::cli
