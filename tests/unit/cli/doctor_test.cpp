#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli_fixture.hpp"

namespace gpuwarden::cli {
namespace {

using namespace std::chrono_literals;
using testing::Spoken;
using testing::Terminal;

TEST(Doctor, PassesWhereEverythingIsInPlace) {
  const Spoken said = Terminal().type({"doctor"});
  EXPECT_EQ(said.code, kDone);
  EXPECT_EQ(said.out,
            "ok       configuration  8 variables given, 68 by default\n"
            "ok       keys           secret key (sb_secret_...); publishable key (sb_publishable_...)\n"
            "ok       supabase       https://abcdefghijkl.supabase.co answers in 0s; clocks agree\n"
            "ok       migrations     schema version 1\n"
            "ok       queue          0 waiting, 0 running, 0 blocked (counted by SQL)\n"
            "ok       runpod         0 pods, 0 of them ours; 58 of 60 requests left this minute\n"
            "ok       gpu types      NVIDIA GeForce RTX 4090 ($0.44/h, high stock)\n"
            "ok       data centres   anywhere (RUNPOD_DATA_CENTERS is not set)\n"
            "ok       volumes        none wanted (RUNPOD_STORAGE_NAME is not set)\n"
            "ok       ssh key        own key, will be made at the first run: /state/ssh_ed25519\n"
            "\n"
            "Ready. Next: gpuwarden plan, then systemctl start gpuwarden (or gpuwarden run)\n");
}

control::PodCheckup good_checkup() {
  control::PodCheckup checkup;
  checkup.findings = {{"capacity", true, "RTX 4090 EU-RO-1 for $0.44/h", "", false},
                      {"gpu", true, "NVIDIA GeForce RTX 4090", "", false}};
  checkup.pod = "pod-1";
  checkup.cost_usd = 0.01;
  checkup.took = 42s;
  return checkup;
}

TEST(DoctorOnAPod, TellsEachFindingWhatIsWaitedForAndWhatItCost) {
  Terminal terminal;
  terminal.set("RUNPOD_SSH_PRIVATE_KEY_PATH", "");
  terminal.pod_checkup = good_checkup();
  const Spoken said = terminal.type({"doctor", "--pod"});
  EXPECT_EQ(said.code, kDone) << said.out;
  EXPECT_NE(
      said.out.find("ok       capacity       RTX 4090 EU-RO-1 for $0.44/h\n"
                    "ok       gpu            NVIDIA GeForce RTX 4090\n"
                    "\n"
                    "A worker would start now: looked at in 42s for about $0.01. Next: gpuwarden plan\n"),
      std::string::npos)
      << said.out;
  EXPECT_EQ(said.err, "waiting for the pod to run, 4s so far\n");
}

TEST(DoctorOnAPod, FailsWithARemedyAndInJson) {
  Terminal terminal;
  terminal.pod_checkup = good_checkup();
  terminal.pod_checkup.findings.push_back(
      {"credentials", false, "HTTP 404", "gpuwarden migrate --print", false});
  const Spoken said = terminal.type({"doctor", "--pod"});
  EXPECT_EQ(said.code, kFailed);
  EXPECT_NE(said.out.find("failed   credentials    HTTP 404\n         -> gpuwarden migrate --print\n"),
            std::string::npos)
      << said.out;
  EXPECT_TRUE(said.out.ends_with("Next: do what the arrows say, then gpuwarden doctor --pod\n")) << said.out;
  const auto json = nlohmann::json::parse(terminal.type({"doctor", "--pod", "--json"}).out);
  EXPECT_EQ(json["healthy"], false);
  EXPECT_EQ(json["pod"]["pod"], "pod-1");
  EXPECT_EQ(json["checks"].back()["state"], "failed");
}

TEST(DoctorOnAPod, ThatIsCalledOffIsNoSuccess) {
  Terminal terminal;
  terminal.pod_checkup = good_checkup();
  terminal.pod_checkup.called_off = true;
  EXPECT_EQ(terminal.type({"doctor", "--pod"}).code, kFailed);
}

TEST(DoctorOnAPod, RentsNothingUnderAWrongConfiguration) {
  Terminal terminal;
  terminal.pod_checkup = good_checkup();
  const Spoken said = terminal.set("MAX_ACTIVE_GPUS", "x").type({"doctor", "--pod"});
  EXPECT_EQ(said.code, kUsage);
  EXPECT_EQ(said.out.find("capacity"), std::string::npos) << said.out;
}

TEST(Doctor, StopsAtAWrongConfigurationAndSkipsTheRest) {
  const Spoken said = Terminal().set("MAX_ACTIVE_GPUS", "x").type({"doctor"});
  EXPECT_EQ(said.code, kUsage);
  EXPECT_TRUE(
      said.out.starts_with("failed   configuration  1 error, 0 warnings\n"
                           "         -> MAX_ACTIVE_GPUS: must be a whole number from 0 to 10000, not 'x'\n"
                           "skipped  keys           the configuration has errors\n"))
      << said.out;
  EXPECT_TRUE(
      said.out.ends_with("1 failed, 9 skipped. Next: do what the arrows say, then gpuwarden doctor\n"));
}

TEST(Doctor, GoesOnWithRunpodWhenSupabaseIsDown) {
  Terminal terminal;
  terminal.store->outage = fail(ErrorKind::unavailable, "connection refused").value();
  const Spoken said = terminal.type({"doctor"});
  EXPECT_EQ(said.code, kUnreachable);
  EXPECT_NE(said.out.find("failed   supabase       connection refused\n"
                          "         -> Is the project paused, or the network down? curl -sI "
                          "https://abcdefghijkl.supabase.co/rest/v1/\n"
                          "skipped  migrations     the database does not answer\n"
                          "skipped  queue          the migrations are not complete\n"
                          "ok       runpod "),
            std::string::npos)
      << said.out;
}

TEST(Doctor, WarnsOfClocksJustMoreThanFiveSecondsApart) {
  Terminal terminal;
  terminal.store->wall = [&terminal] { return terminal.clock->wall() + 5s; };
  EXPECT_NE(terminal.type({"doctor"}).out.find("clocks agree"), std::string::npos);
  terminal.store->wall = [&terminal] { return terminal.clock->wall() + 5001ms; };
  const Spoken ahead = terminal.type({"doctor"});
  EXPECT_EQ(ahead.code, kDone);
  EXPECT_NE(ahead.out.find(
                "warning  supabase       https://abcdefghijkl.supabase.co answers in 0s; its clock is 5s "
                "ahead of ours\n"),
            std::string::npos)
      << ahead.out;
  EXPECT_NE(ahead.out.find("Ready, with 1 warning."), std::string::npos);
  terminal.store->wall = [&terminal] { return terminal.clock->wall() - 1h; };
  EXPECT_NE(terminal.type({"doctor"}).out.find("its clock is 1h 0m behind ours"), std::string::npos);
}

TEST(Doctor, SaysHowToBringTheSchemaIn) {
  Terminal terminal;
  terminal.store->health_state = {WallTime{}, 0, {"gpuwarden_health"}, true};
  const Spoken none = terminal.type({"doctor"});
  EXPECT_EQ(none.code, kFailed);
  EXPECT_NE(none.out.find("failed   migrations     the database has none of gpuwarden's functions\n"
                          "         -> gpuwarden migrate --print | psql \"$DATABASE_URL\""),
            std::string::npos)
      << none.out;
  terminal.store->health_state = {WallTime{}, 1, {"gpuwarden_claim_task", "gpuwarden_leaders"}, true};
  EXPECT_NE(terminal.type({"doctor"}).out.find("missing: gpuwarden_claim_task, gpuwarden_leaders"),
            std::string::npos);
}

TEST(Doctor, FailsOnADatabaseThatAcceptsNoWrites) {
  Terminal terminal;
  terminal.store->health_state.writable = false;
  EXPECT_EQ(terminal.type({"doctor"}).code, kFailed);
}

TEST(Doctor, NamesTheNearestGpuTypeDataCentreAndVolume) {
  Terminal terminal;
  terminal.set("RUNPOD_GPU_TYPE", "NVIDIA GeForce RTX 4900, rtx 4090")
      .set("RUNPOD_DATA_CENTERS", "EU-RO-2")
      .set("RUNPOD_STORAGE_NAME", "model");
  terminal.provider->network_volumes = {{"vol1", "models", "EU-RO-1", 100}};
  const Spoken said = terminal.type({"doctor"});
  EXPECT_EQ(said.code, kFailed);
  EXPECT_NE(
      said.out.find("failed   gpu types      one name is not known\n"
                    "         -> RUNPOD_GPU_TYPE: did you mean 'NVIDIA GeForce RTX 4090' instead of 'NVIDIA "
                    "GeForce RTX 4900'?\n"
                    "failed   data centres   one name is not known\n"
                    "         -> RUNPOD_DATA_CENTERS: did you mean 'EU-RO-1' instead of 'EU-RO-2'?\n"
                    "failed   volumes        1 of 1 volumes cannot be used\n"
                    "         -> RUNPOD_STORAGE_NAME: did you mean 'models' instead of 'model'?\n"),
      std::string::npos)
      << said.out;
}

TEST(Doctor, NoticesAVolumeOutsideTheAllowedDataCentres) {
  Terminal terminal;
  terminal.set("RUNPOD_DATA_CENTERS", "EU-RO-1").set("RUNPOD_STORAGE_NAME", "models");
  terminal.provider->network_volumes = {{"vol1", "models", "US-TX-3", 100}};
  EXPECT_NE(
      terminal.type({"doctor"}).out.find("volume 'models' is in US-TX-3, which is not in the list: add it"),
      std::string::npos);
}

TEST(Doctor, WarnsWhenNothingThatIsWantedIsInStock) {
  Terminal terminal;
  terminal.provider->offers[0].stock = StockLevel::none;
  const Spoken said = terminal.type({"doctor"});
  EXPECT_EQ(said.code, kDone);
  EXPECT_NE(said.out.find("warning  gpu types"), std::string::npos);
}

TEST(Doctor, WarnsWhenLessThanATenthOfTheRequestsIsLeft) {
  Terminal terminal;
  terminal.provider->budget_windows = {{"minute", 60, 6, 10s}};
  EXPECT_NE(terminal.type({"doctor"}).out.find("ok       runpod"), std::string::npos);
  terminal.provider->budget_windows = {{"minute", 60, 5, 10s}};
  EXPECT_NE(terminal.type({"doctor"}).out.find("warning  runpod"), std::string::npos);
}

TEST(Doctor, TellsABadRunpodKeyFromAnOutage) {
  Terminal terminal;
  terminal.provider->outage = fail(ErrorKind::unauthorized, "access denied").value();
  const Spoken denied = terminal.type({"doctor"});
  EXPECT_EQ(denied.code, kFailed);
  EXPECT_NE(denied.out.find("Make a key with read and write permission"), std::string::npos);
  EXPECT_NE(denied.out.find("skipped  gpu types      the pods could not be listed"), std::string::npos);
  terminal.provider->outage = fail(ErrorKind::timeout, "no answer for 10s").value();
  EXPECT_EQ(terminal.type({"doctor"}).code, kUnreachable);
}

TEST(Doctor, NamesACheckThatTakesLongerThanTwoSecondsOnATerminal) {
  Terminal terminal;
  terminal.colour = true;
  terminal.store->before = [&terminal](std::string_view method) -> boost::asio::awaitable<void> {
    if (method == "health") co_await terminal.clock->sleep_for(3s);
  };
  terminal.patience = 1min;
  const Spoken said = terminal.type({"doctor"});
  EXPECT_EQ(said.code, kDone);
  EXPECT_EQ(said.err, "checking supabase ...\nchecking migrations ...\n");
  terminal.colour = false;
  EXPECT_EQ(terminal.type({"doctor"}).err, "");
}

TEST(Doctor, FailsOnAnSshKeyThatCannotBeUsedAndChecksTheRestFirst) {
  const Spoken said = Terminal().set("RUNPOD_SSH_PRIVATE_KEY_PATH", "/none").type({"doctor"});
  EXPECT_EQ(said.code, kFailed);
  EXPECT_NE(said.out.find("ok       runpod "), std::string::npos);
  EXPECT_NE(said.out.find(
                "failed   ssh key        RUNPOD_SSH_PRIVATE_KEY_PATH: cannot read '/none': No such file or "
                "directory\n         -> Check the path and who may read it.\n"),
            std::string::npos)
      << said.out;
}

TEST(Doctor, OnlyWarnsWhenTheDaemonsOwnKeyIsForTheDaemonAlone) {
  Terminal terminal;
  terminal.files.emplace("/state/ssh_ed25519", fail(ErrorKind::unauthorized, "Permission denied"));
  const Spoken said = terminal.type({"doctor"});
  EXPECT_EQ(said.code, kDone);
  EXPECT_NE(
      said.out.find("warning  ssh key        RUNPOD_SSH_PRIVATE_KEY: is not set, and the daemon's own key "
                    "'/state/ssh_ed25519' cannot be read: Permission denied\n"
                    "         -> Run as the user that owns it, as in: sudo -u gpuwarden gpuwarden doctor\n"),
      std::string::npos)
      << said.out;
}

TEST(Doctor, OnlyWarnsOfAConfiguredKeyThatThisUserMayNotRead) {
  Terminal terminal;
  terminal.set("RUNPOD_SSH_PRIVATE_KEY_PATH", "/etc/gpuwarden/ssh_key");
  terminal.files.emplace("/etc/gpuwarden/ssh_key", fail(ErrorKind::unauthorized, "Permission denied"));
  EXPECT_NE(
      terminal.type({"doctor"}).out.find("warning  ssh key        RUNPOD_SSH_PRIVATE_KEY_PATH: cannot read "),
      std::string::npos);
  EXPECT_EQ(terminal.type({"config", "--check"}).code, kUsage) << "the daemon's user must be able to read it";
}

TEST(Doctor, SpeaksJson) {
  Terminal terminal;
  terminal.store->health_state = {WallTime{}, 0, {"gpuwarden_health"}, true};
  const auto json = nlohmann::json::parse(terminal.type({"doctor", "--json"}).out);
  EXPECT_EQ(json["healthy"], false);
  ASSERT_EQ(json["checks"].size(), 10U);
  EXPECT_EQ(json["checks"][3]["check"], "migrations");
  EXPECT_EQ(json["checks"][3]["state"], "failed");
  EXPECT_EQ(json["checks"][4]["state"], "skipped");
}

TEST(Doctor, ShowsNoSecret) {
  Terminal terminal;
  terminal.provider->outage = fail(ErrorKind::refused, std::string("key ") + testing::kRunpodKey).value();
  const Spoken said = terminal.type({"doctor"});
  EXPECT_EQ((said.out + said.err).find("PLANTED"), std::string::npos) << said.out;
}

}  // namespace
}  // namespace gpuwarden::cli
