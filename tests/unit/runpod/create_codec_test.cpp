#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "gpuwarden/runpod/codec.hpp"

#include "unit/runpod/pod_specs.hpp"

namespace gpuwarden::runpod {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

TEST(CreateBody, NamesOneCandidateWithEverythingItNeeds) {
  PodSpec spec = plain_spec();
  spec.placement = {"NVIDIA GeForce RTX 4090", "EU-RO-1", "vol1", "models", Cloud::secure, 0.4};
  spec.registry_id = "reg";
  spec.min_cuda = "12.4";
  spec.min_memory_gb = 32;
  spec.min_vcpu = 8;
  spec.env = {{"WORKER_ID", "gpu-a"}, {"RUN_TYPE", "gpu"}};
  const auto body = create_body(spec);
  ASSERT_TRUE(body);
  EXPECT_EQ(json::parse(*body), json::parse(R"({
    "name":"gpu-default-20261124010203-00c0ffee","image":"runpod/pytorch:1","registry":"reg","cloud":"SECURE",
    "gpu":{"id":"NVIDIA GeForce RTX 4090","count":1,"minCudaVersion":"12.4","minRamPerGpu":32,"minVcpuCountPerGpu":8},
    "dataCenterIds":["EU-RO-1"],"disk":50,"mounts":{"network":[{"volumeId":"vol1","path":"/workspace"}]},
    "env":{"WORKER_ID":"gpu-a","RUN_TYPE":"gpu","PUBLIC_KEY":"ssh-ed25519 AAAA test"},
    "ports":["22/tcp"],"startSsh":true})"));
}

TEST(CreateBody, LeavesOutWhatIsNotSet) {
  const json body = json::parse(*create_body(plain_spec()));
  for (const char* key : {"dataCenterIds", "mounts", "templateId", "registry", "cpu"}) {
    EXPECT_FALSE(body.contains(key)) << key;
  }
  EXPECT_EQ(body["gpu"].size(), 2U);
}

TEST(CreateBody, ATemplateStandsInForTheImageAndTheDiskIsStillSent) {
  PodSpec spec = plain_spec();
  spec.image.clear();
  spec.template_id = "tpl";
  const json body = json::parse(*create_body(spec));
  EXPECT_EQ(body["templateId"], "tpl");
  EXPECT_FALSE(body.contains("image"));
  EXPECT_EQ(body["disk"], 50);
}

TEST(CreateBody, APersistentDiskOfTenGigabytesIsTheSmallest) {
  PodSpec spec = plain_spec();
  spec.persistent_disk_gb = 10;
  EXPECT_EQ(json::parse(*create_body(spec))["mounts"],
            json::parse(R"({"persistent":{"size":10,"path":"/workspace"}})"));
  spec.persistent_disk_gb = 9;
  EXPECT_THAT(create_body(spec).error().message, HasSubstr("RUNPOD_DISK_SIZE_GB"));
}

TEST(CreateBody, WhatRunpodWouldRefuseIsNotSent) {
  const auto refused = [](auto change, const char* words) {
    PodSpec spec = plain_spec();
    change(spec);
    const auto body = create_body(spec);
    ASSERT_FALSE(body) << words;
    EXPECT_EQ(body.error().kind, ErrorKind::invalid_input);
    EXPECT_THAT(body.error().message, HasSubstr(words));
  };
  refused([](PodSpec& s) { s.name.clear(); }, "name");
  refused([](PodSpec& s) { s.name = std::string(192, 'n'); }, "name");
  refused([](PodSpec& s) { s.image.clear(); }, "RUNPOD_WORKER_IMAGE");
  refused([](PodSpec& s) { s.placement.gpu.clear(); }, "GPU");
  refused([](PodSpec& s) { s.container_disk_gb = 0; }, "RUNPOD_CONTAINER_DISK_GB");
  for (const char* version : {"12", "12.", ".4", "12.4.1", "a.b", "12.4 "}) {
    refused([&](PodSpec& s) { s.min_cuda = version; }, "RUNPOD_MIN_CUDA");
  }
  refused(
      [](PodSpec& s) {
        s.placement.volume_id = "v";
        s.persistent_disk_gb = 20;
      },
      "not both");
  refused(
      [](PodSpec& s) {
        s.placement.volume_id = "v";
        s.mount_path = "workspace";
      },
      "RUNPOD_VOLUME_MOUNT_PATH");
}

TEST(CreateBody, FiftyVariablesAreTheMostWithThePublicKeyCounted) {
  PodSpec spec = plain_spec();
  for (int i = 0; i < 49; ++i) spec.env["V" + std::to_string(i)] = "x";
  EXPECT_TRUE(create_body(spec));
  spec.env["V49"] = "x";
  EXPECT_FALSE(create_body(spec));
  spec.ssh_public_key.clear();
  EXPECT_TRUE(create_body(spec));
}

TEST(CreateBody, TheDaemonsPublicKeyReplacesAnotherOne) {
  PodSpec spec = plain_spec();
  spec.env["PUBLIC_KEY"] = "ssh-ed25519 other";
  EXPECT_EQ(json::parse(*create_body(spec))["env"]["PUBLIC_KEY"], "ssh-ed25519 AAAA test");
}

}  // namespace
}  // namespace gpuwarden::runpod
