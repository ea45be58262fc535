#include <thread>

#include "tests/node/cli.h"

namespace syncline::testing {
namespace {

TEST_CASE("cli files: put and cat and ls and stat agree", "[node][cli]") {
  const Home home;
  home.Must({"project", "create", "notes"});
  home.Must({"put", "notes", "a.txt"}, "hello\n");
  CHECK(home.Must({"cat", "notes", "a.txt"}) == "hello\n");
  WriteFile(home.temp() / "tool", "#!/bin/sh\n");
  std::filesystem::permissions(home.temp() / "tool",
                               std::filesystem::perms::owner_exec,
                               std::filesystem::perm_options::add);
  home.Must({"put", "notes", "bin/tool", home.temp() / "tool", "-p"});
  const auto stat = home.Json({"stat", "notes", "a.txt"}).as_object();
  for (const char* key : {"path", "kind", "size", "hash", "version", "item",
                          "mtime", "exec", "conflict"}) {
    INFO(key);
    CHECK(stat.contains(key));
  }
  CHECK(stat.at("size") == 6);
  CHECK(stat.at("hash") ==
        "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
  CHECK(stat.at("exec") == false);
  CHECK(home.Json({"stat", "notes", "bin/tool"}).at("exec") == true);
  const auto list = home.Json({"ls", "notes"}).as_array();
  REQUIRE(list.size() == 2);
  CHECK(list[0].at("path") == "a.txt");
  CHECK(list[1].at("kind") == "dir");
  CHECK(home.Must({"tree", "notes"}).find("tool") != std::string::npos);
  home.Refused({"tree", "notes", "nope"}, 3);
}

TEST_CASE("cli files: mv and rm and mkdir change the tree", "[node][cli]") {
  const Home home;
  home.Must({"project", "create", "notes"});
  home.Must({"put", "notes", "a"}, "1");
  home.Must({"mkdir", "notes", "d"});
  home.Must({"mkdir", "notes", "-p", "x/y/z"});
  home.Must({"mkdir", "notes", "-p", "x/y"});
  home.Refused({"mkdir", "notes", "d"}, 5);
  home.Refused({"mkdir", "notes", "no/such"}, 3);
  home.Must({"mv", "notes", "a", "d"});
  CHECK(home.Must({"cat", "notes", "d/a"}) == "1");
  home.Must({"mv", "notes", "d/a", "b"});
  home.Refused({"mv", "notes", "x", "x/y/z"}, 2);
  home.Refused({"rm", "notes", "x"}, 5);
  home.Must({"rm", "notes", "-r", "x"});
  home.Must({"rm", "notes", "b"});
  home.Refused({"rm", "notes", "b"}, 3);
  const auto list = home.Json({"ls", "notes"}).as_array();
  REQUIRE(list.size() == 1);
  CHECK(list[0].at("path") == "d");
}

TEST_CASE("cli files: if-match refuses another version", "[node][cli]") {
  const Home home;
  home.Must({"project", "create", "notes"});
  home.Must({"put", "notes", "a"}, "1");
  const std::string version(
      home.Json({"stat", "notes", "a"}).at("version").as_string());
  home.Must({"put", "notes", "a", "--if-match", version}, "2");
  home.Refused({"put", "notes", "a", "--if-match", version}, 5, "3");
  home.Refused({"put", "notes", "a", "--if-match", "none"}, 5, "3");
  home.Refused({"put", "notes", "a", "--if-match", "nonsense"}, 2, "3");
  home.Refused({"rm", "notes", "a", "--if-match", version}, 5);
  CHECK(home.Must({"cat", "notes", "a"}) == "2");
}

TEST_CASE("cli files: a tree goes in whole", "[node][cli]") {
  const Home home;
  home.Must({"project", "create", "notes"});
  const auto source = home.temp() / "source";
  std::filesystem::create_directories(source / "deep" / "er");
  WriteFile(source / "one", std::string(300000, 'a'));
  WriteFile(source / "deep" / "er" / "odd \xff", "2");
  std::filesystem::create_symlink("one", source / "link");
  home.Must({"put", "notes", "-r", "copy", source});
  CHECK(home.Must({"cat", "notes", "copy/one"}) == std::string(300000, 'a'));
  CHECK(home.Must({"cat", "notes", "copy/deep/er/odd \xff"}) == "2");
  const auto link = home.Json({"stat", "notes", "copy/link"}).as_object();
  CHECK(link.at("kind") == "symlink");
  CHECK(link.at("target") == "one");
  // Bytes that are no text do not break the JSON.
  const auto odd = home.Json({"ls", "notes", "copy/deep/er"}).as_array();
  CHECK(odd.at(0).as_object().contains("path_hex"));
}

TEST_CASE("cli files: paths that leave the root are refused", "[node][cli]") {
  const Home home;
  home.Must({"project", "create", "notes"});
  for (const char* path : {"../x", "/etc/x", "a/../../x", "a//b", ".", ".."}) {
    home.Refused({"put", "notes", path}, 2, "text");
    home.Refused({"rm", "notes", path}, 2);
  }
  CHECK(home.Json({"project", "show", "notes"}).at("log").at("head") == 0);
}

TEST_CASE("cli files: what is not there is exit 3", "[node][cli]") {
  const Home home;
  home.Must({"init"});
  home.Refused({"ls", "notes"}, 3);
  home.Must({"project", "create", "notes"});
  home.Refused({"cat", "notes", "a"}, 3);
  home.Refused({"stat", "notes", "a"}, 3);
  home.Refused({"ls", "notes", "a"}, 3);
  home.Refused({"put", "notes", "no/dir/a"}, 3, "x");
  home.Refused({"conflicts", "show", "notes", "a"}, 3);
  home.Refused({"conflicts", "resolve", "notes", "a", "--take", "local"}, 3);
  home.Refused({"device", "rm", "ABCD"}, 3);
  home.Refused({"mirror", "add", "notes", home.temp() / "none"}, 3);
}

TEST_CASE("cli: putting a folder ends when the node does",
          "[node][cli][fault]") {
  const Home home;
  home.Must({"project", "create", "notes"});
  ServingNode node(home.path(), "127.0.0.1:0");
  REQUIRE(node.ready());
  std::filesystem::create_directory(home.temp() / "many");
  for (int i = 0; i < 5000; ++i) {
    WriteFile(home.temp() / "many" / std::to_string(i), "x");
  }
  CommandResult result;
  std::thread putting([&] {
    result = home.Run({"put", "-r", "notes", "many", home.temp() / "many"});
  });
  CHECK(Eventually([&] { return !home.Must({"log", "notes"}).empty(); }));
  node.Kill();
  putting.join();
  INFO(result.err.substr(0, 1000));
  CHECK(result.exit_code == 7);
  CHECK(result.err.find('\n') + 1 == result.err.size());  // Told once.
}

}  // namespace
}  // namespace syncline::testing
