#include "tests/node/cli.h"

namespace syncline::testing {
namespace {

// A project of files f1, f2, ...: one record each.
void PutFiles(const Home& home, int first, int last) {
  for (int i = first; i <= last; ++i) {
    home.Must({"put", "notes", "f" + std::to_string(i)}, "x");
  }
}

std::vector<std::int64_t> Seqs(const Home& home,
                               std::vector<std::string> args = {}) {
  args.insert(args.begin(), {"log", "notes", "--json"});
  std::vector<std::int64_t> result;
  for (const auto& record : JsonLines(home.Must(args))) {
    result.push_back(record.at("seq").as_int64());
  }
  return result;
}
using SeqList = std::vector<std::int64_t>;

boost::json::object Answer(const Home& home, std::vector<std::string> args,
                           int exit_code) {
  args.emplace_back("--json");
  const CommandResult result = home.Run(args);
  INFO(result.out << result.err);
  CHECK(result.exit_code == exit_code);
  return boost::json::parse(result.out).as_object();
}

TEST_CASE("cli retention: a truncation drops what it says and tells",
          "[node][cli]") {
  const Home home;
  home.Must({"project", "create", "notes"});
  PutFiles(home, 1, 8);
  const auto through =
      Answer(home, {"log", "truncate", "notes", "--through", "2"}, 0);
  CHECK(through.at("removed") == 2);
  CHECK(through.at("horizon") == 2);
  CHECK(through.at("head") == 8);
  CHECK(Answer(home, {"log", "truncate", "notes", "--keep", "5"}, 0)
            .at("removed") == 1);
  CHECK(Seqs(home) == SeqList{4, 5, 6, 7, 8});
  // Once more, or less: nothing to do.
  for (const char* keep : {"5", "500"}) {
    CHECK(Answer(home, {"log", "truncate", "notes", "--keep", keep}, 0)
              .at("removed") == 0);
  }
  CHECK(Answer(home, {"log", "truncate", "notes", "--older-than", "1h"}, 0)
            .at("removed") == 0);
  CHECK(Answer(home, {"log", "truncate", "notes", "--older-than", "0s"}, 0)
            .at("removed") == 5);
  CHECK(Seqs(home).empty());
  // Files stay, numbers go on.
  CHECK(home.Json({"ls", "notes"}).as_array().size() == 8);
  PutFiles(home, 9, 10);
  CHECK(Seqs(home) == SeqList{9, 10});
  CHECK(Answer(home, {"log", "truncate", "notes", "--keep", "0"}, 0)
            .at("horizon") == 10);
  const auto log = home.Json({"status"}).at("projects").at(0).at("log");
  CHECK(log.at("horizon") == 10);
  CHECK(log.at("head") == 10);
}

TEST_CASE("cli retention: a position that is gone or never was is told",
          "[node][cli]") {
  const Home home;
  home.Must({"project", "create", "notes"});
  PutFiles(home, 1, 5);
  home.Must({"log", "truncate", "notes", "--through", "3"});
  const auto behind = Answer(home, {"log", "notes", "--since", "2"}, 5);
  CHECK(behind.at("error") == "behind_horizon");
  CHECK(behind.at("horizon") == 3);
  CHECK(behind.at("head") == 5);
  CHECK(Seqs(home, {"--since", "3"}) == SeqList{4, 5});
  CHECK(Answer(home, {"log", "truncate", "notes", "--through", "6"}, 5)
            .at("error") == "cursor_invalid");
  home.Refused({"log", "truncate", "notes", "--through", "6"}, 5);
  home.Refused({"log", "truncate", "nowhere", "--keep", "1"}, 3);
  home.Refused({"log", "truncate", "notes"}, 2);
  home.Refused({"log", "truncate", "notes", "--keep", "1", "--through", "1"},
               2);
  home.Refused({"log", "truncate", "notes", "--older-than", "soon"}, 2);
  home.Refused({"log"}, 2);
  CHECK(Seqs(home) == SeqList{4, 5});
}

TEST_CASE("cli retention: a cursor is kept and resumed from", "[node][cli]") {
  const Home home;
  home.Must({"project", "create", "notes"});
  PutFiles(home, 1, 6);
  home.Must({"log", "cursor", "set", "notes", "indexer", "4"});
  CHECK(Seqs(home, {"--cursor", "indexer"}) == SeqList{5, 6});
  CHECK(Seqs(home, {"--cursor", "indexer", "--limit", "1"}) == SeqList{5});
  // Reading does not move it; without a position it goes to the head.
  CHECK(Seqs(home, {"--cursor", "indexer"}) == SeqList{5, 6});
  CHECK(
      Answer(home, {"log", "cursor", "set", "notes", "mailer"}, 0).at("seq") ==
      6);
  const auto cursors = home.Json({"log", "cursor", "ls", "notes"}).as_array();
  REQUIRE(cursors.size() == 2);
  CHECK(cursors[0].at("name") == "indexer");
  CHECK(cursors[0].at("seq") == 4);
  CHECK(cursors[0].at("state") == "valid");
  const auto log = home.Json({"status"}).at("projects").at(0).at("log");
  CHECK(cursors[0].at("log") == log.at("id"));

  home.Refused({"log", "cursor", "set", "notes", "indexer", "3"}, 5);
  home.Must({"log", "cursor", "set", "notes", "indexer", "3", "--back"});
  CHECK(Answer(home, {"log", "cursor", "set", "notes", "indexer", "7"}, 5)
            .at("error") == "cursor_invalid");
  CHECK(Answer(home,
               {"log", "cursor", "set", "notes", "indexer", "4", "--log-id",
                std::string(32, '0')},
               5)
            .at("error") == "cursor_invalid");
  home.Refused({"log", "cursor", "set", "notes", "no spaces", "1"}, 2);
  home.Refused({"log", "notes", "--cursor", "nobody"}, 3);
  home.Refused({"log", "notes", "--cursor", "indexer", "--since", "1"}, 2);
  home.Must({"log", "cursor", "rm", "notes", "mailer"});
  home.Refused({"log", "cursor", "rm", "notes", "mailer"}, 3);
  CHECK(home.Json({"log", "cursor", "ls", "notes"}).as_array().size() == 1);
}

TEST_CASE("cli retention: a cursor holds the log until it is forced",
          "[node][cli]") {
  const Home home;
  home.Must({"project", "create", "notes"});
  PutFiles(home, 1, 6);
  home.Must({"log", "cursor", "set", "notes", "slow", "2"});
  home.Must({"log", "truncate", "notes", "--through", "2"});
  home.Refused({"log", "truncate", "notes", "--through", "3"}, 5);
  const auto refusal =
      Answer(home, {"log", "truncate", "notes", "--keep", "1"}, 5);
  CHECK(refusal.at("error") == "not_passed");
  const auto& holder = refusal.at("holders").at(0).as_object();
  CHECK(holder.at("kind") == "cursor");
  CHECK(holder.at("name") == "slow");
  CHECK(holder.at("passed") == 2);
  CHECK(Seqs(home) == SeqList{3, 4, 5, 6});
  const auto forced =
      Answer(home, {"log", "truncate", "notes", "--keep", "1", "--force"}, 0);
  CHECK(forced.at("removed") == 3);
  CHECK(forced.at("left_behind").at(0).at("name") == "slow");
  // It is told, and does not hold anything any more.
  CHECK(Answer(home, {"log", "notes", "--cursor", "slow"}, 5).at("error") ==
        "behind_horizon");
  CHECK(home.Json({"log", "cursor", "ls", "notes"}).at(0).at("state") ==
        "behind_horizon");
  CHECK(Answer(home, {"log", "cursor", "set", "notes", "slow", "3"}, 5)
            .at("error") == "behind_horizon");
  home.Must({"log", "truncate", "notes", "--keep", "0"});
}

TEST_CASE("cli retention: a policy is kept and applied", "[node][cli]") {
  const Home home;
  home.Must({"project", "create", "notes"});
  PutFiles(home, 1, 6);
  CHECK(home.Must({"log", "retention", "notes"}) == "everything is kept\n");
  home.Must({"log", "cursor", "set", "notes", "slow", "3"});
  ServingNode node(home.path(), "127.0.0.1:0");
  REQUIRE(node.ready());
  const auto policy = home.Json(
      {"log", "retention", "notes", "--keep", "2", "--older-than", "30d"});
  CHECK(policy.at("keep").at("entries") == 2);
  CHECK(policy.at("keep").at("age_ms") == 2'592'000'000);
  CHECK(policy.at("keep").at("bytes").is_null());
  CHECK(policy.at("limit").at("age_ms") == 7'776'000'000);
  CHECK(home.Json({"log", "retention", "notes"}) == policy);
  CHECK(Eventually([&] { return Seqs(home) == SeqList{4, 5, 6}; }));
  // A limit overtakes the cursor.
  home.Must(
      {"log", "retention", "notes", "--keep", "1", "--limit-entries", "2"});
  CHECK(Eventually([&] { return Seqs(home).front() >= 5; }));
  CHECK(home.Json({"log", "cursor", "ls", "notes"}).at(0).at("state") ==
        "behind_horizon");
  home.Refused({"log", "retention", "notes", "--limit-age", "1d"}, 2);
  home.Refused({"log", "retention", "notes", "--none", "--keep", "1"}, 2);
  home.Refused({"log", "retention", "notes", "--keep", "0"}, 2);
  home.Refused({"log", "retention", "notes", "--older-than", "x"}, 2);
  const auto none = home.Json({"log", "retention", "notes", "--none"});
  CHECK(none.at("keep").at("entries").is_null());
  CHECK(none.at("limit").at("age_ms").is_null());
}

TEST_CASE("cli retention: a device that is away holds the log", "[node][cli]") {
  const Home a;
  const Home b;
  a.Must({"project", "create", "notes"});
  std::string address;
  {
    ServingNode serve_a(a.path(), "127.0.0.1:0");
    address = serve_a.address();
    ServingNode serve_b(b.path(), "127.0.0.1:0");
    REQUIRE(serve_a.ready());
    REQUIRE(serve_b.ready());
    std::string code = a.Must({"device", "invite", "notes"});
    code.pop_back();
    b.Must({"device", "join", code});
    PutFiles(a, 1, 3);
    REQUIRE(Eventually([&] { return Seqs(b).size() == 3; }));
    b.Must({"put", "notes", "from-b"}, "x");
    REQUIRE(Eventually([&] { return Seqs(a).size() == 4; }));
    // Those of one device.
    std::string id = b.Must({"device", "id"});
    id.pop_back();
    CHECK(Seqs(a, {"--device", id}) == SeqList{4});
    CHECK(Seqs(a, {"--device", id.substr(0, 6)}) == SeqList{4});
    CHECK(Seqs(a, {"--device", "0000"}).empty());
    // Connected, it has passed all of it.
    REQUIRE(Eventually([&] {
      return a.Run({"log", "truncate", "notes", "--through", "2"}).exit_code ==
             0;
    }));
    serve_b.Stop();
    serve_a.Stop();
  }
  // B is away and A goes on, also through a restart.
  PutFiles(a, 5, 8);
  const auto refusal =
      Answer(a, {"log", "truncate", "notes", "--keep", "1"}, 5);
  CHECK(refusal.at("error") == "not_passed");
  const auto& holder = refusal.at("holders").at(0).as_object();
  CHECK(holder.at("kind") == "device");
  CHECK(holder.at("name") == b.Json({"status"}).at("device").at("id"));
  CHECK(holder.at("passed") == 4);
  a.Must({"log", "truncate", "notes", "--through", "4"});
  CHECK(Answer(a, {"log", "truncate", "notes", "--keep", "1", "--force"}, 0)
            .at("left_behind")
            .as_array()
            .size() == 1);
  // When it is back it is given the state, which its log tells.
  ServingNode serve_a(a.path(), address);
  ServingNode serve_b(b.path(), "127.0.0.1:0");
  REQUIRE(serve_a.ready());
  REQUIRE(serve_b.ready());
  const auto digest = [](const Home& home) {
    return home.Json({"status"}).at("projects").at(0).at("digest");
  };
  CHECK(Eventually([&] { return digest(a) == digest(b); }));
  CHECK(b.Must({"log", "notes", "--json"}).find("\"cause\":\"state\"") !=
        std::string::npos);
  // A device that is removed holds nothing.
  std::string id = b.Must({"device", "id"});
  id.pop_back();
  a.Must({"device", "rm", id});
  a.Must({"log", "truncate", "notes", "--keep", "0"});
}

}  // namespace
}  // namespace syncline::testing
