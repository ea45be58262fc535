#include <csignal>

#include "tests/node/cli.h"

namespace syncline::testing {
namespace {

TEST_CASE("cli log: records have the keys of the contract", "[node][cli]") {
  const Home home;
  home.Must({"project", "create", "notes"});
  home.Must({"put", "notes", "a"}, "1");
  home.Must({"mv", "notes", "a", "b"});
  home.Must({"rm", "notes", "b"});
  const auto records = JsonLines(home.Must({"log", "notes", "--json"}));
  REQUIRE(records.size() == 3);
  for (const auto& record : records) {
    for (const char* key :
         {"seq", "time", "device", "origin", "counter", "cause", "changes"}) {
      INFO(key);
      CHECK(record.contains(key));
    }
    CHECK(record.at("cause") == "user");
  }
  CHECK(std::string(records[0].at("device").as_string()) + "\n" ==
        home.Must({"device", "id"}));
  const auto& create = records[0].at("changes").at(0).as_object();
  CHECK(create.at("type") == "create");
  CHECK(create.at("kind") == "file");
  CHECK(create.at("size") == 1);
  CHECK(create.at("hash") ==
        "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b");
  const auto& rename = records[1].at("changes").at(0).as_object();
  CHECK(rename.at("type") == "rename");
  CHECK(rename.at("from") == "a");
  CHECK(rename.at("path") == "b");
}

TEST_CASE("cli log: ranges and filters choose records", "[node][cli]") {
  const Home home;
  home.Must({"project", "create", "notes"});
  for (int i = 1; i <= 5; ++i) {
    home.Must({"put", "notes", "f" + std::to_string(i)}, "x");
  }
  const auto seqs = [&](std::vector<std::string> args) {
    args.insert(args.begin(), {"log", "notes", "--json"});
    std::vector<std::int64_t> result;
    for (const auto& record : JsonLines(home.Must(args))) {
      result.push_back(record.at("seq").as_int64());
    }
    return result;
  };
  using Seqs = std::vector<std::int64_t>;
  CHECK(seqs({"--since", "3"}) == Seqs{4, 5});
  CHECK(seqs({"--until", "2"}) == Seqs{1, 2});
  CHECK(seqs({"--limit", "2"}) == Seqs{1, 2});
  CHECK(seqs({"--reverse", "--limit", "2"}) == Seqs{5, 4});
  CHECK(seqs({"--since", "1", "--until", "3", "--reverse"}) == Seqs{3, 2});
  CHECK(seqs({"--path", "f4"}) == Seqs{4});
  CHECK(seqs({"--kind", "delete"}).empty());
  CHECK(seqs({"--since", "5"}).empty());
}

TEST_CASE("cli log: a position beyond the head is refused in JSON",
          "[node][cli]") {
  const Home home;
  home.Must({"project", "create", "notes"});
  home.Must({"put", "notes", "a"}, "1");
  const CommandResult result =
      home.Run({"log", "notes", "--since", "7", "--json"});
  CHECK(result.exit_code == 5);
  const auto answer = boost::json::parse(result.out).as_object();
  CHECK(answer.at("error") == "cursor_invalid");
  CHECK(answer.at("horizon") == 0);
  CHECK(answer.at("head") == 1);
  home.Refused({"log", "notes", "--kind", "nonsense"}, 2);
}

TEST_CASE("cli log: following shows what comes and ends with SIGINT",
          "[node][cli]") {
  const Home home;
  home.Must({"project", "create", "notes"});
  home.Must({"put", "notes", "a"}, "1");
  ServingNode node(home.path(), "127.0.0.1:0");
  REQUIRE(node.ready());
  // The shell sends the signal once the second record was shown.
  const std::string follow =
      std::string(SYNCLINE_BINARY) + " --home " + home.path().string() +
      " log notes --follow --json > " + (home.temp() / "out").string() +
      " & pid=$!; for i in $(seq 600); do " + "[ \"$(wc -l < " +
      (home.temp() / "out").string() + ")\" -ge 2 ] && break; " + "[ -s " +
      (home.temp() / "out").string() + " ] && echo more | " + SYNCLINE_BINARY +
      " --home " + home.path().string() +
      " put notes b > /dev/null; sleep 0.1; done; " +
      "kill -INT $pid; wait $pid";
  const CommandResult result = RunCommand({"bash", "-c", follow});
  INFO(result.err);
  CHECK(result.exit_code == 0);
  const auto records = JsonLines(ReadFile(home.temp() / "out"));
  REQUIRE(records.size() >= 2);
  CHECK(records[1].at("seq") == 2);
}

TEST_CASE("cli log: following a project that is removed ends with exit 5",
          "[node][cli]") {
  const Home home;
  home.Must({"project", "create", "notes"});
  home.Must({"put", "notes", "a"}, "1");
  ServingNode node(home.path(), "127.0.0.1:0");
  REQUIRE(node.ready());
  const std::string program =
      std::string(SYNCLINE_BINARY) + " --home " + home.path().string();
  const CommandResult result =
      RunCommand({"bash", "-c",
                  program + " log notes --follow | { read -r line; " + program +
                      " project rm notes; cat; }; exit ${PIPESTATUS[0]}"});
  INFO(result.err);
  CHECK(result.exit_code == 5);
  CHECK(result.err.find("the project was removed") != std::string::npos);
}

TEST_CASE("cli log: following ends with exit 7 when the node ends",
          "[node][cli]") {
  const Home home;
  home.Must({"project", "create", "notes"});
  home.Must({"put", "notes", "a"}, "1");
  ServingNode node(home.path(), "127.0.0.1:0");
  REQUIRE(node.ready());
  // The shell ends the node once the first record was shown.
  const CommandResult result = RunCommand(
      {"bash", "-c",
       std::string(SYNCLINE_BINARY) + " --home " + home.path().string() +
           " log notes --follow --json | { read -r line; kill -KILL " +
           std::to_string(node.pid()) +
           "; cat > /dev/null; }; exit ${PIPESTATUS[0]}"});
  CHECK(result.exit_code == 7);
  CHECK(result.err ==
        "syncline: log notes: the node that serves this home has ended "
        "(start it again)\n");
  // It shows what is there, and does not stay in a new one's way.
  const CommandResult alone = home.Run({"log", "notes", "--follow", "--json"});
  CHECK(alone.exit_code == 7);
  CHECK(JsonLines(alone.out).size() == 1);
  home.Must({"log", "notes", "--follow", "--limit", "1"});
  home.Must({"log", "notes", "--follow", "--until", "1"});
}

}  // namespace
}  // namespace syncline::testing
