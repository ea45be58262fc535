#include "tests/node/cli.h"

namespace syncline::testing {
namespace {

TEST_CASE("cli doc: documents are put and read and listed and removed",
          "[node][cli]") {
  const Home home;
  home.Must({"project", "create", "notes"});
  home.Must({"doc", "put", "notes", "prefs/theme", "\"dark\""});
  home.Must({"doc", "put", "notes", "prefs/size"},
            "{ \"w\": 1,\n \"h\": 2 }\n");
  home.Must({"doc", "put", "notes", "icons/app", "--bytes"},
            std::string("\0\x89PNG", 5));
  CHECK(home.Must({"doc", "get", "notes", "prefs/theme"}) == "\"dark\"\n");
  CHECK(home.Must({"doc", "get", "notes", "prefs/size"}) ==
        "{ \"w\": 1,\n \"h\": 2 }\n");
  CHECK(home.Must({"doc", "get", "notes", "icons/app"}) ==
        std::string("\0\x89PNG", 5));
  const auto one = home.Json({"doc", "get", "notes", "prefs/size"}).as_object();
  CHECK(one.at("namespace") == "prefs");
  CHECK(one.at("key") == "size");
  CHECK(one.at("value").at("h") == 2);
  CHECK(one.at("conflict") == false);
  CHECK_FALSE(one.at("version").as_string().empty());
  CHECK(home.Json({"doc", "get", "notes", "icons/app"}).at("value_hex") ==
        "0089504e47");
  const auto names = [&](const std::vector<std::string>& args) {
    std::string all;
    const boost::json::value list = home.Json(args);
    for (const auto& each : list.as_array()) {
      all += each.at("namespace").as_string().c_str();
      all += "/";
      all += each.at("key").as_string().c_str();
      all += " ";
    }
    return all;
  };
  CHECK(names({"doc", "ls", "notes"}) == "icons/app prefs/size prefs/theme ");
  CHECK(names({"doc", "ls", "notes", "prefs"}) == "prefs/size prefs/theme ");
  CHECK(names({"doc", "ls", "notes", "prefs/th"}) == "prefs/theme ");
  CHECK(names({"doc", "ls", "notes", "nothing"}).empty());
  home.Must({"doc", "rm", "notes", "prefs/theme"});
  home.Refused({"doc", "get", "notes", "prefs/theme"}, 3);
  home.Refused({"doc", "rm", "notes", "prefs/theme"}, 3);
  CHECK(names({"doc", "ls", "notes", "prefs"}) == "prefs/size ");
  // Each is a record of the log.
  const auto log = JsonLines(home.Must({"log", "notes", "--json"}));
  REQUIRE(log.size() == 4);
  CHECK(log[0].at("changes").at(0).at("type") == "doc");
  CHECK(log[0].at("changes").at(0).at("path") == "prefs/theme");
}

TEST_CASE("cli doc: compare and swap", "[node][cli]") {
  const Home home;
  home.Must({"project", "create", "notes"});
  home.Must({"doc", "put", "notes", "a/b", "1", "--if-match", "none"});
  home.Refused({"doc", "put", "notes", "a/b", "2", "--if-match", "none"}, 5);
  const auto version = [&] {
    return std::string(home.Json({"doc", "get", "notes", "a/b"})
                           .at("version")
                           .as_string()
                           .c_str());
  };
  const std::string first = version();
  const auto put =
      home.Json({"doc", "put", "notes", "a/b", "2", "--if-match", first});
  CHECK(put.at("version") == boost::json::value(version()));
  home.Refused({"doc", "put", "notes", "a/b", "3", "--if-match", first}, 5);
  home.Refused({"doc", "rm", "notes", "a/b", "--if-match", first}, 5);
  home.Refused({"doc", "put", "notes", "a/b", "3", "--if-match", "x"}, 2);
  CHECK(home.Must({"doc", "get", "notes", "a/b"}) == "2\n");
  // The same value again is no new version.
  CHECK(home.Json({"doc", "put", "notes", "a/b", "2"}).at("seq") == 0);
  home.Must({"doc", "rm", "notes", "a/b", "--if-match", version()});
  home.Refused({"doc", "get", "notes", "a/b"}, 3);
}

TEST_CASE("cli doc: what cannot be is refused", "[node][cli]") {
  const Home home;
  home.Must({"project", "create", "notes"});
  home.Refused({"doc", "put", "nowhere", "a/b", "1"}, 3);
  home.Refused({"doc", "ls", "nowhere"}, 3);
  home.Refused({"doc", "get", "notes", "a/b"}, 3);
  home.Refused({"doc", "put", "notes", "a", "1"}, 2);
  home.Refused({"doc", "put", "notes", "/b", "1"}, 2);
  home.Refused({"doc", "put", "notes", "a/", "1"}, 2);
  home.Refused({"doc", "put", "notes", "a/b", "{no json"}, 2);
  home.Refused({"doc", "put", "notes", "a/b"}, 2);  // Nothing on stdin.
  home.Refused({"doc", "put", "notes", "a\tb/c", "1"}, 2);
  home.Refused({"doc", "put", "notes", std::string(256, 'n') + "/c", "1"}, 2);
  home.Refused({"doc", "put", "notes", "n/" + std::string(1025, 'k'), "1"}, 2);
  home.Refused({"doc", "put", "notes", "a/b", "--bytes"}, 2,
               std::string((1u << 20) + 1, 'x'));
  home.Must({"doc", "put", "notes", "a/b", "--bytes"},
            std::string(1u << 20, 'x'));
  // Settings are written by their own commands.
  home.Must({"strategy", "notes", "manual"});
  home.Refused({"doc", "put", "notes", "sys/strategy", "\"merge\""}, 5);
  home.Refused({"doc", "rm", "notes", "sys/strategy"}, 5);
  CHECK(home.Must({"doc", "get", "notes", "sys/strategy"}) == "manual");
  CHECK(home.Json({"doc", "ls", "notes", "sys"}).as_array().size() == 1);
  CHECK(home.Json({"doc", "ls", "notes"}).as_array().size() == 1);
}

TEST_CASE("cli doc: all documents go out and come in", "[node][cli]") {
  const Home home;
  home.Must({"project", "create", "notes"});
  home.Must({"project", "create", "other"});
  home.Must({"strategy", "notes", "manual"});
  home.Must({"doc", "put", "notes", "a/text", "\"line\\nend, \xc3\xa4\""});
  home.Must({"doc", "put", "notes", "a/bytes", "--bytes"},
            std::string("\xff\0", 2));
  home.Must(
      {"doc", "put", "notes", "b/number", "123456789012345678901234567890.5"});
  home.Must({"doc", "put", "notes", "b/lines"}, "[1,\n2]");
  // More than one page.
  for (int i = 0; i < 3; ++i) {
    home.Must({"doc", "put", "notes", "big/" + std::to_string(i), "--bytes"},
              std::string(600'000, static_cast<char>('a' + i)));
  }
  const std::string lines = home.Must({"doc", "export", "notes"});
  CHECK(JsonLines(lines).size() == 7);
  CHECK(home.Must({"doc", "import", "other"}, lines) ==
        "7 written, 0 unchanged\n");
  CHECK(home.Must({"doc", "get", "other", "a/text"}) ==
        "\"line\\nend, \xc3\xa4\"\n");
  CHECK(home.Must({"doc", "get", "other", "a/bytes"}) ==
        std::string("\xff\0", 2));
  CHECK(home.Must({"doc", "get", "other", "b/number"}) ==
        "123456789012345678901234567890.5\n");
  CHECK(home.Must({"doc", "get", "other", "b/lines"}) == "[1, 2]\n");
  CHECK(home.Must({"doc", "get", "other", "big/2"}) ==
        std::string(600'000, 'c'));
  CHECK(home.Must({"doc", "import", "other"}, lines) ==
        "0 written, 7 unchanged\n");
  CHECK(JsonLines(home.Must({"doc", "export", "notes", "a"})).size() == 2);

  home.Refused({"doc", "import", "other"}, 2, "{\"namespace\":\"a\"}\n");
  home.Refused({"doc", "import", "other"}, 2, "\n[]\n");
  home.Refused({"doc", "import", "other"}, 2,
               R"({"namespace":"a","key":"b","value_hex":"0"})");
  home.Refused({"doc", "import", "other"}, 5,
               R"({"namespace":"sys","key":"authority","value":1})");
  home.Refused({"doc", "import", "nowhere"}, 3, lines);
}

}  // namespace
}  // namespace syncline::testing
