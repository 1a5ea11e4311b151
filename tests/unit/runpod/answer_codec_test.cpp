#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/runpod/codec.hpp"

namespace gpuwarden::runpod {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;
using ::testing::HasSubstr;

json sample_pod() {
  return json::parse(R"({
    "id":"pod1","name":"gpu-a","status":"RUNNING","actions":["stop"],"image":"img","cost":0.44,
    "gpu":{"id":"NVIDIA GeForce RTX 4090","count":1},"cloud":"SECURE","dataCenterId":"EU-RO-1",
    "createdAt":"2026-11-24T01:00:00Z","startedAt":null,
    "ssh":{"proxy":null,"direct":{"host":"203.0.113.7","port":20022,"username":"root","command":"ssh"}},
    "runtime":{"uptime":61,"ports":[
      {"private":8888,"public":60000,"type":"http","ip":"100.65.0.1"},
      {"private":22,"public":30022,"type":"tcp","ip":"203.0.113.8"}]}})");
}

Pod parsed(const json& pod) {
  auto result = parse_pod(pod.dump());
  EXPECT_TRUE(result) << (result ? "" : result.error().message);
  return result.value_or(Pod());
}

TEST(PodAnswer, ReadsAPod) {
  const Pod pod = parsed(sample_pod());
  EXPECT_EQ(pod.id.str(), "pod1");
  EXPECT_EQ(pod.name, "gpu-a");
  EXPECT_EQ(pod.status, PodStatus::running);
  EXPECT_EQ(pod.ssh, (SshEndpoint{"203.0.113.7", 20022, "root"}));
  EXPECT_EQ(pod.uptime, 61s);
  EXPECT_EQ(pod.gpu, "NVIDIA GeForce RTX 4090");
  EXPECT_EQ(pod.data_center, "EU-RO-1");
  EXPECT_EQ(pod.image, "img");
  EXPECT_EQ(pod.cost_per_hr, 0.44);
  EXPECT_EQ(pod.created_at, parse_time("2026-11-24T01:00:00Z"));
}

TEST(PodAnswer, EveryStatusIsKnownAndAnotherOneIsKeptAsText) {
  const std::vector<std::pair<std::string, PodStatus>> cases{{"PROVISIONING", PodStatus::provisioning},
                                                             {"STARTING", PodStatus::starting},
                                                             {"RUNNING", PodStatus::running},
                                                             {"EXITED", PodStatus::exited},
                                                             {"ERROR", PodStatus::error},
                                                             {"TERMINATED", PodStatus::terminated},
                                                             {"MIGRATING", PodStatus::unrecognized}};
  for (const auto& [text, status] : cases) {
    json value = sample_pod();
    value["status"] = text;
    const Pod pod = parsed(value);
    EXPECT_EQ(pod.status, status) << text;
    EXPECT_EQ(pod.status_text, text);
  }
}

TEST(PodAnswer, WithoutADirectEndpointTheTcpMappingOfPort22IsTaken) {
  json value = sample_pod();
  value["ssh"]["direct"] = nullptr;
  EXPECT_EQ(parsed(value).ssh, (SshEndpoint{"203.0.113.8", 30022, "root"}));
  value.erase("ssh");
  EXPECT_EQ(parsed(value).ssh, (SshEndpoint{"203.0.113.8", 30022, "root"}));
}

TEST(PodAnswer, TheLongerPortNamesAreReadToo) {
  json value = sample_pod();
  value.erase("ssh");
  value["runtime"]["ports"] =
      json::parse(R"([{"privatePort":22,"publicPort":30022,"type":"tcp","ip":"203.0.113.8"}])");
  EXPECT_EQ(parsed(value).ssh, (SshEndpoint{"203.0.113.8", 30022, "root"}));
}

TEST(PodAnswer, AMappingThatSpeaksNoSshIsNotAnEndpoint) {
  for (const char* mapping :
       {R"({"private":22,"public":1,"type":"http","ip":"100.65.0.1"})",
        R"({"private":22,"public":null,"type":"tcp","ip":"203.0.113.8"})",
        R"({"private":22,"public":0,"type":"tcp","ip":"203.0.113.8"})",
        R"({"private":22,"public":65536,"type":"tcp","ip":"203.0.113.8"})",
        R"({"private":22,"public":30022,"type":"tcp","ip":null})",
        R"({"private":2222,"public":30022,"type":"tcp","ip":"203.0.113.8"})", "null", "7"}) {
    json value = sample_pod();
    value.erase("ssh");
    value["runtime"]["ports"] = json::array({json::parse(mapping)});
    EXPECT_FALSE(parsed(value).ssh) << mapping;
  }
}

TEST(PodAnswer, AStoppedPodHasNoEndpointThoughItShowsPorts) {
  for (const char* status : {"EXITED", "PROVISIONING", "STARTING", "ERROR", "TERMINATED"}) {
    json value = sample_pod();
    value["status"] = status;
    EXPECT_FALSE(parsed(value).ssh) << status;
  }
}

TEST(PodAnswer, EverythingButIdNameAndStatusMayBeAbsentOrOdd) {
  const Pod bare = parsed(json::parse(R"({"id":"p","name":"n","status":"RUNNING"})"));
  EXPECT_FALSE(bare.ssh || bare.uptime || bare.created_at);
  const Pod odd = parsed(json::parse(
      R"({"id":"p","name":"n","status":"RUNNING","ssh":7,"runtime":[],"gpu":"x","cost":"free","createdAt":1,
          "dataCenterId":null,"image":{}})"));
  EXPECT_FALSE(odd.ssh || odd.uptime || odd.created_at);
  EXPECT_EQ(odd.cost_per_hr, 0);
}

TEST(PodPage, APodWithoutIdNameOrStatusSpoilsThePage) {
  for (const char* key : {"id", "name", "status"}) {
    json broken = sample_pod();
    broken.erase(key);
    const json page{{"pods", json::array({sample_pod(), broken})}};
    const auto result = parse_pod_page(page.dump());
    ASSERT_FALSE(result) << key;
    EXPECT_EQ(result.error().kind, ErrorKind::malformed);
    EXPECT_THAT(result.error().message, HasSubstr(std::string("'") + key + "'"));
  }
}

TEST(PodPage, FollowsThePaginationWhereThereIsOne) {
  const auto next = [](const char* pagination) -> std::string {
    const auto page = parse_pod_page(std::string(R"({"pods":[])") + pagination + "}");
    if (!page) return std::string(to_string(page.error().kind));
    return page->next_cursor.value_or("(last)");
  };
  EXPECT_EQ(next(""), "(last)");
  EXPECT_EQ(next(R"(,"pagination":null)"), "(last)");
  EXPECT_EQ(next(R"(,"pagination":{"nextCursor":null,"hasNextPage":false})"), "(last)");
  EXPECT_EQ(next(R"(,"pagination":{"nextCursor":"c","hasNextPage":true})"), "c");
  EXPECT_EQ(next(R"(,"pagination":{"nextCursor":"c"})"), "c");
  EXPECT_EQ(next(R"(,"pagination":{"nextCursor":"c","hasNextPage":false})"), "(last)");
  EXPECT_EQ(next(R"(,"pagination":{})"), "(last)");
}

TEST(PodPage, MorePagesWithoutACursorIsNotACompleteList) {
  for (const char* pagination : {R"({"hasNextPage":true})", R"({"nextCursor":null,"hasNextPage":true})",
                                 R"({"nextCursor":"","hasNextPage":true})", R"("later")", "[]"}) {
    const auto page = parse_pod_page(std::string(R"({"pods":[],"pagination":)") + pagination + "}");
    ASSERT_FALSE(page) << pagination;
    EXPECT_EQ(page.error().kind, ErrorKind::malformed);
  }
}

TEST(PodPage, WithoutAListOfPodsItIsMalformed) {
  for (const char* body : {"", "{}", "[]", R"({"pods":null})", R"({"pods":{}})", "<html>"}) {
    const auto page = parse_pod_page(body);
    ASSERT_FALSE(page) << body;
    EXPECT_EQ(page.error().kind, ErrorKind::malformed);
  }
}

TEST(Catalogue, PriceAndStockAreThoseOfTheCloud) {
  const char* body = R"({"gpus":[
    {"id":"A","name":"a","memory":24,"secure":true,"community":false,"price":{"secure":0.6,"community":0.3},
     "availability":"HIGH","dataCenters":[{"id":"EU-RO-1","name":"x","availability":"LOW"},{"name":"no id"}]},
    {"id":"B","availability":"PLENTY"},{"name":"no id"}]})";
  const auto secure = parse_gpu_page(body, Cloud::secure);
  ASSERT_TRUE(secure);
  ASSERT_EQ(secure->items.size(), 2U);
  EXPECT_EQ(secure->items[0].price_per_hr, 0.6);
  EXPECT_EQ(secure->items[0].stock, StockLevel::high);
  EXPECT_EQ(secure->items[0].memory_gb, 24);
  EXPECT_EQ(secure->items[0].stock_by_data_center,
            (std::map<std::string, StockLevel>{{"EU-RO-1", StockLevel::low}}));
  EXPECT_EQ(secure->items[1].stock, StockLevel::unknown);
  const auto community = parse_gpu_page(body, Cloud::community);
  EXPECT_EQ(community->items[0].price_per_hr, 0.3);
  EXPECT_EQ(community->items[0].stock, StockLevel::none) << "not offered in that cloud";
}

TEST(Catalogue, StockLevels) {
  const std::vector<std::pair<std::string, StockLevel>> cases{{"NONE", StockLevel::none},
                                                              {"LOW", StockLevel::low},
                                                              {"MEDIUM", StockLevel::medium},
                                                              {"HIGH", StockLevel::high}};
  for (const auto& [text, level] : cases) {
    const json page{{"gpus", {{{"id", "A"}, {"availability", text}}}}};
    EXPECT_EQ(parse_gpu_page(page.dump(), Cloud::secure)->items.at(0).stock, level) << text;
  }
}

TEST(Catalogue, DataCentersAndVolumes) {
  const auto centers =
      parse_data_center_page(R"({"dataCenters":[{"id":"EU-RO-1","name":"Romania","region":"EUROPE"}]})");
  ASSERT_TRUE(centers);
  EXPECT_EQ(centers->items.at(0).id, "EU-RO-1");
  const auto volumes = parse_volume_page(
      R"({"networkVolumes":[{"id":"v1","name":"models","size":100,"dataCenter":"EU-RO-1","type":"STANDARD"}]})");
  ASSERT_TRUE(volumes);
  EXPECT_EQ(volumes->items.at(0).name, "models");
  EXPECT_EQ(volumes->items.at(0).size_gb, 100);
  EXPECT_EQ(volumes->items.at(0).data_center, "EU-RO-1");
  EXPECT_FALSE(parse_volume_page(R"({"networkVolumes":[{"name":"models"}]})"));
  EXPECT_FALSE(parse_data_center_page("[]"));
}

}  // namespace
}  // namespace gpuwarden::runpod
