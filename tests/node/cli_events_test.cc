#include <signal.h>
#include <sys/stat.h>

#include <fstream>
#include <thread>

#include "tests/node/cli.h"
#include "tests/node/running_client.h"

namespace syncline::testing {
namespace {

TEST_CASE("cli event: an argument becomes an event in the log", "[node][cli]") {
  const Home home;
  home.Must({"project", "create", "notes"});
  CHECK(home.Must({"event", "append", "notes", "alarms", R"({"level": 3})"}) ==
        "appended 1 event, seq 1\n");
  CHECK(home.Must({"event", "append", "notes", "a/b", "[1]", "--json"}) ==
        "{\"seq\":2}\n");
  CHECK(home.Must({"event", "append", "notes", "a/b", "7", "--buffered"}) ==
        "appended 1 event, seq 3\n");
  const auto records = JsonLines(home.Must({"log", "notes", "--json"}));
  REQUIRE(records.size() == 3);
  const auto& change = records[0].at("changes").at(0).as_object();
  CHECK(change.at("type") == "event");
  CHECK(change.at("path") == "alarms");
  CHECK(change.at("payload").at("level") == 3);
  CHECK(JsonLines(home.Must({"log", "notes", "--json", "--path", "a/*"}))
            .size() == 2);
  CHECK(JsonLines(home.Must({"log", "notes", "--json", "--kind", "event"}))
            .size() == 3);
}

TEST_CASE("cli event: lines of stdin are appended in order", "[node][cli]") {
  constexpr std::uint64_t kLines = 20000;
  const bool served = GENERATE(false, true);
  const Home home;
  home.Must({"project", "create", "notes"});
  std::unique_ptr<ServingNode> node;
  if (served) {
    node = std::make_unique<ServingNode>(home.path(), "127.0.0.1:0");
    REQUIRE(node->ready());
  }
  std::string input;
  for (std::uint64_t i = 0; i < kLines; ++i) {
    input += "{\"n\": " + std::to_string(i) + "}";
    input += i % 100 == 0 ? "\r\n\n" : "\n";
  }
  input.pop_back();  // The last line needs no end.
  const auto seqs =
      JsonLines(home.Must({"event", "append", "notes", "c", "--json"}, input));
  REQUIRE(seqs.size() == kLines);
  for (std::uint64_t i = 0; i < kLines; ++i) {
    REQUIRE(seqs[i].at("seq").to_number<std::uint64_t>() == i + 1);
  }
  const auto last = JsonLines(
      home.Must({"log", "notes", "--json", "--reverse", "--limit", "1"}));
  CHECK(last.at(0).at("changes").at(0).at("payload").at("n") == kLines - 1);
  CHECK(home.Must({"event", "append", "notes", "c"}, "1\n2\n") ==
        "appended 2 events, seq 20001 to 20002\n");
  CHECK(home.Must({"event", "append", "notes", "c"}).empty());
}

TEST_CASE("cli event: a bad line stops with its number and the count",
          "[node][cli]") {
  const Home home;
  home.Must({"project", "create", "notes"});
  const CommandResult bad =
      home.Run({"event", "append", "notes", "c"}, "1\n2\n\n{oops}\n5\n");
  CHECK(bad.exit_code == 2);
  CHECK(bad.err.find("line 4") != std::string::npos);
  CHECK(bad.err.find("2 events were appended before") != std::string::npos);
  CHECK(JsonLines(home.Must({"log", "notes", "--json"})).size() == 2);
  const std::string large = "\"" + std::string(1u << 20, 'x') + "\"";
  const CommandResult too_long =
      home.Run({"event", "append", "notes", "c"}, "1\n" + large + "\n");
  CHECK(too_long.exit_code == 2);
  CHECK(too_long.err.find("line 2") != std::string::npos);
  CHECK(too_long.err.find("1 event was appended before") != std::string::npos);
}

TEST_CASE("cli event: refusals have their exit codes", "[node][cli]") {
  const Home home;
  home.Must({"project", "create", "notes"});
  home.Refused({"event", "append", "nowhere", "c", "1"}, 3);
  home.Refused({"event", "append", "nowhere", "c"}, 3, "1\n");
  home.Refused({"event", "append", "notes", "c", "{"}, 2);
  home.Refused({"event", "append", "notes", "", "1"}, 2);
  home.Refused({"event", "append", "notes", "a\nb", "1"}, 2);
  CHECK(home.Must({"log", "notes", "--json"}).empty());
}

TEST_CASE("cli event: a node that ends meanwhile is told as that",
          "[node][cli][fault]") {
  const Home home;
  home.Must({"project", "create", "notes"});
  ServingNode node(home.path(), "127.0.0.1:0");
  REQUIRE(node.ready());
  const std::string rest = home.temp() / "rest";
  REQUIRE(mkfifo(rest.c_str(), 0600) == 0);
  CommandResult result;
  std::thread appending([&] {
    result = RunCommand({"sh", "-c",
                         "{ echo 1; cat \"$1\"; } |"
                         " \"$3\" --home \"$2\" event append notes c",
                         "sh", rest, home.path(), SYNCLINE_BINARY});
  });
  CHECK(Eventually([&] { return !home.Must({"log", "notes"}).empty(); }));
  node.Kill();
  WriteFile(rest, "2\n3\n");
  appending.join();
  INFO(result.err);
  CHECK(result.exit_code == 7);
  CHECK(result.err ==
        "syncline: event append notes c: the node that serves this home has "
        "ended (start it again) (1 event was appended before, 2 may be)\n");
  CHECK(JsonLines(home.Must({"log", "notes", "--json"})).size() == 1);
}

TEST_CASE("cli event: a node that is silent meanwhile is told as that",
          "[node][cli][fault]") {
  const Home home;
  home.Must({"project", "create", "notes"});
  ServingNode node(home.path(), "127.0.0.1:0");
  REQUIRE(node.ready());
  const std::string rest = home.temp() / "rest";
  const std::string seqs = home.temp() / "seqs";
  REQUIRE(mkfifo(rest.c_str(), 0600) == 0);
  REQUIRE(mkfifo(seqs.c_str(), 0600) == 0);
  CommandResult result;
  std::thread appending([&] {
    result = RunCommand({"bash", "-c",
                         "{ echo 1; cat \"$1\"; } | \"$3\" --home \"$2\" "
                         "--patience 0.2 --json event append notes c > \"$4\"",
                         "bash", rest, home.path(), SYNCLINE_BINARY, seqs});
  });
  std::ifstream answers(seqs);
  std::string answer;
  CHECK(std::getline(answers, answer));
  REQUIRE(kill(node.pid(), SIGSTOP) == 0);
  WriteFile(rest, "2\n3\n");
  appending.join();
  REQUIRE(kill(node.pid(), SIGCONT) == 0);
  INFO(result.err);
  CHECK(result.exit_code == 7);
  CHECK(result.err.ends_with("(1 event was appended before, 2 may be)\n"));
  // As it was said: what had been sent is done.
  CHECK(Eventually([&] {
    return JsonLines(home.Must({"log", "notes", "--json"})).size() == 3;
  }));
}

TEST_CASE("cli event: payloads that are no JSON are shown as what they are",
          "[node][cli]") {
  const Home home;
  home.Must({"project", "create", "notes"});
  const ServingNode node(home.path(), "127.0.0.1:0");
  REQUIRE(node.ready());
  RunningClient client(home.path());
  REQUIRE(client.Append("notes", "c", "plain text").get().ok());
  REQUIRE(client.Append("notes", "c", "\xff\x01").get().ok());
  const auto records = JsonLines(home.Must({"log", "notes", "--json"}));
  REQUIRE(records.size() == 2);
  CHECK(records[0].at("changes").at(0).at("payload_text") == "plain text");
  CHECK(records[1].at("changes").at(0).at("payload_hex") == "ff01");
}

TEST_CASE("cli event: JSON is shown as it was written", "[node][cli]") {
  const Home home;
  home.Must({"project", "create", "notes"});
  for (const std::string payload :
       {"1e999", "[-1E400]", "12345678901234567890123456", "1.10",
        R"({"b": 1, "a": 2, "b": 3})"}) {
    home.Must({"event", "append", "notes", "c", payload});
    const std::string line =
        home.Must({"log", "notes", "--reverse", "--limit", "1", "--json"});
    INFO(line);
    CHECK(line.ends_with(",\"payload\":" + payload + "}]}\n"));
  }
  // Of several lines, one.
  home.Must({"event", "append", "notes", "c", "{\n\"a\":\r\n[1]}"});
  CHECK(JsonLines(home.Must({"log", "notes", "--json"})).size() == 6);
}

TEST_CASE("cli event: a peer gets events in order and its subscribers see them",
          "[node][cli]") {
  constexpr std::size_t kEvents = 3000;
  const Home a;
  const Home b;
  a.Must({"project", "create", "notes"});
  ServingNode serve_a(a.path(), "127.0.0.1:0");
  ServingNode serve_b(b.path(), "127.0.0.1:0");
  REQUIRE(serve_a.ready());
  REQUIRE(serve_b.ready());
  std::string code = a.Must({"device", "invite", "notes"});
  code.pop_back();
  b.Must({"device", "join", code});
  RunningClient at_a(a.path());
  RunningClient at_b(b.path());
  FeedLog log;
  at_b.Subscribe(log, {FeedSource::Behind("notes", {})}, Visibility::kDurable);
  for (std::size_t i = 0; i < kEvents; ++i) {
    at_a->Append("notes", "c", std::to_string(i), Durability::kBuffered,
                 nullptr);
  }
  REQUIRE(at_a.Append("notes", "last", "x").get().ok());
  REQUIRE(log.WaitFor(kEvents + 1));
  CHECK(log.InOrder());
  const auto seen = log.Records();
  for (std::size_t i = 0; i < kEvents; ++i) {
    REQUIRE(seen[i].payload == std::to_string(i));
  }
  CHECK(seen[kEvents].channel == "last");
}

}  // namespace
}  // namespace syncline::testing
