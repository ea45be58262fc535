#include "tests/node/cli.h"

namespace syncline::testing {
namespace {

TEST_CASE("cli strategy: the default and patterns are set and taken away",
          "[node][cli]") {
  const Home home;
  home.Must({"project", "create", "notes"});
  CHECK(home.Must({"strategy", "notes"}) == "merge\n");
  CHECK(home.Must({"strategy", "notes", "keep-both"}) == "keep-both\n");
  CHECK(home.Must({"strategy", "notes", "manual", "--path", "*.odt"}) ==
        "manual\n");
  home.Must({"strategy", "notes", "skip", "--path", "drafts/**"});
  CHECK(home.Must({"strategy", "notes", "--path", "*.odt"}) == "manual\n");
  const auto all = home.Json({"strategy", "notes"}).as_object();
  CHECK(all.at("project") == "notes");
  CHECK(all.at("strategy") == "keep-both");
  CHECK(all.at("authority") == "");
  REQUIRE(all.at("paths").as_array().size() == 2);
  CHECK(all.at("paths").at(0) ==
        boost::json::value({{"path", "drafts/**"}, {"strategy", "skip"}}));
  CHECK(all.at("paths").at(1).at("path") == "*.odt");
  CHECK(home.Json({"project", "show", "notes"}).at("strategy") == "keep-both");

  home.Must({"strategy", "notes", "--path", "*.odt", "--unset"});
  home.Refused({"strategy", "notes", "--path", "*.odt"}, 3);
  home.Refused({"strategy", "notes", "--path", "*.odt", "--unset"}, 3);
  CHECK(home.Must({"strategy", "notes", "--unset"}).starts_with("merge\n"));
}

TEST_CASE("cli strategy: one device may be the only one to resolve",
          "[node][cli]") {
  const Home home;
  home.Must({"project", "create", "notes"});
  const std::string id(
      home.Json({"status"}).at("device").at("id").as_string().c_str());
  const auto set = home.Json({"strategy", "notes", "--authority", id});
  CHECK(set.at("authority").as_string() == id.c_str());
  CHECK(home.Must({"strategy", "notes"}) ==
        "merge\nresolved by " + id + " alone\n");
  home.Must({"strategy", "notes", "--authority", "none"});
  CHECK(home.Must({"strategy", "notes"}) == "merge\n");
}

TEST_CASE("cli strategy: what cannot be set is refused", "[node][cli]") {
  const Home home;
  home.Must({"project", "create", "notes"});
  home.Refused({"strategy", "nowhere"}, 3);
  home.Refused({"strategy", "nowhere", "manual"}, 3);
  home.Refused({"strategy", "notes", "coin-toss"}, 2);
  home.Refused({"strategy", "notes", "manual", "--unset"}, 2);
  home.Refused({"strategy", "notes", "manual", "--path", std::string(600, 'x')},
               2);
  home.Refused({"strategy", "notes", "manual", "--authority", "none"}, 2);
  home.Refused({"strategy", "notes", "--authority", "2222"}, 3);
  home.Refused({"strategy", "notes", "--unset"}, 3);
}

}  // namespace
}  // namespace syncline::testing
