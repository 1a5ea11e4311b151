#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/sandbox/stand_in_world.hpp"

namespace gpuwarden::sandbox {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

Scenario scenario(const std::string& text) {
  return *parse_scenario(text);
}

TEST(Access, ARequestWithoutUserAgentIsBlockedAtTheEdge) {
  StandInWorld world;
  world.headers.erase(world.headers.begin());
  const auto answer = world.call("GET", "/v2/pods");
  EXPECT_EQ(answer.status, 403);
  EXPECT_THAT(answer.body, testing::HasSubstr("1010"));
}

TEST(Access, AKeyIsNeededAndMustBeTheRightOne) {
  StandInWorld world;
  world.headers[1].second = "Bearer rpa_other";
  EXPECT_EQ(world.call("GET", "/v2/pods").status, 401);
  world.headers.erase(world.headers.begin() + 1);
  const auto answer = world.call("GET", "/v2/pods");
  EXPECT_EQ(answer.status, 401);
  EXPECT_EQ(detail_of(answer), "missing bearer token");
  EXPECT_EQ(header_of(answer, "content-type"), "application/problem+json");
}

TEST(Access, APodsOwnKeyOpensOnlyThatPod) {
  StandInWorld world;
  const std::string id = world.create().at("id");
  const std::string other = world.create().at("id");
  world.headers[1].second = "Bearer " + world.stand_in.book().find(id)->api_key;
  EXPECT_EQ(world.call("GET", "/v2/pods").status, 403);
  EXPECT_EQ(world.call("DELETE", "/v2/pods/" + other).status, 403);
  EXPECT_EQ(detail_of(world.call("GET", "/v2/pods/" + other)), "access denied");
  EXPECT_EQ(world.call("DELETE", "/v2/pods/" + id).status, 204);
}

TEST(Access, EveryAnswerHasARequestIdAndTheQuota) {
  StandInWorld world;
  const auto answer = world.call("GET", "/v2/network-volumes");
  EXPECT_FALSE(header_of(answer, "x-request-id").empty());
  EXPECT_THAT(header_of(answer, "RateLimit"), testing::StartsWith(R"("minute";r=999;t=60)"));
  EXPECT_THAT(header_of(answer, "RateLimit-Policy"), testing::StartsWith(R"("minute";q=1000;w=60)"));
}

TEST(Access, OverTheQuotaTheAnswerSaysWhenToComeBack) {
  auto options = quick_options();
  options.quota_per_minute = 1;
  StandInWorld world(options);
  EXPECT_EQ(world.call("GET", "/v2/pods").status, 200);
  world.time.mono += 15s;
  const auto answer = world.call("GET", "/v2/pods");
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(detail_of(answer), "rate limit exceeded for the minute window");
  EXPECT_EQ(header_of(answer, "Retry-After"), "45");
  world.time.mono += 45s;
  EXPECT_EQ(world.call("GET", "/v2/pods").status, 200);
}

TEST(Routes, UnknownPathsAndMethodsAreToldApart) {
  StandInWorld world;
  EXPECT_EQ(world.call("GET", "/v2/nothing").status, 404);
  const auto answer = world.call("PUT", "/v2/pods");
  EXPECT_EQ(answer.status, 405);
  EXPECT_EQ(header_of(answer, "allow"), "GET, POST");
}

TEST(Routes, BadCursorsAndLimitsAreRefused) {
  StandInWorld world;
  EXPECT_EQ(world.call("GET", "/v2/pods", "", {{"cursor", "zzz"}}).status, 422);
  EXPECT_EQ(world.call("GET", "/v2/pods", "", {{"limit", "0"}}).status, 422);
  EXPECT_EQ(world.call("GET", "/v2/pods", "", {{"limit", "1000"}}).status, 200);
}

TEST(Life, APodGoesFromProvisioningToRunningWithItsSshPort) {
  StandInWorld world;
  auto body = good_create();
  body["ports"] = {"22/tcp"};
  const auto created = world.create(body);
  EXPECT_EQ(created.at("status"), "PROVISIONING");
  const auto path = "/v2/pods/" + created.at("id").get<std::string>();
  world.settle();
  const auto pod = world.get(path);
  EXPECT_EQ(pod.at("status"), "RUNNING");
  EXPECT_EQ(pod.at("ssh").at("direct").at("port"), 2022);
  EXPECT_EQ(world.host.last_boot.env.at("RUNPOD_POD_ID"), created.at("id").get<std::string>());
}

TEST(Life, WithoutThePortInTheRequestThereIsNoSsh) {
  StandInWorld world;
  const auto id = world.create().at("id").get<std::string>();
  world.settle();
  EXPECT_TRUE(world.get("/v2/pods/" + id).at("ssh").at("direct").is_null());
}

TEST(Life, DeleteEndsTheContainerAndASecondDeleteFindsNothing) {
  StandInWorld world;
  const auto path = "/v2/pods/" + world.create().at("id").get<std::string>();
  world.settle();
  EXPECT_EQ(world.host.running.size(), 1u);
  EXPECT_EQ(world.call("DELETE", path).status, 204);
  world.settle();
  EXPECT_TRUE(world.host.running.empty());
  EXPECT_EQ(detail_of(world.call("DELETE", path)), "pod not found");
  EXPECT_EQ(world.call("GET", path).status, 404);
}

TEST(Life, APodThatIsDeletedBeforeItRunsNeverStarts) {
  StandInWorld world;
  world.stand_in.set_scenario(scenario("slow-provisioning"));
  const auto path = "/v2/pods/" + world.create().at("id").get<std::string>();
  world.call("DELETE", path);
  world.stand_in.set_scenario(scenario("healthy"));
  world.settle(150ms);
  EXPECT_TRUE(world.host.running.empty());
}

TEST(Life, AContainerThatEndsLeavesAnExitedPodThatCostsNothing) {
  StandInWorld world;
  const auto path = "/v2/pods/" + world.create().at("id").get<std::string>();
  world.settle();
  world.host.exit();
  const auto pod = world.get(path);
  EXPECT_EQ(pod.at("status"), "EXITED");
  EXPECT_EQ(pod.at("cost"), 0.0);
}

TEST(Logs, ContainerLinesArriveAsEventsWithTheTail) {
  StandInWorld world;
  const auto id = world.create().at("id").get<std::string>();
  world.settle();
  for (const auto* line : {"one", "two", "three"}) world.host.print(line);
  const auto answer =
      world.call("GET", "/v2/pods/" + id + "/logs", "", {{"source", "container"}, {"tail", "2"}});
  EXPECT_EQ(header_of(answer, "content-type"), "text/event-stream");
  std::string sent;
  auto send = [&](std::string chunk) -> boost::asio::awaitable<bool> {
    sent += chunk;
    co_return false;
  };
  auto done = boost::asio::co_spawn(world.io, answer.stream(send), boost::asio::use_future);
  world.settle();
  EXPECT_THAT(sent, testing::Not(testing::HasSubstr("\"one\"")));
  EXPECT_THAT(sent, testing::HasSubstr("\"line\":\"two\""));
  EXPECT_THAT(sent, testing::HasSubstr("\"line\":\"three\""));
}

TEST(Logs, TheStreamFollowsAndEndsWithThePod) {
  StandInWorld world;
  const auto id = world.create().at("id").get<std::string>();
  world.settle();
  const auto answer = world.call("GET", "/v2/pods/" + id + "/logs", "", {{"source", "container"}});
  std::string sent;
  auto send = [&](std::string chunk) -> boost::asio::awaitable<bool> {
    sent += chunk;
    co_return true;
  };
  auto done = boost::asio::co_spawn(world.io, answer.stream(send), boost::asio::use_future);
  world.settle();
  world.host.print("later");
  world.settle(150ms);
  EXPECT_THAT(sent, testing::HasSubstr("later"));
  world.call("DELETE", "/v2/pods/" + id);
  world.settle(150ms);
  EXPECT_EQ(done.wait_for(0s), std::future_status::ready);
}

TEST(Scenarios, NoCapacityRefusesByTextAndShowsInTheCatalogue) {
  StandInWorld world;
  world.stand_in.set_scenario(scenario("no-capacity"));
  const auto answer = world.call("POST", "/v2/pods", good_create().dump());
  EXPECT_EQ(answer.status, 400);
  EXPECT_THAT(detail_of(answer), testing::HasSubstr("no longer any instances available"));
  const auto gpus =
      world.call("GET", "/v2/catalog/gpus", "", {{"include", "AVAILABILITY"}, {"product", "POD"}});
  EXPECT_EQ(json::parse(gpus.body).at("gpus")[0].at("availability"), "NONE");
  EXPECT_EQ(world.stand_in.create_requests(), 1);
  EXPECT_EQ(world.stand_in.book().creates(), 0);
}

TEST(Scenarios, ACreateThatAnswers500HasCreatedThePod) {
  StandInWorld world;
  world.stand_in.set_scenario(scenario("create-500-but-created"));
  const auto answer = world.call("POST", "/v2/pods", good_create().dump());
  EXPECT_EQ(answer.status, 500);
  EXPECT_EQ(detail_of(answer), "Something went wrong. Please try again later or contact support.");
  EXPECT_EQ(world.get("/v2/pods").at("pods").size(), 1u);
}

TEST(Scenarios, TheAnswerOfACreateCanGetLostAltogether) {
  StandInWorld world;
  world.stand_in.set_scenario(scenario("create-500-but-created:drop"));
  EXPECT_TRUE(world.call("POST", "/v2/pods", good_create().dump()).drop);
  EXPECT_EQ(world.get("/v2/pods").at("pods").size(), 1u);
}

TEST(Scenarios, TheListLagsButAPodIsFoundByItsId) {
  StandInWorld world;
  world.stand_in.set_scenario(scenario("list-lag:10"));
  const auto id = world.create().at("id").get<std::string>();
  EXPECT_TRUE(world.get("/v2/pods").at("pods").empty());
  EXPECT_EQ(world.call("GET", "/v2/pods/" + id).status, 200);
  world.time.mono += 10s;
  EXPECT_EQ(world.get("/v2/pods").at("pods").size(), 1u);
}

TEST(Scenarios, AnImageThatCannotBePulledKeepsThePodStartingAndSaysSoInTheSystemLog) {
  StandInWorld world;
  world.stand_in.set_scenario(scenario("image-pull-failure"));
  const auto id = world.create().at("id").get<std::string>();
  world.settle();
  EXPECT_EQ(world.get("/v2/pods/" + id).at("status"), "STARTING");
  LogFilter filter;
  filter.source = "system";
  EXPECT_THAT(world.stand_in.book().find(id)->log.select(filter).back().text,
              testing::HasSubstr("manifest unknown"));
  world.stand_in.set_scenario(scenario("healthy"));
  world.settle(250ms);
  EXPECT_EQ(world.get("/v2/pods/" + id).at("status"), "RUNNING");
}

TEST(Scenarios, SlowProvisioningHoldsAPodUntilItsTime) {
  StandInWorld world;
  world.stand_in.set_scenario(scenario("slow-provisioning:60"));
  const auto path = "/v2/pods/" + world.create().at("id").get<std::string>();
  world.time.mono += 59s;
  world.settle(150ms);
  EXPECT_EQ(world.get(path).at("status"), "PROVISIONING");
  world.time.mono += 1s;
  world.settle(250ms);
  EXPECT_EQ(world.get(path).at("status"), "RUNNING");
}

TEST(Scenarios, SshFaultsAndAMissingGpuAreGivenToTheContainer) {
  const auto boot = [](const std::string& name) {
    StandInWorld world;
    world.stand_in.set_scenario(scenario(name));
    world.create();
    world.settle();
    return world.host.last_boot;
  };
  EXPECT_FALSE(boot("ssh-refused").sshd);
  EXPECT_FALSE(boot("ssh-refused:auth").authorise);
  EXPECT_FALSE(boot("ssh-refused:hostkey").true_host_keys);
  EXPECT_FALSE(boot("script-failure:preflight").has_gpu);
  const auto healthy = boot("healthy");
  EXPECT_TRUE(healthy.sshd && healthy.authorise && healthy.true_host_keys && healthy.has_gpu);
}

TEST(Scenarios, SshEndsWithPreflightWhereTheScenarioSaysSo) {
  const std::string begin = R"(@gpuwarden {"v":1,"worker":"w","step":"preflight","event":"begin","tail":[]})";
  const std::string end = R"(@gpuwarden {"v":1,"worker":"w","step":"preflight","event":"end","tail":[]})";
  for (const auto& [name, ends] : {std::pair{"ssh-refused:later", true},
                                   {"cut-off", true},
                                   {"ssh-refused:auth", false},
                                   {"healthy", false}}) {
    StandInWorld world;
    world.stand_in.set_scenario(scenario(name));
    world.create();
    world.settle();
    EXPECT_TRUE(world.host.last_boot.sshd) << name;
    world.host.print(begin);
    EXPECT_TRUE(world.host.without_ssh.empty()) << name;
    world.host.print(end);
    EXPECT_EQ(!world.host.without_ssh.empty(), ends) << name;
  }
}

TEST(Scenarios, RateLimitLowersTheQuotaAndHealthyRestoresIt) {
  StandInWorld world;
  world.stand_in.set_scenario(scenario("rate-limit:2"));
  EXPECT_EQ(world.call("GET", "/v2/pods").status, 200);
  EXPECT_EQ(world.call("GET", "/v2/pods").status, 200);
  EXPECT_EQ(world.call("GET", "/v2/pods").status, 429);
  world.stand_in.set_scenario(scenario("healthy"));
  EXPECT_EQ(world.call("GET", "/v2/pods").status, 200);
}

TEST(Faults, AForcedAnswerIsGivenAsOftenAsAsked) {
  StandInWorld world;
  ForcedAnswer forced;
  forced.method = "DELETE";
  forced.status = 503;
  forced.after_effect = true;
  world.stand_in.force(forced);
  const auto path = "/v2/pods/" + world.create().at("id").get<std::string>();
  EXPECT_EQ(world.call("DELETE", path).status, 503);
  EXPECT_EQ(world.call("DELETE", path).status, 404);
}

TEST(Faults, WithoutBalanceNothingIsCreated) {
  StandInWorld world;
  world.stand_in.set_balance(false);
  const auto answer = world.call("POST", "/v2/pods", good_create().dump());
  EXPECT_EQ(answer.status, 402);
  EXPECT_EQ(detail_of(answer),
            "Your account balance is too low to rent a pod. Please add funds to your account.");
  EXPECT_TRUE(world.get("/v2/pods").at("pods").empty());
}

}  // namespace
}  // namespace gpuwarden::sandbox
