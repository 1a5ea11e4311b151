#include "gpuwarden/runpod/provider.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "gpuwarden/runpod/codec.hpp"

#include "unit/runpod/pod_specs.hpp"
#include "unit/runpod/provider_fixture.hpp"

namespace gpuwarden::runpod {
namespace {

using namespace std::chrono_literals;
using fakes::html_answer;
using fakes::json_answer;
using fakes::no_answer;
using fakes::run;
using http::ServerRequest;
using http::ServerResponse;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string pod_json(const std::string& id) {
  return R"({"id":")" + id + R"(","name":"gpu-)" + id + R"(","status":"RUNNING"})";
}

std::string page_json(const std::vector<std::string>& ids, const std::string& next) {
  std::string pods;
  for (const std::string& id : ids) pods += (pods.empty() ? "" : ",") + pod_json(id);
  const std::string cursor = next.empty() ? "null" : "\"" + next + "\"";
  return R"({"pods":[)" + pods + R"(],"pagination":{"nextCursor":)" + cursor + R"(,"hasNextPage":)" +
         (next.empty() ? "false" : "true") + "}}";
}

std::string cursor_of(const ServerRequest& request) {
  const auto found = request.query.find("cursor");
  return found == request.query.end() ? std::string() : found->second;
}

TEST_F(Provider, CreatesWithOnePostThatCarriesTheKey) {
  auto& service = serve([](const ServerRequest&, int) { return json_answer(201, pod_json("p1")); });
  auto provider = this->provider();
  const auto outcome = run(io_, provider.create(plain_spec()));
  ASSERT_TRUE(std::holds_alternative<PodCreated>(outcome));
  EXPECT_EQ(std::get<PodCreated>(outcome).pod.id.str(), "p1");
  ASSERT_EQ(service.requests.size(), 1U);
  EXPECT_EQ(service.requests[0].method, "POST");
  EXPECT_EQ(service.requests[0].target, "/v2/pods");
  EXPECT_EQ(service.requests[0].header("authorization"), "Bearer rpa_test_0123456789");
  EXPECT_EQ(service.requests[0].header("content-type"), "application/json");
  EXPECT_THAT(std::string(service.requests[0].header("user-agent").value_or("")), StartsWith("gpuwarden"));
  EXPECT_EQ(service.requests[0].body, *create_body(plain_spec()));
}

TEST_F(Provider, ACreateIsNeverSentTwice) {
  for (const int kind : {0, 1, 2, 3}) {
    auto& service = serve([kind](const ServerRequest&, int) {
      switch (kind) {
        case 0:
          return json_answer(500, R"({"title":"T","status":500,"detail":"Something went wrong."})");
        case 1:
          return no_answer();
        case 2:
          return html_answer(201);
        default:
          return html_answer(503);
      }
    });
    auto provider = this->provider();
    const auto outcome = run(io_, provider.create(plain_spec()));
    EXPECT_TRUE(std::holds_alternative<CreateAmbiguous>(outcome)) << kind;
    EXPECT_EQ(service.count("POST"), 1) << kind;
    EXPECT_EQ(service.requests.size(), 1U) << kind;
  }
}

TEST_F(Provider, ACreateIsNotSentAgainWhenAKeptConnectionDies) {
  auto& service = serve([](const ServerRequest& request, int) {
    return request.method == "POST" ? no_answer() : json_answer(200, page_json({}, ""));
  });
  auto provider = this->provider();
  ASSERT_TRUE(run(io_, provider.list())) << "leaves a connection that the create uses";
  EXPECT_TRUE(std::holds_alternative<CreateAmbiguous>(run(io_, provider.create(plain_spec()))));
  EXPECT_EQ(service.count("POST"), 1);
}

TEST_F(Provider, ACreateWithoutAConnectionWasNotSent) {
  RunpodProvider provider(client_, clock_, quick(fakes::dead_url(io_)));
  EXPECT_TRUE(std::holds_alternative<CreateNotSent>(run(io_, provider.create(plain_spec()))));
}

TEST_F(Provider, AnImpossibleSpecificationIsNotSent) {
  auto& service = serve([](const ServerRequest&, int) { return json_answer(201, pod_json("p1")); });
  auto provider = this->provider();
  PodSpec spec = plain_spec();
  spec.image.clear();
  EXPECT_TRUE(std::holds_alternative<CreateInvalid>(run(io_, provider.create(spec))));
  EXPECT_TRUE(service.requests.empty());
}

TEST_F(Provider, AnAddressThatCannotBeUsedIsNoAmbiguity) {
  for (const char* url : {"ftp://127.0.0.1/v2", "no address", "http://127.0.0.1:1/\r\nX: y"}) {
    RunpodProvider provider(client_, clock_, quick(url));
    EXPECT_TRUE(std::holds_alternative<CreateInvalid>(run(io_, provider.create(plain_spec())))) << url;
    EXPECT_EQ(run(io_, provider.remove(PodId("p"))), DeleteOutcome::not_sent) << url;
  }
}

TEST_F(Provider, ListsAllPagesOnceEach) {
  auto& service = serve([](const ServerRequest& request, int) {
    const std::string cursor = cursor_of(request);
    if (cursor.empty()) return json_answer(200, page_json({"a", "b"}, "c+1/="));
    if (cursor == "c+1/=") return json_answer(200, page_json({}, "c2"));
    return json_answer(200, page_json({"b", "c"}, ""));
  });
  auto provider = this->provider();
  const auto pods = run(io_, provider.list());
  ASSERT_TRUE(pods) << pods.error().message;
  std::vector<std::string> ids;
  for (const Pod& pod : *pods) ids.push_back(pod.id.str());
  EXPECT_EQ(ids, (std::vector<std::string>{"a", "b", "c"}))
      << "a pod that moved between pages is listed once";
  ASSERT_EQ(service.requests.size(), 3U);
  EXPECT_EQ(service.requests[0].target, "/v2/pods?limit=1000");
  EXPECT_EQ(service.requests[1].target, "/v2/pods?limit=1000&cursor=c%2B1%2F%3D");
}

TEST_F(Provider, APartOfTheListIsNoList) {
  const std::vector<std::pair<ServerResponse, ErrorKind>> second_pages{
      {json_answer(500, R"({"title":"T","status":500,"detail":"d"})"), ErrorKind::unavailable},
      {json_answer(422, R"({"title":"T","status":422,"detail":"bad cursor"})"), ErrorKind::invalid_input},
      {no_answer(), ErrorKind::unavailable},
      {html_answer(200), ErrorKind::malformed},
      {json_answer(200, R"({"pods":[{"id":"x"}]})"), ErrorKind::malformed},
      {json_answer(200, R"({"pods":[)"), ErrorKind::malformed},
  };
  for (const auto& [answer, kind] : second_pages) {
    serve([&answer = answer](const ServerRequest& request, int) {
      return cursor_of(request).empty() ? json_answer(200, page_json({"a"}, "c1")) : answer;
    });
    auto provider = this->provider();
    const auto pods = run(io_, provider.list());
    ASSERT_FALSE(pods) << answer.body;
    EXPECT_EQ(pods.error().kind, kind) << pods.error().message;
    EXPECT_THAT(pods.error().message, HasSubstr("page 2"));
  }
}

TEST_F(Provider, ACursorThatLeadsBackEndsTheList) {
  auto& service = serve([](const ServerRequest& request, int) {
    return json_answer(200, page_json({}, cursor_of(request) == "c1" ? "c2" : "c1"));
  });
  auto provider = this->provider();
  EXPECT_EQ(run(io_, provider.list()).error().kind, ErrorKind::malformed);
  EXPECT_LE(service.requests.size(), 3U);
}

TEST_F(Provider, TheNumberOfPagesIsBounded) {
  auto& service = serve([](const ServerRequest&, int number) {
    return json_answer(200, page_json({}, std::to_string(number)));
  });
  Settings settings = quick(service.url);
  settings.max_pages = 3;
  RunpodProvider provider(client_, clock_, settings);
  EXPECT_EQ(run(io_, provider.list()).error().kind, ErrorKind::malformed);
  EXPECT_EQ(service.requests.size(), 3U);
}

TEST_F(Provider, ReadsAreRepeatedAndEnd) {
  auto& service = serve([](const ServerRequest&, int number) {
    if (number == 1) return html_answer(502);
    if (number == 2) return no_answer();
    return json_answer(200, page_json({"a"}, ""));
  });
  auto provider = this->provider();
  EXPECT_TRUE(run(io_, provider.list()));
  EXPECT_EQ(service.requests.size(), 3U);

  auto& failing = serve([](const ServerRequest&, int) { return html_answer(502); });
  auto second = this->provider();
  EXPECT_EQ(run(io_, second.list()).error().kind, ErrorKind::unavailable);
  EXPECT_EQ(failing.requests.size(), 3U);
}

TEST_F(Provider, A404IsNoPodAndNotAnError) {
  serve([](const ServerRequest& request, int) {
    return request.path == "/v2/pods/p1"
               ? json_answer(200, pod_json("p1"))
               : json_answer(404, R"({"title":"T","status":404,"detail":"not found"})");
  });
  auto provider = this->provider();
  const auto found = run(io_, provider.get(PodId("p1")));
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->name, "gpu-p1");
  const auto absent = run(io_, provider.get(PodId("p2")));
  ASSERT_TRUE(absent);
  EXPECT_FALSE(*absent);
}

TEST_F(Provider, AnIdCannotLeaveItsPath) {
  auto& service = serve([](const ServerRequest&, int) { return json_answer(204, ""); });
  auto provider = this->provider();
  run(io_, provider.remove(PodId("../account?x=1")));
  EXPECT_EQ(service.requests.at(0).target, "/v2/pods/..%2Faccount%3Fx%3D1");
}

TEST_F(Provider, DeletesAreRepeatedUntilTheServiceHasSpoken) {
  struct Case {
    std::vector<ServerResponse> answers;
    DeleteOutcome outcome;
    std::size_t requests;
  };
  const auto problem = [](int status) {
    return json_answer(status, R"({"title":"T","status":0,"detail":"d"})");
  };
  const std::vector<Case> cases{
      {{json_answer(204, "")}, DeleteOutcome::accepted, 1},
      {{problem(500), json_answer(204, "")}, DeleteOutcome::accepted, 2},
      {{no_answer(), problem(404)}, DeleteOutcome::not_found, 2},
      {{problem(404)}, DeleteOutcome::not_found, 1},
      {{problem(409)}, DeleteOutcome::refused, 1},
      {{problem(500), problem(503), problem(500), json_answer(204, "")}, DeleteOutcome::ambiguous, 3},
  };
  for (const Case& c : cases) {
    auto& service = serve(
        [&](const ServerRequest&, int number) { return c.answers.at(static_cast<std::size_t>(number) - 1); });
    auto provider = this->provider();
    EXPECT_EQ(run(io_, provider.remove(PodId("p1"))), c.outcome);
    EXPECT_EQ(service.count("DELETE"), static_cast<int>(c.requests));
  }
  RunpodProvider unreachable(client_, clock_, quick(fakes::dead_url(io_)));
  EXPECT_EQ(run(io_, unreachable.remove(PodId("p1"))), DeleteOutcome::not_sent);
}

ServerResponse with_budget(ServerResponse response, const char* rate_limit) {
  response.headers.emplace_back("RateLimit", rate_limit);
  response.headers.emplace_back("RateLimit-Policy", R"("minute";q=60;w=60)");
  return response;
}

TEST_F(Provider, TheBudgetIsWhatTheLastAnswerSaid) {
  serve([](const ServerRequest&, int) {
    return with_budget(json_answer(200, page_json({}, "")), R"("minute";r=41;t=12)");
  });
  auto provider = this->provider();
  ASSERT_TRUE(run(io_, provider.list()));
  const auto budget = provider.budget();
  ASSERT_EQ(budget.size(), 1U);
  EXPECT_EQ(budget[0].name, "minute");
  EXPECT_EQ(budget[0].limit, 60);
  EXPECT_EQ(budget[0].remaining, 41);
  EXPECT_EQ(budget[0].resets_in, 12s);
}

TEST_F(Provider, WithAnEmptyBudgetNothingIsSent) {
  auto& service = serve([](const ServerRequest&, int) {
    return with_budget(json_answer(200, page_json({}, "")), R"("minute";r=0;t=30)");
  });
  auto provider = this->provider();
  ASSERT_TRUE(run(io_, provider.list()));
  const auto list = run(io_, provider.list());
  ASSERT_FALSE(list);
  EXPECT_EQ(list.error().kind, ErrorKind::rate_limited);
  EXPECT_GT(list.error().retry_after.value_or(0s), 0s);
  EXPECT_EQ(run(io_, provider.get(PodId("p"))).error().kind, ErrorKind::rate_limited);
  EXPECT_TRUE(std::holds_alternative<CreateNotSent>(run(io_, provider.create(plain_spec()))));
  EXPECT_EQ(run(io_, provider.remove(PodId("p"))), DeleteOutcome::not_sent);
  EXPECT_EQ(service.requests.size(), 1U);
  clock_.time += 31s;
  EXPECT_TRUE(run(io_, provider.list()));
}

TEST_F(Provider, A429ShutsTheBudgetForAsLongAsItSays) {
  auto& service = serve([](const ServerRequest&, int number) {
    auto response = number == 1
                        ? json_answer(429, R"({"title":"T","status":429,"detail":"rate limit exceeded"})")
                        : json_answer(200, page_json({}, ""));
    if (number == 1) response.headers.emplace_back("Retry-After", "30");
    return response;
  });
  auto provider = this->provider();
  const auto first = run(io_, provider.list());
  ASSERT_FALSE(first);
  EXPECT_EQ(first.error().kind, ErrorKind::rate_limited);
  EXPECT_EQ(first.error().retry_after, 30s);
  EXPECT_TRUE(std::holds_alternative<CreateNotSent>(run(io_, provider.create(plain_spec()))));
  clock_.time += 29s;
  EXPECT_FALSE(run(io_, provider.list()));
  EXPECT_EQ(service.requests.size(), 1U);
  clock_.time += 2s;
  EXPECT_TRUE(run(io_, provider.list()));
  EXPECT_EQ(service.requests.size(), 2U);
}

TEST_F(Provider, TheCatalogueIsAskedAsTheServiceDemands) {
  auto& service = serve([](const ServerRequest& request, int) {
    if (request.path == "/v2/catalog/gpus")
      return json_answer(200, R"({"gpus":[{"id":"A","availability":"LOW"}]})");
    if (request.path == "/v2/catalog/datacenters")
      return json_answer(200, R"({"dataCenters":[{"id":"EU-RO-1"}]})");
    return json_answer(200,
                       R"({"networkVolumes":[{"id":"v1","name":"m","size":10,"dataCenter":"EU-RO-1"}]})");
  });
  auto provider = this->provider();
  EXPECT_EQ(run(io_, provider.gpu_offers(Cloud::community))->at(0).stock, StockLevel::low);
  EXPECT_EQ(run(io_, provider.data_centers())->at(0).id, "EU-RO-1");
  EXPECT_EQ(run(io_, provider.volumes())->at(0).id, "v1");
  EXPECT_EQ(service.requests[0].target,
            "/v2/catalog/gpus?include=AVAILABILITY&product=POD&cloud=COMMUNITY&count=1");
  EXPECT_EQ(service.requests[2].target, "/v2/network-volumes");

  Settings settings = quick(service.url + "/v2");
  settings.min_cuda = "12.4";
  RunpodProvider choosy(client_, clock_, settings);
  ASSERT_TRUE(run(io_, choosy.gpu_offers(Cloud::secure)));
  EXPECT_EQ(service.requests[3].target,
            "/v2/catalog/gpus?include=AVAILABILITY&product=POD&cloud=SECURE&count=1&minCudaVersion=12.4");
}

}  // namespace
}  // namespace gpuwarden::runpod
