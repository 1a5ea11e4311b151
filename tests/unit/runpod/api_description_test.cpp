// Holds our requests and the answers that we read against the provider's API description, wherever it is at
// hand: GPUWARDEN_RUNPOD_SPEC names it, or it lies beside the source tree.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "gpuwarden/runpod/codec.hpp"

#include "unit/runpod/pod_specs.hpp"
#include "unit/runpod/schema_check.hpp"

namespace gpuwarden::runpod {
namespace {

using nlohmann::json;
using ::testing::IsEmpty;
using ::testing::Not;

std::optional<json> load_description() {
  const char* named = std::getenv("GPUWARDEN_RUNPOD_SPEC");
  const auto beside = std::filesystem::path(GPUWARDEN_SOURCE_DIR).parent_path() / "shared" / "data";
  std::ifstream file(named != nullptr ? std::filesystem::path(named) : beside / "runpod-openapi-v2.json");
  if (!file) return std::nullopt;
  json description = json::parse(file);
  // The live API has taken more fields since the description of 2026-08-20 was written.
  json& schemas = description["components"]["schemas"];
  json& gpu = schemas["CreateGpuConfig"]["allOf"][1]["properties"];
  gpu["minRamPerGpu"] = gpu["minVcpuCountPerGpu"] = {{"type", "integer"}, {"minimum", 1}};
  return description;
}

class ApiDescription : public ::testing::Test {
 protected:
  void SetUp() override {
    auto description = load_description();
    if (!description) GTEST_SKIP() << "no API description at hand; set GPUWARDEN_RUNPOD_SPEC";
    check_.emplace(std::move(*description));
  }
  std::vector<std::string> violations(const json& body) { return check_->validate("CreatePodRequest", body); }
  std::optional<SchemaCheck> check_;
};

/// Every combination of what a specification may hold.
std::vector<PodSpec> all_specs() {
  std::vector<PodSpec> specs;
  for (unsigned bits = 0; bits < 512; ++bits) {
    const auto has = [bits](unsigned bit) { return (bits >> bit & 1U) != 0; };
    PodSpec spec = plain_spec();
    if (has(0)) spec.template_id = "tpl1";
    if (has(0) && has(1)) spec.image.clear();
    if (has(2)) spec.placement.volume_id = "vol1";
    if (!has(2) && has(1)) spec.persistent_disk_gb = 10;
    if (has(3)) spec.placement.data_center = "EU-RO-1";
    if (has(4)) spec.placement.cloud = Cloud::community;
    if (has(5)) spec.registry_id = "reg1";
    if (has(6)) spec.min_cuda = "12.4";
    if (has(7)) spec.min_memory_gb = 32;
    if (has(7)) spec.min_vcpu = 4;
    if (has(8)) spec.env = {{"WORKER_ID", "w"}, {"RUN_TYPE", "gpu"}};
    specs.push_back(std::move(spec));
  }
  return specs;
}

TEST_F(ApiDescription, Case18TakesEveryCreateBodyThatWeCanProduce) {
  for (const PodSpec& spec : all_specs()) {
    const auto body = create_body(spec);
    ASSERT_TRUE(body) << body.error().message;
    EXPECT_THAT(violations(json::parse(*body)), IsEmpty()) << *body;
  }
}

TEST_F(ApiDescription, WouldHaveRefusedAWrongBody) {
  const json good = json::parse(*create_body(plain_spec()));
  const auto refuses = [&](const char* change) {
    json body = good;
    body.merge_patch(json::parse(change));
    EXPECT_THAT(violations(body), Not(IsEmpty())) << change;
  };
  refuses(R"({"surprise":1})");
  refuses(R"({"registryId":"r"})");
  refuses(R"({"gpu":{"surprise":1}})");
  refuses(R"({"name":null})");
  refuses(R"({"name":""})");
  refuses(R"({"image":null})");
  refuses(R"({"disk":0})");
  refuses(R"({"disk":"50"})");
  refuses(R"({"cloud":"ALL"})");
  refuses(R"({"env":{"A":1}})");
  refuses(R"({"gpu":{"minCudaVersion":"12"}})");
  refuses(R"({"mounts":{"network":[{"volumeId":"v"}]}})");
  refuses(R"({"mounts":{"network":[{"volumeId":"v","path":"/a"},{"volumeId":"w","path":"/b"}]}})");
  refuses(R"({"mounts":{"persistent":{"size":9,"path":"/w"}}})");
}

TEST_F(ApiDescription, GivesPodsInAFormThatWeRead) {
  const json pod = json::parse(R"({
    "id":"pod1","name":"gpu-a","status":"RUNNING","actions":[],"image":"img","args":"","disk":50,"mounts":{},
    "ports":["22/tcp"],"env":{},"registry":null,"cloud":"SECURE","dataCenterId":"EU-RO-1","cudaVersion":"12.4",
    "ssh":{"proxy":null,"direct":{"host":"203.0.113.7","port":20022,"username":"root","command":"ssh"}},
    "template":null,"cost":0.44,"locked":false,"globalNetworking":{"enabled":false,"ip":""},
    "runtime":{"uptime":5,"ports":[{"private":22,"public":20022,"type":"tcp","ip":"203.0.113.7"}]},
    "createdAt":"2026-11-24T01:00:00Z","startedAt":null,"gpu":{"id":"NVIDIA GeForce RTX 4090","count":1}})");
  ASSERT_THAT(check_->validate("Pod", pod), IsEmpty());
  const auto read = parse_pod(pod.dump());
  ASSERT_TRUE(read);
  EXPECT_TRUE(read->ssh && read->uptime);
  EXPECT_EQ(read->gpu, "NVIDIA GeForce RTX 4090");
  EXPECT_EQ(read->data_center, "EU-RO-1");
}

}  // namespace
}  // namespace gpuwarden::runpod
