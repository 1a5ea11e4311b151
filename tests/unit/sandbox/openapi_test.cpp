// Holds the stand-in against Runpod's own description of its API, wherever a copy of that document is at
// hand.
#include <cstdlib>
#include <fstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "sandbox/pod_rules.hpp"
#include "unit/sandbox/json_schema.hpp"
#include "unit/sandbox/stand_in_world.hpp"

namespace gpuwarden::sandbox {
namespace {

using nlohmann::json;

std::string document_path() {
  if (const auto* named = std::getenv("GPUWARDEN_RUNPOD_SPEC")) return named;
  return std::string(GPUWARDEN_SOURCE_DIR) + "/../shared/data/runpod-openapi-v2.json";
}

class Openapi : public testing::Test {
 protected:
  void SetUp() override {
    std::ifstream file(document_path());
    if (!file) GTEST_SKIP() << "no copy of the document; GPUWARDEN_RUNPOD_SPEC names one";
    schema = std::make_unique<JsonSchema>(json::parse(file));
  }
  void expect_valid(const json& value, const std::string& name) {
    const auto errors = schema->check(value, "/components/schemas/" + name);
    EXPECT_TRUE(errors.empty()) << name << ": " << fmt::format("{}", fmt::join(errors, "; ")) << "\n"
                                << value.dump(1);
  }
  std::unique_ptr<JsonSchema> schema;
};

TEST_F(Openapi, TheCheckerItselfSeesWhatIsWrong) {
  auto body = good_create();
  EXPECT_TRUE(schema->check(body, "/components/schemas/CreatePodRequest").empty());
  body["bogus"] = 1;
  EXPECT_FALSE(schema->check(body, "/components/schemas/CreatePodRequest").empty());
  EXPECT_FALSE(schema->check(json::object(), "/components/schemas/Pod").empty());
}

TEST_F(Openapi, BodiesOfTheWrongShapeAreExactlyThoseThatTheDocumentRefuses) {
  for (const auto& each : create_cases()) {
    const auto errors = schema->check(body_of(each), "/components/schemas/CreatePodRequest");
    const bool shape_refused = check_create(body_of(each), {}).status == 422;
    EXPECT_EQ(errors.empty(), !shape_refused && !each.newer_than_spec)
        << each.name << ": " << fmt::format("{}", fmt::join(errors, "; "));
  }
}

TEST_F(Openapi, PodsOfEveryStateHaveTheDocumentedShape) {
  StandInWorld world;
  auto body = good_create();
  body["ports"] = {"22/tcp"};
  body["env"] = {{"A", "b"}};
  body["dataCenterIds"] = {"EU-RO-1"};
  body["mounts"]["network"] = {{{"volumeId", "vol4sandbox1"}, {"path", "/workspace"}}};
  const auto created = world.create(body);
  expect_valid(created, "Pod");
  const auto pod = world.stand_in.book().find(created.at("id"));
  pod->ssh_port = 2022;
  pod->running_since = world.time.mono;
  pod->started_at = world.time.wall;
  for (const auto state :
       {PodState::provisioning, PodState::starting, PodState::running, PodState::exited, PodState::error}) {
    pod->state = state;
    expect_valid(world.get("/v2/pods/" + pod->id), "Pod");
    expect_valid(world.get("/v2/pods"), "ListPodsResponse");
  }
}

TEST_F(Openapi, CatalogueVolumesAndKeysHaveTheDocumentedShape) {
  StandInWorld world;
  const auto answer = [&](const std::string& path, std::multimap<std::string, std::string> query) {
    return json::parse(world.call("GET", path, "", std::move(query)).body);
  };
  expect_valid(answer("/v2/catalog/gpus", {}), "ListGpuTypesResponse");
  expect_valid(
      answer("/v2/catalog/gpus", {{"include", "AVAILABILITY"}, {"product", "POD"}, {"cloud", "SECURE"}}),
      "ListGpuTypesResponse");
  expect_valid(answer("/v2/catalog/datacenters", {{"include", "GPU_AVAILABILITY"}}),
               "ListDataCentersResponse");
  expect_valid(answer("/v2/network-volumes", {}), "ListNetworkVolumesResponse");
  expect_valid(answer("/v2/account/ssh-keys", {}), "SshKeys");
}

TEST_F(Openapi, RefusalsHaveTheDocumentedShape) {
  StandInWorld world;
  for (const auto& each : create_cases()) {
    const auto answer = world.call("POST", "/v2/pods", body_of(each).dump());
    if (each.status != 0) expect_valid(json::parse(answer.body), "ErrorResponse");
  }
  expect_valid(world.get("/v2/pods/none"), "ErrorResponse");
}

TEST_F(Openapi, WhatTheStandInAnswersExistsInTheDocument) {
  const auto& paths = schema->document().at("paths");
  for (const auto& [path, method] :
       std::multimap<std::string, std::string>{{"/v2/pods", "get"},
                                               {"/v2/pods", "post"},
                                               {"/v2/pods/{id}", "get"},
                                               {"/v2/pods/{id}", "delete"},
                                               {"/v2/pods/{id}/logs", "get"},
                                               {"/v2/catalog/gpus", "get"},
                                               {"/v2/catalog/datacenters", "get"},
                                               {"/v2/network-volumes", "get"},
                                               {"/v2/account/ssh-keys", "get"}})
    EXPECT_TRUE(paths.contains(path) && paths.at(path).contains(method)) << method << " " << path;
}

}  // namespace
}  // namespace gpuwarden::sandbox
