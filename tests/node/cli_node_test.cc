#include <signal.h>
#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <thread>

#include "tests/node/cli.h"

namespace syncline::testing {
namespace {

TEST_CASE("cli: init makes a private home and may be repeated", "[node][cli]") {
  const Home home;
  const auto first = home.Json({"init", "--name", "laptop"}).as_object();
  CHECK(first.at("name") == "laptop");
  CHECK(home.Json({"init"}) == boost::json::value(first));
  CHECK(home.Json({"init", "--name", "desk"}).at("name") == "desk");
  struct stat info {};
  REQUIRE(stat(home.path().c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 0700);
}

TEST_CASE("cli: status has the keys of the contract", "[node][cli]") {
  const Home home;
  std::filesystem::create_directory(home.temp() / "dir");
  home.Must({"add", home.temp() / "dir", "--project", "notes"});
  home.Must({"put", "notes", "a"}, "four");
  const auto check = [&] {
    const auto status = home.Json({"status"}).as_object();
    for (const char* key :
         {"device", "version", "uptime_s", "projects", "peers"}) {
      INFO(key);
      CHECK(status.contains(key));
    }
    const auto& project = status.at("projects").at(0).as_object();
    for (const char* key :
         {"name", "id", "mirrors", "log", "frontier", "digest", "items",
          "bytes", "conflicts", "missing_chunks"}) {
      INFO(key);
      CHECK(project.contains(key));
    }
    CHECK(project.at("bytes") == 4);
    CHECK(project.at("items") == 1);
    CHECK(project.at("frontier").as_object().size() == 1);
    const auto& mirror = project.at("mirrors").at(0).as_object();
    for (const char* key :
         {"dir", "state", "scanned_files", "pending", "error"}) {
      INFO(key);
      CHECK(mirror.contains(key));
    }
    const auto& log = project.at("log").as_object();
    for (const char* key : {"id", "head", "durable", "horizon"}) {
      INFO(key);
      CHECK(log.contains(key));
    }
  };
  check();
  ServingNode node(home.path(), "127.0.0.1:0");
  REQUIRE(node.ready());
  check();
  CHECK(node.Stop() == 0);
}

TEST_CASE("cli: usage errors are one line and exit 2", "[node][cli]") {
  const Home home;
  home.Refused({"nonsense"}, 2);
  home.Refused({"status", "--nonsense"}, 2);
  home.Refused({"put", "notes"}, 2);
  home.Refused({"project", "create", "a/b"}, 2);
  home.Refused({"strategy", "notes", "nonsense"}, 2);
  home.Refused({"serve", "--listen", "nonsense"}, 2);
  home.Refused({"serve", "--http", "127.0.0.1:0"}, 2);
  for (const char* seconds : {"-1", "nan", "inf", "1e300", "soon", ""}) {
    home.Refused({"wait", "--timeout", seconds}, 2);
  }
  home.Refused({"device", "join", "garbage"}, 2);
  home.Must({"project", "create", "notes"});
  home.Refused({"device", "invite", "notes", "--expires", "soon"}, 2);
  home.Refused({"device", "invite", "notes", "--address", "nowhere"}, 2);
  home.Refused({"device", "invite", "notes", "--address", "10.0.0.1:5"}, 5);
  home.Refused({"conflicts", "resolve", "notes"}, 2);
  for (const char* number : {"-1", "18446744073709551616", "1.5", "x", ""}) {
    INFO(number);
    for (const char* flag : {"--since", "--until", "--limit"}) {
      home.Refused({"log", "notes", flag, number}, 2);
    }
    home.Refused({"log", "truncate", "notes", "--keep", number}, 2);
    home.Refused({"log", "truncate", "notes", "--through", number}, 2);
    home.Refused({"log", "retention", "notes", "--keep", number}, 2);
    home.Refused({"log", "cursor", "set", "notes", "c", "--", number}, 2);
  }
  home.Refused({"log", "retention", "notes", "--keep", "0"}, 2);
}

TEST_CASE("cli: a home that can be none is exit 2", "[node][cli]") {
  const TemporaryDirectory temp;
  WriteFile(temp / "file", "x");
  std::filesystem::create_symlink("nowhere", temp / "dangling");
  for (const std::filesystem::path& home :
       {temp / "file", temp / "file" / "below" / "it", temp / "dangling",
        temp / std::string(300, 'n'), std::filesystem::path("/proc/none"),
        std::filesystem::path()}) {
    for (const char* command : {"init", "status", "serve"}) {
      const CommandResult result = RunSyncline(home, {command});
      INFO(home << ": " << result.err);
      CHECK(result.exit_code == 2);
      CHECK(result.err.starts_with("syncline: "));
      CHECK(result.err.find('\n') + 1 == result.err.size());
    }
  }
  CHECK(ReadFile(temp / "file") == "x");
  // Those above it are made.
  CHECK(RunSyncline(temp / "a" / "b" / "home", {"status"}).exit_code == 0);
  // A home with something else inside is no other home.
  std::filesystem::create_directory(temp / "strange");
  WriteFile(temp / "strange" / "store", "x");
  CHECK(RunSyncline(temp / "strange", {"status"}).exit_code == 6);
}

TEST_CASE("cli: every command has help with examples", "[node][cli]") {
  const Home home;
  const std::vector<std::vector<std::string>> commands = {
      {},
      {"init"},
      {"serve"},
      {"status"},
      {"wait"},
      {"verify"},
      {"version"},
      {"project"},
      {"add"},
      {"strategy"},
      {"mirror"},
      {"device"},
      {"ls"},
      {"stat"},
      {"cat"},
      {"put"},
      {"rm"},
      {"mv"},
      {"mkdir"},
      {"tree"},
      {"log"},
      {"conflicts"},
      {"device", "join"},
      {"mirror", "add"},
      {"project", "create"},
      {"conflicts", "resolve"}};
  for (std::vector<std::string> command : commands) {
    command.emplace_back("--help");
    const CommandResult result = home.Run(command);
    INFO(command[0] << result.err);
    CHECK(result.exit_code == 0);
    CHECK(result.out.find("Examples:") != std::string::npos);
  }
  CHECK_FALSE(std::filesystem::exists(home.path()));
}

TEST_CASE("cli: projects are made and listed and forgotten", "[node][cli]") {
  const Home home;
  CHECK(home.Json({"project", "ls"}).as_array().empty());
  home.Must({"project", "create", "notes"});
  home.Refused({"project", "create", "notes"}, 5);
  CHECK(home.Json({"project", "ls"}).at(0).at("name") == "notes");
  CHECK(home.Must({"strategy", "notes"}) == "merge\n");
  home.Must({"strategy", "notes", "manual"});
  CHECK(home.Must({"strategy", "notes"}) == "manual\n");
  home.Must({"project", "rm", "notes"});
  home.Refused({"project", "show", "notes"}, 3);
}

TEST_CASE("cli: names of commands are names for projects too", "[node][cli]") {
  const Home home;
  for (const char* name : {"log", "tree", "status", "ls"}) {
    home.Must({"project", "create", name});
    home.Must({"put", name, "tree"}, name);
    CHECK(home.Must({"cat", name, "tree"}) == name);
    home.Must({"wait", "--timeout", "60", name});
    home.Must({"verify", name});
    home.Must({"conflicts", "ls", name});
  }
  CHECK(home.Json({"project", "ls"}).as_array().size() == 4);
}

TEST_CASE("cli: a second serve on one home is exit 6", "[node][cli]") {
  const Home home;
  ServingNode node(home.path(), "127.0.0.1:0");
  REQUIRE(node.ready());
  home.Refused({"serve", "--listen", "127.0.0.1:0"}, 6);
  home.Must({"status"});
  CHECK(node.Stop() == 0);
  // The socket that a killed one leaves is no obstacle.
  ServingNode next(home.path(), "127.0.0.1:0");
  REQUIRE(next.ready());
  next.Kill();
  home.Must({"status"});
  ServingNode again(home.path(), "127.0.0.1:0");
  REQUIRE(again.ready());
  struct stat info {};
  REQUIRE(stat((home.path() / "control.sock").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
}

TEST_CASE("cli: a node that shows no sign of life is exit 7",
          "[node][cli][fault]") {
  const Home home;
  home.Must({"project", "create", "notes"});
  ServingNode node(home.path(), "127.0.0.1:0");
  REQUIRE(node.ready());
  CommandResult followed;
  const std::string path = home.temp() / "lines";
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  std::thread following([&] {
    followed = RunCommand({"sh", "-c",
                           "\"$1\" --home \"$2\" --patience 1 --json "
                           "log notes --follow >\"$3\"",
                           "sh", SYNCLINE_BINARY, home.path(), path});
  });
  std::ifstream lines(path);
  std::string line;
  home.Must({"put", "notes", "a"}, "1");
  CHECK(std::getline(lines, line));
  REQUIRE(kill(node.pid(), SIGSTOP) == 0);
  following.join();
  CHECK(followed.exit_code == 7);
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"status"},
        {"put", "notes", "c"},
        {"event", "append", "notes", "c", "1"},
        {"wait", "--timeout", "60"}}) {
    std::vector<std::string> args = {"--patience", "0.2"};
    args.insert(args.end(), command.begin(), command.end());
    home.Refused(args, 7, "3");
  }
  const CommandResult refused = home.Run({"--patience", "0.2", "status"});
  CHECK(refused.err.find("for 0.2 s") != std::string::npos);
  CHECK(refused.err.find(std::to_string(node.pid())) != std::string::npos);
  REQUIRE(kill(node.pid(), SIGCONT) == 0);
  home.Must({"status"});
  CHECK(node.Stop() == 0);
}

TEST_CASE("cli: only loopback and free ports are listened on", "[node][cli]") {
  const Home home;
  home.Refused({"serve", "--listen", "0.0.0.0:0"}, 5);
  ServingNode node(home.path(), "127.0.0.1:0");
  REQUIRE(node.ready());
  const Home other;
  other.Refused({"serve", "--listen", node.address()}, 7);
}

TEST_CASE("cli: a folder is mirrored once and by its own name", "[node][cli]") {
  const Home home;
  std::filesystem::create_directories(home.temp() / "notes" / "inner");
  WriteFile(home.temp() / "notes" / "a", "1");
  home.Must({"add", home.temp() / "notes"});
  home.Refused({"add", home.temp() / "notes" / "inner"}, 5);
  home.Refused({"add", home.temp().path(), "--project", "outer"}, 5);
  CHECK(home.Json({"project", "ls"}).as_array().size() == 1);
  home.Must({"mirror", "scan", "notes"});
  // A scan leaves files alone that are too young; waiting waits for them.
  home.Must({"wait", "--timeout", "60"});
  CHECK(home.Must({"cat", "notes", "a"}) == "1");
  home.Must({"mirror", "pause", "notes"});
  CHECK(home.Json({"mirror", "ls", "notes"}).at(0).at("state") == "paused");
  home.Must({"mirror", "resume", "notes"});
  home.Must({"mirror", "rm", "notes"});
  CHECK(home.Json({"mirror", "ls", "notes"}).as_array().empty());
  CHECK(ReadFile(home.temp() / "notes" / "a") == "1");
  home.Must({"mirror", "add", "notes", home.temp() / "new", "--create"});
}

TEST_CASE("cli: waiting tells of a path that could not be read",
          "[node][cli][fault]") {
  const Home home;
  const std::filesystem::path notes = home.temp() / "notes";
  std::filesystem::create_directories(notes / "d");
  // Rules that are too long to be read: what is in there is left alone.
  WriteFile(notes / "d" / ".gitignore", std::string(2 << 20, '#'));
  home.Must({"add", notes});
  const CommandResult wait = home.Run({"wait", "--timeout", "60"});
  INFO(wait.err);
  CHECK(wait.exit_code == 1);
  CHECK(wait.err.find("1 paths") != std::string::npos);
  const CommandResult json = home.Run({"wait", "--timeout", "60", "--json"});
  CHECK(json.exit_code == 1);
  CHECK(boost::json::parse(json.out).at("failed") == 1);
  std::filesystem::remove(notes / "d" / ".gitignore");
  home.Must({"wait", "--timeout", "60"});
}

TEST_CASE("cli: a file that is written all the time is not in sync",
          "[node][cli]") {
  const Home home;
  const std::filesystem::path notes = home.temp() / "notes";
  std::filesystem::create_directories(notes);
  home.Must({"add", notes});
  ServingNode node(home.path(), "127.0.0.1:0");
  REQUIRE(node.ready());
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      WriteFile(notes / "busy", std::to_string(i));
      std::this_thread::sleep_for(std::chrono::milliseconds(10));  // Its pace.
    }
  });
  // That takes longer than its patience: the node shows that it lives.
  const CommandResult busy =
      home.Run({"--patience", "1", "wait", "--timeout", "6"});
  stop = true;
  writer.join();
  INFO(busy.err);
  CHECK(busy.exit_code == 4);
  CHECK(busy.err.find("busy") != std::string::npos);
  home.Must({"wait", "--timeout", "60"});
  CHECK(home.Must({"cat", "notes", "busy"}) == ReadFile(notes / "busy"));
}

TEST_CASE("cli: waiting ends where only a person can help",
          "[node][cli][fault]") {
  const Home home;
  const std::filesystem::path notes = home.temp() / "notes";
  std::filesystem::create_directories(notes);
  home.Must({"add", notes});
  ServingNode node(home.path(), "127.0.0.1:0");
  REQUIRE(node.ready());
  home.Must({"wait", "--timeout", "60"});
  std::filesystem::rename(notes, home.temp() / "gone");
  CommandResult result = home.Run({"wait"});
  INFO(result.err);
  CHECK(result.exit_code == 5);
  CHECK(result.err.find(notes) != std::string::npos);
  // With a limit it may come back until then.
  CHECK(home.Run({"wait", "--timeout", "1"}).exit_code == 4);
  std::filesystem::rename(home.temp() / "gone", notes);
  home.Must({"wait"});
  // Nobody is surprised by a folder that was paused.
  home.Must({"mirror", "pause", "notes"});
  CHECK(home.Json({"wait"}).at("paused") == 1);
  result = home.Run({"wait"});
  CHECK(result.exit_code == 0);
  CHECK(result.err.find("paused") != std::string::npos);
}

TEST_CASE("cli: a scan says which folder is gone", "[node][cli]") {
  const Home home;
  std::filesystem::create_directory(home.temp() / "notes");
  home.Must({"add", home.temp() / "notes"});
  std::filesystem::rename(home.temp() / "notes", home.temp() / "elsewhere");
  const CommandResult scan = home.Run({"mirror", "scan", "notes"});
  CHECK(scan.exit_code == 1);
  CHECK(scan.err.find((home.temp() / "notes").string()) != std::string::npos);
}

TEST_CASE("cli: verify finds a damaged chunk", "[node][cli][fault]") {
  const Home home;
  home.Must({"project", "create", "notes"});
  std::string bytes;
  for (int i = 0; bytes.size() < 200000; ++i) bytes += std::to_string(i);
  home.Must({"put", "notes", "a"}, bytes);
  const auto good = home.Json({"verify"}).as_object();
  CHECK(good.at("records") == 1);
  CHECK(good.at("files") == 1);
  CHECK(good.at("findings").as_array().empty());
  int damaged = 0;
  for (const auto& file :
       std::filesystem::recursive_directory_iterator(home.path() / "chunks")) {
    if (!file.is_regular_file()) continue;
    std::string chunk = ReadFile(file.path());
    chunk[chunk.size() / 2] = static_cast<char>(chunk[chunk.size() / 2] ^ 1);
    std::filesystem::permissions(file.path(),
                                 std::filesystem::perms::owner_write,
                                 std::filesystem::perm_options::add);
    WriteFile(file.path(), chunk);
    ++damaged;
  }
  REQUIRE(damaged > 0);
  const CommandResult bad = home.Run({"verify", "--json"});
  CHECK(bad.exit_code == 1);
  const auto findings = boost::json::parse(bad.out).at("findings").as_array();
  REQUIRE(findings.size() == 1);
  CHECK(findings[0].at("where") == "a");
}

TEST_CASE("cli: a damaged store is exit 6", "[node][cli][fault]") {
  const Home home;
  home.Must({"project", "create", "notes"});
  WriteFile(home.path() / "store" / "CURRENT", "nonsense");
  home.Refused({"status"}, 6);
  home.Refused({"verify"}, 6);
}

}  // namespace
}  // namespace syncline::testing
