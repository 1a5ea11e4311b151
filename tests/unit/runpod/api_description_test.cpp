// Holds our requests and the answers that we read against the provider's API description, wherever it is at
// hand: GPUWARDEN_RUNPOD_SPEC names it, or it lies beside the source tree.

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "gpuwarden/runpod/codec.hpp"
#include "gpuwarden/runpod/provider.hpp"

#include "fakes/loopback_service.hpp"
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
  json& list = description["paths"]["/v2/pods"]["get"]["parameters"];
  list.push_back({{"name", "limit"},
                  {"in", "query"},
                  {"schema", {{"type", "integer"}, {"minimum", 1}, {"maximum", 1000}}}});
  list.push_back({{"name", "cursor"}, {"in", "query"}, {"schema", {{"type", "string"}}}});
  return description;
}

/// A query parameter's text as the value that its schema speaks of.
json value_of(const std::string& text, const json& type) {
  if (type == "array") {
    json list = json::array();
    std::istringstream parts(text);
    for (std::string part; std::getline(parts, part, ',');) list.push_back(part);
    return list;
  }
  const bool number = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  return type == "integer" && number ? json(std::stol(text)) : json(text);
}

/// What the description holds against a request: its path, its method, its query.
std::vector<std::string> faults_of(const http::ServerRequest& request, const json& description) {
  const auto described = [&]() -> const json* {
    for (const auto& [path, item] : description.at("paths").items()) {
      const auto pattern = std::regex_replace(path, std::regex(R"(\{[^}]*\})"), "[^/]+");
      if (std::regex_match(request.path, std::regex(pattern))) return &item;
    }
    return nullptr;
  };
  const json* item = described();
  std::string method = request.method;
  std::transform(method.begin(), method.end(), method.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  if (item == nullptr || !item->contains(method)) return {request.method + " " + request.path};
  std::map<std::string, json> schemas;
  for (const json& each : item->at(method).value("parameters", json::array())) {
    const json parameter =
        each.contains("$ref")
            ? description.at(json::json_pointer(each.at("$ref").get<std::string>().substr(1)))
            : each;
    if (parameter.at("in") == "query") schemas[parameter.at("name")] = parameter.at("schema");
  }
  std::vector<std::string> faults;
  for (const auto& [name, text] : request.query) {
    if (!schemas.contains(name)) {
      faults.push_back(request.path + ": no parameter " + name);
      continue;
    }
    json document = description;
    document["components"]["schemas"]["TheParameter"] = schemas.at(name);
    for (const auto& fault : SchemaCheck(document).validate(
             "TheParameter", value_of(text, schemas.at(name).value("type", json("string")))))
      faults.push_back(request.path + ": " + name + "=" + text + " " + fault);
  }
  return faults;
}

class ApiDescription : public ::testing::Test {
 protected:
  void SetUp() override {
    auto description = load_description();
    if (!description) GTEST_SKIP() << "no API description at hand; set GPUWARDEN_RUNPOD_SPEC";
    description_ = *description;
    check_.emplace(std::move(*description));
  }
  std::vector<std::string> violations(const json& body) { return check_->validate("CreatePodRequest", body); }
  json description_;
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

class StillClock : public ports::Clock {
 public:
  MonoTime now() const override { return MonoTime(std::chrono::hours(1)); }
  WallTime wall() const override { return WallTime{} + std::chrono::hours(1000); }
  boost::asio::awaitable<void> sleep_for(Duration) override { co_return; }
};

/// Answers that let every request of the provider go on, the list over two pages.
http::ServerResponse any_answer(const http::ServerRequest& request, int) {
  const char* page = R"({"pods":[],"pagination":{"nextCursor":"a/b+c=","hasNextPage":true}})";
  if (request.method == "DELETE") return fakes::json_answer(204, "");
  if (request.method == "POST")
    return fakes::json_answer(201, R"({"id":"p1","name":"gpu-a","status":"RUNNING"})");
  if (request.path == "/v2/pods" && !request.query.contains("cursor")) return fakes::json_answer(200, page);
  return fakes::json_answer(200, R"({"pods":[],"gpus":[],"dataCenters":[],"networkVolumes":[]})");
}

TEST_F(ApiDescription, KnowsThePathAndTheQueryOfEveryRequestThatWeSend) {
  boost::asio::io_context io;
  http::Client client(io.get_executor());
  const StillClock clock;
  fakes::LoopbackService service(io, any_answer);
  Settings settings;
  settings.url = service.url + "/v2";
  settings.api_key = Secret("rpa_test_0123456789");
  RunpodProvider provider(client, clock, std::move(settings));
  fakes::run(io, provider.create(plain_spec()));
  EXPECT_TRUE(fakes::run(io, provider.list()));
  fakes::run(io, provider.get(PodId("p1")));
  fakes::run(io, provider.remove(PodId("p1")));
  for (const char* source : {"container", "system"}) {
    for (const int tail : {0, 100, 9999}) {
      ports::LogQuery query;
      query.pod = PodId("p1");
      query.source = source;
      query.tail = tail;
      fakes::run(io, provider.logs(std::move(query)));
    }
  }
  for (const Cloud cloud : {Cloud::secure, Cloud::community}) fakes::run(io, provider.gpu_offers(cloud));
  fakes::run(io, provider.data_centers());
  fakes::run(io, provider.volumes());
  ASSERT_GE(service.requests.size(), 14U);
  std::set<std::string> seen;
  for (const auto& request : service.requests) {
    EXPECT_THAT(faults_of(request, description_), IsEmpty()) << request.target;
    for (const auto& [name, text] : request.query) seen.insert(name);
  }
  EXPECT_THAT(seen, ::testing::IsSupersetOf(
                        {"limit", "cursor", "include", "product", "cloud", "count", "source", "tail"}));
}

TEST_F(ApiDescription, WouldHaveRefusedAWrongQuery) {
  const auto faults = [&](const char* method, const char* path, const char* name, const char* value) {
    http::ServerRequest request;
    request.method = method;
    request.path = request.target = path;
    request.query = {{name, value}};
    return faults_of(request, description_);
  };
  EXPECT_THAT(faults("GET", "/v2/pods", "limit", "1000"), IsEmpty());
  EXPECT_THAT(faults("GET", "/v2/pods", "limit", "1001"), Not(IsEmpty()));
  EXPECT_THAT(faults("GET", "/v2/pods", "page", "2"), Not(IsEmpty()));
  EXPECT_THAT(faults("GET", "/v2/catalog/gpus", "include", "PRICES"), Not(IsEmpty()));
  EXPECT_THAT(faults("GET", "/v2/catalog/gpus", "count", "0"), Not(IsEmpty()));
  EXPECT_THAT(faults("GET", "/v2/pods/p1/logs", "source", "worker"), Not(IsEmpty()));
  EXPECT_THAT(faults("GET", "/v2/pods/p1/logs", "tail", "5001"), Not(IsEmpty()));
  EXPECT_THAT(faults("PATCH", "/v2/network-volumes", "a", "b"), Not(IsEmpty()));
  EXPECT_THAT(faults("GET", "/v2/machines", "a", "b"), Not(IsEmpty()));
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
