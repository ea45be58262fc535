// What the program refuses: one line of error, the exit code of the contract,
// and nothing changed.

#include <netinet/in.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include "base/random.h"
#include "tests/e2e/pair.h"

namespace syncline::testing {
namespace {

namespace fs = std::filesystem;

std::string Line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

TEST_CASE("refusal: a second serve on one home", "[e2e]") {
  Pair pair;
  CheckRefused(RunSyncline(pair.home_a(), {"serve", "--listen", "127.0.0.1:0"}),
               6);
  Pair::Must(pair.home_a(), {"status"});
}

TEST_CASE("refusal: only loopback may be listened on or dialled", "[e2e]") {
  TemporaryDirectory temp;
  Pair::Must(temp / "home", {"init"});
  CheckRefused(RunSyncline(temp / "home", {"serve", "--listen", "0.0.0.0:0"}),
               5);
}

TEST_CASE("refusal: a folder inside another mirrored folder", "[e2e]") {
  Pair pair;
  pair.Share();
  fs::create_directory(pair.dir_a() / "inner");
  CheckRefused(RunSyncline(pair.home_a(), {"add", pair.dir_a() / "inner"}), 5);
  CheckRefused(
      RunSyncline(pair.home_a(), {"add", pair.temp(), "--project", "outer"}),
      5);
  const auto projects = boost::json::parse(
      Pair::Must(pair.home_a(), {"project", "ls", "--json"}));
  CHECK(projects.as_array().size() == 1);
}

TEST_CASE("refusal: a used or expired invitation", "[e2e]") {
  Pair pair;
  Pair::Must(pair.home_a(), {"add", pair.dir_a(), "--project", "tree"});
  const std::vector<std::string> invite = {"device", "invite", "tree",
                                           "--address", pair.a().address()};
  const std::string code = Line(Pair::Must(pair.home_a(), invite));
  Pair::Must(pair.home_b(), {"device", "join", code, "--dir", pair.dir_b()});

  TemporaryDirectory third;
  fs::create_directory(third / "dir");
  const fs::path home = third / "home";
  Pair::Must(home, {"init"});
  CheckRefused(
      RunSyncline(home, {"device", "join", code, "--dir", third / "dir"}), 5);

  std::vector<std::string> expired = invite;
  expired.insert(expired.end(), {"--expires", "0s"});
  const std::string late = Line(Pair::Must(pair.home_a(), expired));
  CheckRefused(
      RunSyncline(home, {"device", "join", late, "--dir", third / "dir"}), 5);
  CHECK(boost::json::parse(Pair::Must(home, {"project", "ls", "--json"}))
            .as_array()
            .empty());
  CheckRefused(RunSyncline(home, {"device", "join", "garbage"}), 2);
}

int Connect(const std::string& address) {
  const int port = std::stoi(address.substr(address.rfind(':') + 1));
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
  return fd;
}

TEST_CASE("refusal: garbage on the peer port hurts nobody", "[e2e][fault]") {
  Pair pair;
  pair.Share();
  SeededRandom random(11);
  for (int i = 0; i < 40; ++i) {
    const int fd = Connect(pair.a().address());
    const std::string bytes = random.Bytes(random.Below(20000) + 1);
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    CHECK(sent != 0);
    close(fd);
  }
  WriteFile(pair.dir_a() / "after", "still here");
  REQUIRE(pair.Settle());
  CHECK(ReadFile(pair.dir_b() / "after") == "still here");
}

TEST_CASE("refusal: a path that leaves the root", "[e2e]") {
  Pair pair;
  pair.Share();
  REQUIRE(pair.Settle());
  const std::uint64_t head = Pair::Head(pair.home_a());
  for (const char* path : {"../x", "/etc/x", "a/../../x", "a//b", ".", ".."}) {
    CheckRefused(RunSyncline(pair.home_a(), {"put", "tree", path}, "text"), 2);
  }
  CHECK(Pair::Head(pair.home_a()) == head);
}

TEST_CASE("refusal: an unreadable file is reported and not taken for deleted",
          "[e2e][fault]") {
  // Root reads everything, so the node runs as nobody.
  if (geteuid() != 0) return;
  TemporaryDirectory temp;
  REQUIRE(chmod(temp.path().c_str(), 0777) == 0);
  const fs::path dir = temp / "dir";
  fs::create_directory(dir);
  WriteFile(dir / "secret", "readable for now");
  REQUIRE(RunCommand({"chown", "-R", "nobody", dir}).exit_code == 0);
  const auto as_nobody = [&](std::vector<std::string> args) {
    std::vector<std::string> command = {
        "setpriv",       "--reuid=65534", "--regid=65534", "--clear-groups",
        SYNCLINE_BINARY, "--home",        temp / "home"};
    command.insert(command.end(), args.begin(), args.end());
    return RunCommand(command);
  };
  REQUIRE(as_nobody({"add", dir, "--project", "tree"}).exit_code == 0);
  // A file so young is left to settle: look until it was read.
  REQUIRE(Eventually([&] {
    as_nobody({"mirror", "scan", "tree"});
    return as_nobody({"cat", "tree", "secret"}).out == "readable for now";
  }));
  REQUIRE(RunCommand({"chown", "root", dir / "secret"}).exit_code == 0);
  REQUIRE(chmod((dir / "secret").c_str(), 0600) == 0);
  WriteFile(dir / "secret", "changed and unreadable");
  as_nobody({"mirror", "scan", "tree"});
  CHECK(as_nobody({"cat", "tree", "secret"}).out == "readable for now");
  const CommandResult scan = as_nobody({"mirror", "scan", "tree", "--json"});
  CHECK(scan.out.find("secret") != std::string::npos);
}

TEST_CASE("refusal: a full disk while receiving loses nothing",
          "[e2e][fault]") {
  if (geteuid() != 0) return;  // Needs a file system of its own.
  TemporaryDirectory temp;
  const fs::path small = temp / "small";
  fs::create_directory(small);
  REQUIRE(mount("tmpfs", small.c_str(), "tmpfs", 0, "size=24m") == 0);
  {
    Pair pair;
    SeededRandom random(5);
    for (int i = 0; i < 400; ++i) {
      WriteFile(pair.dir_a() / std::to_string(i), random.Bytes(100000));
    }
    fs::create_directory(small / "dir");
    Pair::Must(small / "home", {"init", "--name", "small"});
    auto full = std::make_unique<ServingNode>(small / "home", "127.0.0.1:0");
    REQUIRE(full->ready());
    Pair::Must(pair.home_a(), {"add", pair.dir_a(), "--project", "tree"});
    const std::string code =
        Line(Pair::Must(pair.home_a(), {"device", "invite", "tree", "--address",
                                        pair.a().address()}));
    Pair::Must(small / "home",
               {"device", "join", code, "--dir", small / "dir"});
    // It says so, and it does not spread.
    CHECK(Eventually([&] {
      const CommandResult status =
          RunSyncline(small / "home", {"status", "--json"});
      return status.out.find("space") != std::string::npos;
    }));
    CHECK(RunSyncline(small / "home", {"wait", "--timeout", "1"}).exit_code ==
          4);
    CHECK(DescribeTree(pair.dir_a()).size() == 400);
    // Room again: it goes on, after a restart at the latest.
    REQUIRE(mount("tmpfs", small.c_str(), "tmpfs", MS_REMOUNT, "size=400m") ==
            0);
    full->Stop();
    full = std::make_unique<ServingNode>(small / "home", "127.0.0.1:0");
    REQUIRE(full->ready());
    const CommandResult wait =
        RunSyncline(small / "home", {"wait", "--timeout", "120"});
    INFO(wait.err);
    CHECK(wait.exit_code == 0);
    CHECK(CompareTrees(pair.dir_a(), small / "dir") == "");
    full->Stop();
  }
  CHECK(umount2(small.c_str(), MNT_DETACH) == 0);
}

}  // namespace
}  // namespace syncline::testing
