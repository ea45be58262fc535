#include "tests/node/cli.h"
#include "tests/testing/some_bytes.h"

namespace syncline::testing {
namespace {

void WaitBoth(const Home& a, const Home& b) {
  for (int round = 0; round < 2; ++round) {
    CHECK(a.Run({"wait", "--timeout", "60"}).exit_code <= 1);
    CHECK(b.Run({"wait", "--timeout", "60"}).exit_code <= 1);
  }
}

TEST_CASE("cli pair: what one device gets appears on the other",
          "[node][cli]") {
  const Home a;
  const Home b;
  std::filesystem::create_directory(a.temp() / "dir");
  a.Must({"add", a.temp() / "dir", "--project", "notes"});
  ServingNode serve_a(a.path(), "127.0.0.1:0");
  ServingNode serve_b(b.path(), "127.0.0.1:0");
  REQUIRE(serve_a.ready());
  REQUIRE(serve_b.ready());
  const std::string code = Line(a.Must({"device", "invite", "notes"}));
  b.Must({"device", "join", code, "--dir", b.temp() / "dir"});
  WriteFile(a.temp() / "dir" / "file", "from A");
  WaitBoth(a, b);
  CHECK(ReadFile(b.temp() / "dir" / "file") == "from A");
  b.Must({"put", "notes", "other"}, "from B");
  WaitBoth(a, b);
  CHECK(ReadFile(a.temp() / "dir" / "other") == "from B");

  const auto of_a = a.Json({"status"}).as_object();
  const auto of_b = b.Json({"status"}).as_object();
  CHECK(of_a.at("projects").at(0).at("digest") ==
        of_b.at("projects").at(0).at("digest"));
  const auto& peer = of_a.at("peers").at(0).as_object();
  for (const char* key :
       {"id", "name", "address", "state", "projects", "last_error", "retry_at",
        "rtt_ms", "sent_bytes", "received_bytes"}) {
    INFO(key);
    CHECK(peer.contains(key));
  }
  CHECK(peer.at("state") == "connected");
  CHECK(peer.at("id") == of_b.at("device").at("id"));
  CHECK(peer.at("projects").at(0) == "notes");
  CHECK(a.Must({"conflicts", "ls", "notes", "--json"}) ==
        b.Must({"conflicts", "ls", "notes", "--json"}));

  // A code is good for one device.
  const Home c;
  c.Refused({"device", "join", code}, 5);
  CHECK(c.Json({"project", "ls"}).as_array().empty());
}

TEST_CASE("cli pair: a device without a serving node can join", "[node][cli]") {
  const Home a;
  const Home b;
  a.Must({"project", "create", "notes"});
  ServingNode serve_a(a.path(), "127.0.0.1:0");
  REQUIRE(serve_a.ready());
  const std::string code = Line(a.Must({"device", "invite", "notes"}));
  b.Must({"device", "join", code});
  CHECK(b.Json({"project", "ls"}).at(0).at("name") == "notes");
  CHECK(b.Json({"device", "ls"}).as_array().size() == 1);
  CHECK(a.Json({"device", "ls"}).at(0).at("id") ==
        b.Json({"status"}).at("device").at("id"));
}

TEST_CASE("cli pair: content that nobody has is not waited for",
          "[node][cli][fault]") {
  const Home a;
  const Home b;
  a.Must({"project", "create", "notes"});
  {
    ServingNode serve_a(a.path(), "127.0.0.1:0");
    REQUIRE(serve_a.ready());
    b.Must({"device", "join", Line(a.Must({"device", "invite", "notes"}))});
  }
  a.Must({"put", "notes", "large"}, std::string(100'000, 'x'));
  for (const auto& file :
       std::filesystem::recursive_directory_iterator(a.path() / "chunks")) {
    if (file.is_regular_file()) WriteFile(file.path(), "damaged");
  }
  {
    ServingNode serve_b(b.path(), "127.0.0.1:0");
    REQUIRE(serve_b.ready());
    ServingNode serve_a(a.path(), "127.0.0.1:0");
    REQUIRE(serve_a.ready());
    // Known, and not here. (Where B listens is what A does not know.)
    b.Must({"device", "join", Line(a.Must({"device", "invite", "notes"}))});
    CHECK(Eventually([&] {
      return b.Json({"status"}).at("projects").at(0).at("missing_chunks") != 0;
    }));
    REQUIRE(serve_a.Stop() == 0);
    const CommandResult result = b.Run({"wait"});
    INFO(result.err);
    CHECK(result.exit_code == 7);
    CHECK(result.err.find("missing") != std::string::npos);
  }
  const CommandResult alone = b.Run({"wait"});
  CHECK(alone.exit_code == 7);
}

TEST_CASE("cli pair: damaged content is repaired from a device that has it",
          "[node][cli][fault]") {
  const Home a;
  const Home b;
  a.Must({"project", "create", "notes"});
  const std::string bytes = SomeBytes(1, 300'000);
  a.Must({"put", "notes", "large"}, bytes);
  ServingNode serve_a(a.path(), "127.0.0.1:0");
  REQUIRE(serve_a.ready());
  {
    ServingNode serve_b(b.path(), "127.0.0.1:0");
    REQUIRE(serve_b.ready());
    b.Must({"device", "join", Line(a.Must({"device", "invite", "notes"}))});
    WaitBoth(a, b);
    REQUIRE(serve_b.Stop() == 0);
  }
  bool damaged = false;
  for (const auto& file :
       std::filesystem::recursive_directory_iterator(b.path() / "chunks")) {
    if (!file.is_regular_file() || damaged) continue;
    WriteFile(file.path(), "damaged");
    damaged = true;
  }
  REQUIRE(damaged);
  ServingNode serve_b(b.path(), "127.0.0.1:0");
  REQUIRE(serve_b.ready());
  CHECK(b.Run({"verify"}).exit_code == 1);
  CHECK(b.Run({"cat", "notes", "large"}).exit_code == 6);
  const CommandResult repaired = b.Run({"verify", "--repair", "--json"});
  CHECK(repaired.exit_code == 1);
  CHECK(boost::json::parse(repaired.out).at("wanted_again") == 1);
  WaitBoth(a, b);
  const auto good = b.Json({"verify", "--repair"}).as_object();
  CHECK(good.at("findings").as_array().empty());
  CHECK(good.at("wanted_again") == 0);
  CHECK((b.Must({"cat", "notes", "large"}) == bytes));
}

TEST_CASE("cli pair: scopes of two nodes come together", "[node][cli]") {
  const Home a;
  const Home b;
  a.Must({"doc", "put", "@node", "app/theme", "\"dark\""});
  b.Must({"doc", "put", "@node", "app/size", "12"});
  b.Must({"event", "append", "@node", "app.started", "{}"});
  ServingNode serve_a(a.path(), "127.0.0.1:0");
  ServingNode serve_b(b.path(), "127.0.0.1:0");
  REQUIRE(serve_a.ready());
  REQUIRE(serve_b.ready());
  const std::string code = Line(a.Must({"device", "invite", "@node"}));
  b.Must({"device", "join", code});
  WaitBoth(a, b);
  CHECK(b.Must({"doc", "get", "@node", "app/theme"}) == "\"dark\"\n");
  CHECK(a.Must({"doc", "get", "@node", "app/size"}) == "12\n");
  CHECK(b.Json({"project", "ls"}).as_array().size() == 1);
  const auto events =
      JsonLines(a.Must({"log", "@node", "--kind", "event", "--json"}));
  REQUIRE(events.size() == 1);
  CHECK(events[0].at("changes").at(0).at("path") == "app.started");
}

TEST_CASE("cli pair: an invitation to nobody or too late is refused",
          "[node][cli]") {
  const Home a;
  const Home b;
  a.Must({"project", "create", "notes"});
  a.Refused({"device", "invite", "nowhere"}, 3);
  std::string code;
  {
    ServingNode serve_a(a.path(), "127.0.0.1:0");
    REQUIRE(serve_a.ready());
    const std::string late =
        Line(a.Must({"device", "invite", "notes", "--expires", "0s"}));
    b.Refused({"device", "join", late}, 5);
    code = Line(a.Must({"device", "invite", "notes"}));
  }
  b.Refused({"device", "join", code}, 7);
  CHECK(b.Json({"project", "ls"}).as_array().empty());
}

TEST_CASE("cli pair: who was removed pairs again, with its folder",
          "[node][cli]") {
  const Home a;
  const Home b;
  a.Must({"project", "create", "notes"});
  a.Must({"project", "create", "other"});
  ServingNode serve_a(a.path(), "127.0.0.1:0");
  ServingNode serve_b(b.path(), "127.0.0.1:0");
  REQUIRE(serve_a.ready());
  REQUIRE(serve_b.ready());
  const auto dir = b.temp() / "dir";
  const auto invite = [&a](const char* project) {
    return Line(a.Must({"device", "invite", project}));
  };
  b.Must({"device", "join", invite("notes"), "--dir", dir});
  a.Must({"device", "rm", Line(b.Must({"device", "id"}))});
  const auto joined =
      b.Json({"device", "join", invite("notes"), "--dir", dir}).as_object();
  CHECK(joined.at("projects").at(0).at("dir") ==
        b.Json({"mirror", "ls", "notes"}).at(0).at("dir"));
  CHECK(b.Json({"mirror", "ls"}).as_array().size() == 1);
  // It need not be named again to be told.
  CHECK(b.Json({"device", "join", invite("notes")}).at("projects") ==
        joined.at("projects"));
  a.Must({"put", "notes", "file"}, "from A");
  WaitBoth(a, b);
  CHECK(ReadFile(dir / "file") == "from A");
  // Not for another project, nor the folder of none.
  b.Refused({"device", "join", invite("other"), "--dir", dir}, 5);
  b.Refused({"device", "join", invite("notes"), "--dir", dir / "in"}, 5);
}

TEST_CASE("cli pair: a project that is not shared any more leaves no gap",
          "[node][cli]") {
  const Home a;
  const Home b;
  for (const char* project : {"one", "two", "three"}) {
    a.Must({"project", "create", project});
    a.Must({"put", project, project}, project);
  }
  ServingNode serve_a(a.path(), "127.0.0.1:0");
  ServingNode serve_b(b.path(), "127.0.0.1:0");
  REQUIRE(serve_a.ready());
  REQUIRE(serve_b.ready());
  const std::string code =
      Line(a.Must({"device", "invite", "one", "two", "three"}));
  a.Must({"project", "rm", "two"});
  const auto folder = [&b](const char* name) {
    return (b.temp() / name).string();
  };
  const CommandResult joined =
      b.Run({"device", "join", code, "--dir", folder("1"), "--dir", folder("2"),
             "--dir", folder("3"), "--json"});
  INFO(joined.out << joined.err);
  CHECK(joined.exit_code == 1);
  const auto report = boost::json::parse(joined.out).as_object();
  REQUIRE(report.at("missing").as_array().size() == 1);
  CHECK(report.at("missing").at(0).at("project") == "two");
  REQUIRE(report.at("projects").as_array().size() == 2);
  CHECK(report.at("projects").at(0).at("project") == "one");
  CHECK(report.at("projects").at(1).at("project") == "three");
  WaitBoth(a, b);
  CHECK(ReadFile(b.temp() / "1" / "one") == "one");
  CHECK_FALSE(std::filesystem::exists(b.temp() / "2"));
  CHECK(ReadFile(b.temp() / "3" / "three") == "three");
}

TEST_CASE("cli pair: what can be no folder spends no invitation",
          "[node][cli]") {
  const Home a;
  const Home b;
  a.Must({"project", "create", "notes"});
  ServingNode serve_a(a.path(), "127.0.0.1:0");
  REQUIRE(serve_a.ready());
  const std::string code = Line(a.Must({"device", "invite", "notes"}));
  WriteFile(b.temp() / "file", "x");
  b.Refused({"device", "join", code, "--dir", b.temp() / "file"}, 5);
  b.Refused({"device", "join", code, "--dir", b.temp() / "file" / "in"}, 5);
  CHECK(b.Json({"device", "ls"}).as_array().empty());
  CHECK(b.Json({"project", "ls"}).as_array().empty());
  // Not foreseen: what was done is told.
  const CommandResult late =
      b.Run({"device", "join", code, "--dir", "/proc/none"});
  INFO(late.err);
  CHECK(late.exit_code != 0);
  CHECK(late.err.find("joined, but the folder") != std::string::npos);
  CHECK(b.Json({"project", "ls"}).at(0).at("name") == "notes");
  CHECK(ReadFile(b.temp() / "file") == "x");
}

TEST_CASE("cli pair: a manual conflict is settled by a person", "[node][cli]") {
  const Home a;
  const Home b;
  a.Must({"project", "create", "notes"});
  a.Must({"strategy", "notes", "manual"});
  a.Must({"put", "notes", "f"}, "base");
  {
    ServingNode serve_a(a.path(), "127.0.0.1:0");
    ServingNode serve_b(b.path(), "127.0.0.1:0");
    b.Must({"device", "join", Line(a.Must({"device", "invite", "notes"}))});
    WaitBoth(a, b);
    CHECK(b.Must({"strategy", "notes"}) == "manual\n");
    serve_a.Stop();
    serve_b.Stop();
  }
  a.Must({"put", "notes", "f"}, "A");
  b.Must({"put", "notes", "f"}, "B");
  ServingNode serve_a(a.path(), "127.0.0.1:0");
  const std::string again = Line(a.Must({"device", "invite", "notes"}));
  ServingNode serve_b(b.path(), "127.0.0.1:0");
  b.Must({"device", "join", again});  // At its new address.
  WaitBoth(a, b);
  const CommandResult list = a.Run({"conflicts", "ls", "notes", "--json"});
  CHECK(list.exit_code == 1);
  CHECK(list.out == b.Run({"conflicts", "ls", "notes", "--json"}).out);
  const auto conflict = boost::json::parse(list.out).at(0).as_object();
  CHECK(conflict.at("path") == "f");
  REQUIRE(conflict.at("siblings").as_array().size() == 2);
  for (const char* key :
       {"version", "device", "origin", "time", "size", "hash", "shown"}) {
    INFO(key);
    CHECK(conflict.at("siblings").at(0).as_object().contains(key));
  }
  CHECK(a.Run({"wait", "--timeout", "60"}).exit_code == 1);
  a.Must({"conflicts", "resolve", "notes", "f", "--take", "local"});
  WaitBoth(a, b);
  CHECK(b.Must({"cat", "notes", "f"}) == "A");
  CHECK(b.Json({"conflicts", "ls"}).as_array().empty());
}

TEST_CASE("cli pair: what was edited while a node was off is its own version",
          "[node][cli]") {
  const Home a;
  const Home b;
  const auto of_a = a.temp() / "dir" / "f";
  const auto of_b = b.temp() / "dir" / "f";
  std::filesystem::create_directory(of_a.parent_path());
  WriteFile(of_a, "base");
  a.Must({"add", of_a.parent_path(), "--project", "notes"});
  a.Must({"strategy", "notes", "manual"});
  ServingNode serve_a(a.path(), "127.0.0.1:0");
  REQUIRE(serve_a.ready());
  {
    ServingNode serve_b(b.path(), "127.0.0.1:0");
    REQUIRE(serve_b.ready());
    b.Must({"device", "join", Line(a.Must({"device", "invite", "notes"})),
            "--dir", of_b.parent_path()});
    WaitBoth(a, b);
    CHECK(serve_b.Stop() == 0);
  }
  WriteFile(of_a, "A");
  a.Must({"wait", "--timeout", "60"});
  WriteFile(of_b, "B");
  ServingNode serve_b(b.path(), "127.0.0.1:0");
  REQUIRE(serve_b.ready());
  WaitBoth(a, b);
  b.Must({"conflicts", "resolve", "notes", "f", "--take", "local"});
  WaitBoth(a, b);
  CHECK(ReadFile(of_a) == "B");
  CHECK(ReadFile(of_b) == "B");
}

}  // namespace
}  // namespace syncline::testing
