#include "tests/node/cli.h"

namespace syncline::testing {
namespace {

std::string Text(const boost::json::value& value) {
  return std::string(value.as_string().c_str(), value.as_string().size());
}

// Two devices that edited files and a document apart; nobody serves any more.
class Apart {
 public:
  explicit Apart(const std::string& strategy) {
    a.Must({"project", "create", "notes"});
    a.Must({"strategy", "notes", strategy});
    a.Must({"put", "notes", "f"}, "one\ntwo\nthree\n");
    a.Must({"put", "notes", "g"}, std::string("\0base", 5));
    a.Must({"doc", "put", "notes", "n/k", "1"});
    {
      ServingNode serve_a(a.path(), "127.0.0.1:0");
      ServingNode serve_b(b.path(), "127.0.0.1:0");
      b.Must({"device", "join", Line(a.Must({"device", "invite", "notes"}))});
      Wait();
      serve_a.Stop();
      serve_b.Stop();
    }
    a.Must({"put", "notes", "f"}, "one A\ntwo\nthree\n");
    b.Must({"put", "notes", "f"}, "one B\ntwo\nthree\n");
    a.Must({"put", "notes", "g"}, std::string("\0A", 2));
    b.Must({"put", "notes", "g"}, std::string("\0B", 2));
    a.Must({"doc", "put", "notes", "n/k", "2"});
    b.Must({"doc", "put", "notes", "n/k", "3"});
    Meet();
  }

  // Both serve until they are equal.
  void Meet() {
    ServingNode serve_a(a.path(), "127.0.0.1:0");
    const std::string code = Line(a.Must({"device", "invite", "notes"}));
    ServingNode serve_b(b.path(), "127.0.0.1:0");
    b.Must({"device", "join", code});
    Wait();
    serve_a.Stop();
    serve_b.Stop();
    CHECK(a.Json({"status"}).at("projects").at(0).at("digest") ==
          b.Json({"status"}).at("projects").at(0).at("digest"));
  }
  void Wait() {
    for (int round = 0; round < 2; ++round) {
      CHECK(a.Run({"wait", "--timeout", "60"}).exit_code <= 1);
      CHECK(b.Run({"wait", "--timeout", "60"}).exit_code <= 1);
    }
  }

  Home a;
  Home b;
};

TEST_CASE("cli conflicts: open ones are listed and shown with differences",
          "[node][cli]") {
  const Apart apart("manual");
  const CommandResult list =
      apart.a.Run({"conflicts", "ls", "notes", "--json"});
  CHECK(list.exit_code == 1);
  const auto all = boost::json::parse(list.out).as_array();
  REQUIRE(all.size() == 3);
  CHECK(all.at(0).at("path") == "doc:n/k");
  CHECK(all.at(1).at("path") == "f");
  CHECK(all.at(2).at("path") == "g");
  CHECK(apart.a.Run({"conflicts", "ls"}).exit_code == 1);
  CHECK(apart.a.Run({"conflicts", "ls", "notes", "f"}).exit_code == 1);

  const auto f = apart.a.Json({"conflicts", "show", "notes", "f"}).as_object();
  REQUIRE(f.at("siblings").as_array().size() == 2);
  for (const char* key : {"version", "device", "origin", "time", "size", "hash",
                          "kind", "shown", "automatic"}) {
    INFO(key);
    CHECK(f.at("siblings").at(0).as_object().contains(key));
  }
  CHECK(f.at("seq").to_number<std::uint64_t>() > 0);
  CHECK(f.at("ancestor").at("size") == 14);
  CHECK_FALSE(f.contains("resolution"));
  REQUIRE(f.at("diffs").as_array().size() == 2);
  std::string both;
  for (const auto& diff : f.at("diffs").as_array()) {
    CHECK(diff.at("from") == f.at("ancestor").at("version"));
    both += Text(diff.at("diff"));
  }
  CHECK(both.find("-one\n") != std::string::npos);
  CHECK(both.find("+one A\n") != std::string::npos);
  CHECK(both.find("+one B\n") != std::string::npos);
  const std::string text = apart.a.Must({"conflicts", "show", "notes", "f"});
  CHECK(text.find("+one A\n") != std::string::npos);
  CHECK(text.find("ancestor") != std::string::npos);
  // No text, no differences.
  const auto g = apart.a.Json({"conflicts", "show", "notes", "g"});
  CHECK(g.at("diffs").at(0).at("diff").is_null());
  const auto doc = apart.a.Json({"conflicts", "show", "notes", "doc:n/k"});
  CHECK(Text(doc.at("diffs").at(0).at("diff")).find("-1") != std::string::npos);
}

TEST_CASE("cli conflicts: they are settled one by one and all at once",
          "[node][cli]") {
  Apart apart("manual");
  const auto shown = apart.a.Json({"conflicts", "show", "notes", "g"});
  const std::string version = Text(shown.at("siblings").at(0).at("version"));
  apart.a.Must({"conflicts", "resolve", "notes", "g", "--take", version});
  CHECK(Text(apart.a.Json({"stat", "notes", "g"}).at("hash")) ==
        Text(shown.at("siblings").at(0).at("hash")));
  WriteFile(apart.a.temp() / "merged", "one A and B\n");
  const auto merged = apart.a.Json({"conflicts", "resolve", "notes", "f",
                                    "--merge", apart.a.temp() / "merged"});
  CHECK(merged.at("resolved").at(0).at("path") == "f");
  CHECK(apart.a.Must({"cat", "notes", "f"}) == "one A and B\n");
  WriteFile(apart.a.temp() / "doc", "23");
  apart.a.Must({"conflicts", "resolve", "notes", "doc:n/k", "--merge",
                apart.a.temp() / "doc"});
  CHECK(apart.a.Must({"doc", "get", "notes", "n/k"}) == "23\n");
  CHECK(apart.a.Json({"conflicts", "ls", "notes"}).as_array().empty());

  // They stay known, and the log tells of them.
  const auto over =
      apart.a.Json({"conflicts", "ls", "notes", "--resolved"}).as_array();
  REQUIRE(over.size() == 3);
  const std::string device = Text(apart.a.Json({"device", "id"}).at("id"));
  for (const auto& each : over) {
    CHECK(each.at("resolution").at("cause") == "user");
    CHECK(each.at("resolution").at("device").as_string() == device.c_str());
    CHECK(each.at("siblings").as_array().size() == 2);
  }
  const auto events = JsonLines(apart.a.Must(
      {"log", "notes", "--json", "--kind", "conflict", "--kind", "resolve"}));
  std::size_t made = 0;
  std::size_t ended = 0;
  for (const auto& record : events) {
    for (const auto& conflict : record.at("conflicts").as_array()) {
      CHECK(conflict.at("siblings").as_array().size() == 2);
      CHECK(conflict.at("ancestor").is_object());
      made += conflict.at("seq") == record.at("seq") ? 1 : 0;
      ended += conflict.at("resolution").at("seq") == record.at("seq") ? 1 : 0;
    }
  }
  CHECK(made == 3);
  CHECK(ended == 3);
  apart.Meet();
  CHECK(apart.b.Must({"cat", "notes", "f"}) == "one A and B\n");
  const auto there = apart.b.Json({"conflicts", "ls", "--resolved"}).as_array();
  REQUIRE(there.size() == 3);
  CHECK(there.at(0).at("resolution").at("device").as_string() ==
        device.c_str());
  // What the log forgets goes.
  apart.a.Must({"log", "truncate", "notes", "--keep", "0", "--force"});
  CHECK(apart.a.Json({"conflicts", "ls", "notes", "--resolved"})
            .as_array()
            .empty());
}

TEST_CASE("cli conflicts: bulk settling takes one side of all", "[node][cli]") {
  Apart apart("manual");
  const bool everywhere = GENERATE(false, true);
  std::vector<std::string> command = {"conflicts", "resolve", "--all", "--take",
                                      "local"};
  if (!everywhere) command.insert(command.begin() + 2, "notes");
  const auto done = apart.b.Json(command);
  CHECK(done.at("resolved").as_array().size() == 3);
  CHECK(done.at("failed").as_array().empty());
  CHECK(apart.b.Must({"cat", "notes", "f"}) == "one B\ntwo\nthree\n");
  CHECK(apart.b.Must({"doc", "get", "notes", "n/k"}) == "3\n");
  CHECK(apart.b.Json(command).at("resolved").as_array().empty());
  apart.Meet();
  CHECK(apart.a.Must({"cat", "notes", "g"}) == std::string("\0B", 2));
}

TEST_CASE("cli conflicts: what cannot be settled is refused", "[node][cli]") {
  const Apart apart("manual");
  const Home& home = apart.a;
  home.Refused({"conflicts", "show", "notes", "nothing"}, 3);
  home.Refused({"conflicts", "show", "nowhere", "f"}, 3);
  home.Refused({"conflicts", "ls", "nowhere"}, 3);
  home.Refused({"conflicts", "ls", "notes", "nothing"}, 3);
  home.Refused({"conflicts", "resolve", "notes", "nothing", "--take", "local"},
               3);
  const std::string unknown = std::string(32, 'a') + ".1";
  home.Refused({"conflicts", "resolve", "notes", "f", "--take", unknown}, 3);
  home.Refused({"conflicts", "resolve", "notes", "f", "--take", "mine"}, 2);
  home.Refused({"conflicts", "resolve", "notes", "f"}, 2);
  home.Refused({"conflicts", "resolve", "notes", "--take", "local"}, 2);
  home.Refused(
      {"conflicts", "resolve", "notes", "f", "--all", "--take", "local"}, 2);
  home.Refused({"conflicts", "resolve", "notes", "f", "--merge",
                home.temp() / "no such file"},
               3);
  home.Refused({"conflicts", "resolve", "--take", "local"}, 2);
  CHECK(home.Run({"conflicts", "ls", "notes"}).exit_code == 1);
}

TEST_CASE("cli conflicts: what the strategies ended is known too",
          "[node][cli]") {
  const Apart apart("merge");
  for (const Home* home : {&apart.a, &apart.b}) {
    CHECK(home->Json({"conflicts", "ls", "notes"}).as_array().empty());
  }
  // At least one of the two saw and ended them.
  const auto of_a = apart.a.Json({"conflicts", "ls", "notes", "--resolved"});
  const auto of_b = apart.b.Json({"conflicts", "ls", "notes", "--resolved"});
  REQUIRE(of_a.as_array().size() + of_b.as_array().size() >= 3);
  for (const auto* list : {&of_a.as_array(), &of_b.as_array()}) {
    for (const auto& each : *list) {
      CHECK(Text(each.at("resolution").at("cause")).starts_with("auto:merge"));
    }
  }
}

}  // namespace
}  // namespace syncline::testing
