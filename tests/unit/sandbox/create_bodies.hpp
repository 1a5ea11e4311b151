#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace gpuwarden::sandbox {

/// The smallest create that is accepted.
inline nlohmann::json good_create() {
  return nlohmann::json::parse(
      R"({"name":"gpu-test-20261124000000-00000001","image":"runpod/pytorch:1","disk":20,
    "gpu":{"id":"NVIDIA GeForce RTX 4090","count":1}})");
}

struct CreateCase {
  const char* name;
  const char* patch;            ///< RFC 7386 merge patch on good_create()
  int status;                   ///< 0 = accepted
  const char* says;             ///< part of the detail or of one of the errors
  bool newer_than_spec{false};  ///< the live API takes it, the document of August 2026 does not know it
};

/// Bodies just inside and just outside of every rule.
inline const std::vector<CreateCase>& create_cases() {
  static const std::vector<CreateCase> cases{
      {"Plain", "{}", 0, ""},
      {"WholeRequest",
       R"({"ports":["22/tcp","8888/http"],"env":{"A":"b"},"startSsh":true,"startJupyter":false,
        "globalNetworking":false,"cloud":"COMMUNITY","dataCenterIds":["EU-RO-1"],"registry":"r1","args":"a b",
        "mounts":{"network":[{"volumeId":"vol4sandbox1","path":"/workspace"}]}})",
       0, ""},
      {"UnknownField", R"({"bogus":1})", 422, "$: additional properties 'bogus' not allowed"},
      {"UnknownGpuField", R"({"gpu":{"bogus":1}})", 422, "$.gpu: additional properties 'bogus' not allowed"},
      {"UnknownMountField", R"({"mounts":{"nfs":{}}})", 422,
       "$.mounts: additional properties 'nfs' not allowed"},
      {"NoName", R"({"name":null})", 422, "missing property 'name'"},
      {"EmptyName", R"({"name":""})", 422, "$.name: minLength: got 0, want 1"},
      {"NameNotText", R"({"name":5})", 422, "$.name: got integer, want string"},
      {"NoImage", R"({"image":null})", 422, "missing property 'image'"},
      {"TemplateInsteadOfImage", R"({"image":null,"disk":null,"templateId":"tplsandbox"})", 0, ""},
      {"EmptyTemplate", R"({"templateId":""})", 422, "$.templateId: minLength"},
      {"UnknownTemplate", R"({"templateId":"nope"})", 404, "template not found"},
      {"NoDisk", R"({"disk":null})", 400,
       "You must either provide a template id or pod configuration parameters"},
      {"DiskZero", R"({"disk":0})", 422, "$.disk: minimum: got 0, want 1"},
      {"DiskOne", R"({"disk":1})", 0, ""},
      {"DiskText", R"({"disk":"20"})", 422, "$.disk: got string, want integer"},
      {"DiskFraction", R"({"disk":20.5})", 422, "$.disk: got number, want integer"},
      {"GpuAndCpu", R"({"cpu":{"id":"cpu3c","vcpuCount":2}})", 400, "exactly one of gpu or cpu"},
      {"NeitherGpuNorCpu", R"({"gpu":null})", 400, "exactly one of gpu or cpu"},
      {"GpuWithoutId", R"({"gpu":{"id":null}})", 422, "$.gpu: missing property 'id'"},
      {"GpuUnknown", R"({"gpu":{"id":"NVIDIA GeForce RTX 9999"}})", 400, "not a known GPU type"},
      {"GpuCountZero", R"({"gpu":{"count":0}})", 422, "$.gpu.count: minimum"},
      {"GpuCountTwo", R"({"gpu":{"count":2}})", 0, ""},
      {"CpuOneVcpu", R"({"gpu":null,"cpu":{"id":"cpu3c","vcpuCount":1}})", 422,
       "$.cpu.vcpuCount: minimum: got 1, want 2"},
      {"CudaFloor", R"({"gpu":{"minCudaVersion":"12.4"}})", 0, ""},
      {"CudaFloorWithoutMinor", R"({"gpu":{"minCudaVersion":"12"}})", 422, "does not match pattern"},
      {"CudaFloorWithPatch", R"({"gpu":{"minCudaVersion":"12.4.1"}})", 422, "does not match pattern"},
      {"CudaSet", R"({"gpu":{"allowedCudaVersions":["12.4","12.8"]}})", 0, ""},
      {"CudaSetBad", R"({"gpu":{"allowedCudaVersions":["12.4","new"]}})", 422,
       "$.gpu.allowedCudaVersions[1]"},
      {"CudaFloorAndSet", R"({"gpu":{"minCudaVersion":"12.4","allowedCudaVersions":["12.8"]}})", 400,
       "mutually exclusive"},
      {"CudaFloorAndEmptySet", R"({"gpu":{"minCudaVersion":"12.4","allowedCudaVersions":[]}})", 0, ""},
      {"CloudAll", R"({"cloud":"ALL"})", 422, "$.cloud: value must be one of 'SECURE', 'COMMUNITY'"},
      {"DataCentersEmpty", R"({"dataCenterIds":[]})", 0, ""},
      {"DataCenterUnknown", R"({"dataCenterIds":["XX-YY-9"]})", 400, "no longer any instances available"},
      {"DataCentersText", R"({"dataCenterIds":"EU-RO-1"})", 422, "$.dataCenterIds: got string, want array"},
      {"VolumeInItsDataCenter",
       R"({"dataCenterIds":["EU-RO-1"],"mounts":{"network":[{"volumeId":"vol4sandbox1","path":"/w"}]}})", 0,
       ""},
      {"VolumeElsewhere",
       R"({"dataCenterIds":["US-KS-2"],"mounts":{"network":[{"volumeId":"vol4sandbox1","path":"/w"}]}})", 400,
       "is in data center EU-RO-1"},
      {"VolumeAnywhere", R"({"mounts":{"network":[{"volumeId":"vol4sandbox1","path":"/w"}]}})", 400,
       "is in data center EU-RO-1"},
      {"VolumeUnknown",
       R"({"dataCenterIds":["EU-RO-1"],"mounts":{"network":[{"volumeId":"nope","path":"/w"}]}})", 400,
       "not found"},
      {"VolumeWithoutPath", R"({"mounts":{"network":[{"volumeId":"vol4sandbox1"}]}})", 422,
       "missing property 'path'"},
      {"TwoVolumes", R"({"mounts":{"network":[{"volumeId":"a","path":"/a"},{"volumeId":"b","path":"/b"}]}})",
       422, "$.mounts.network: maxItems: got 2, want 1"},
      {"Persistent", R"({"mounts":{"persistent":{"size":10,"path":"/workspace"}}})", 0, ""},
      {"PersistentTooSmall", R"({"mounts":{"persistent":{"size":9,"path":"/workspace"}}})", 422,
       "$.mounts.persistent.size: minimum: got 9, want 10"},
      {"PersistentAndVolume",
       R"({"mounts":{"persistent":{"size":10,"path":"/a"},"network":[{"volumeId":"vol4sandbox1","path":"/b"}]}})",
       400, "mutually exclusive"},
      {"EnvironmentNotText", R"({"env":{"A":1}})", 422, "$.env.A: got integer, want string"},
      {"PortWithoutProtocol", R"({"ports":["22"]})", 400, "port '22'"},
      {"PortZero", R"({"ports":["0/tcp"]})", 400, "port '0/tcp'"},
      {"PortTooBig", R"({"ports":["65536/tcp"]})", 400, "port '65536/tcp'"},
      {"PortLast", R"({"ports":["65535/tcp"]})", 0, ""},
      {"PortNumber", R"({"ports":[22]})", 422, "$.ports[0]: got integer, want string"},
      {"NotTrue", R"({"startSsh":"yes"})", 422, "$.startSsh: got string, want boolean"},
      {"Command", R"({"cmd":["sleep"],"entrypoint":["bash"]})", 0, "", true},
      {"CommandText", R"({"cmd":"sleep"})", 422, "$.cmd: got string, want array"},
      {"MinimumMachine", R"({"gpu":{"minRamPerGpu":32,"minVcpuCountPerGpu":8}})", 0, "", true},
      {"MinimumMachineJustThere", R"({"gpu":{"minRamPerGpu":62,"minVcpuCountPerGpu":16}})", 0, "", true},
      {"MoreMemoryThanThereIs", R"({"gpu":{"minRamPerGpu":63}})", 400, "no longer any instances available",
       true},
      {"MoreCoresThanThereAre", R"({"gpu":{"minVcpuCountPerGpu":17}})", 400,
       "no longer any instances available", true},
      {"MinimumMachineZero", R"({"gpu":{"minRamPerGpu":0}})", 422, "$.gpu.minRamPerGpu: minimum"},
  };
  return cases;
}

inline nlohmann::json body_of(const CreateCase& each) {
  auto body = good_create();
  body.merge_patch(nlohmann::json::parse(each.patch));
  return body;
}

}  // namespace gpuwarden::sandbox
