#include <algorithm>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "pod_rules.hpp"
#include "problem.hpp"
#include "runpod_impl.hpp"

namespace gpuwarden::sandbox {
namespace asio = boost::asio;

namespace {

constexpr std::size_t kKeptRequests = 20000;
constexpr Duration kLogPoll{100};
constexpr int kKeepAlivePolls = 50;  // a peer that has gone is noticed by writing to it

http::ServerResponse not_allowed(std::string_view allow) {
  auto response = problem(405, "The requested method is not allowed for this path.");
  response.headers.emplace_back("allow", allow);
  return response;
}

http::ServerResponse from(const CatalogAnswer& answer) {
  if (answer.status != 200) return problem(answer.status, answer.detail, answer.errors);
  return json_answer(200, answer.body);
}

bool is_json_body(const http::ServerRequest& request) {
  const auto type = request.header("content-type").value_or("");
  return type == "application/json" || type.starts_with("application/json;");
}

}  // namespace

RunpodStandIn::Impl::Impl(asio::any_io_executor executor_in, StandInOptions options_in, PodHost& host_in,
                          std::function<Now()> now_in)
    : executor(std::move(executor_in)),
      options(std::move(options_in)),
      host(host_in),
      now(std::move(now_in)),
      quota(options.quota_per_minute) {}

void RunpodStandIn::Impl::note(const http::ServerRequest& request, int status) {
  SeenRequest seen{now().wall, request.method, request.target, status, ""};
  if (request.method == "POST" && request.path == "/v2/pods") {
    const auto body = nlohmann::json::parse(request.body, nullptr, false);
    if (body.is_object() && body.contains("name") && body.at("name").is_string())
      seen.pod_name = body.at("name");
  }
  requests.push_back(std::move(seen));
  if (requests.size() > kKeptRequests) requests.pop_front();
}

asio::awaitable<http::ServerResponse> RunpodStandIn::Impl::answer(http::ServerRequest request) {
  http::ServerResponse response;
  if (request.header("user-agent").value_or("").empty()) {
    response = edge_block();
  } else if (auto refused = check_access(request)) {
    response = std::move(*refused);
  } else {
    const auto rule = std::find_if(forced.begin(), forced.end(), [&](const ForcedAnswer& each) {
      return (each.method.empty() || each.method == request.method) &&
             request.path.starts_with(each.path_prefix);
    });
    if (rule == forced.end()) {
      response = route(request);
    } else {
      if (rule->after_effect) route(request);
      response = problem(rule->status, rule->detail.empty() ? kServerError : std::string_view(rule->detail));
      response.drop = rule->drop;
      if (--rule->times <= 0) forced.erase(rule);
    }
    response.headers.emplace_back("RateLimit", quota.rate_limit_header(now().mono));
    response.headers.emplace_back("RateLimit-Policy", quota.policy_header());
  }
  response.headers.emplace_back("x-request-id", random_word(20));
  note(request, response.drop ? 0 : response.status);
  co_return response;
}

std::optional<http::ServerResponse> RunpodStandIn::Impl::check_access(const http::ServerRequest& request) {
  constexpr std::string_view kBearer = "Bearer ";
  const auto authorization = request.header("authorization").value_or("");
  if (!authorization.starts_with(kBearer) || authorization.size() == kBearer.size())
    return problem(401, kMissingToken);
  const auto key = authorization.substr(kBearer.size());
  if (key != options.api_key) {
    // A pod's own key opens nothing but that pod.
    const auto pods = book.living();
    const auto owner =
        std::find_if(pods.begin(), pods.end(), [&](const PodPtr& pod) { return pod->api_key == key; });
    if (owner == pods.end()) return problem(401, "invalid bearer token");
    if (request.path != "/v2/pods/" + (*owner)->id) return problem(403, kAccessDenied);
  }
  if (const auto exceeded = quota.spend(now().mono)) {
    auto response = problem(429, fmt::format(fmt::runtime(kRateLimited), exceeded->window));
    response.headers.emplace_back("Retry-After", std::to_string(exceeded->retry_after_s));
    response.headers.emplace_back("RateLimit", quota.rate_limit_header(now().mono));
    response.headers.emplace_back("RateLimit-Policy", quota.policy_header());
    return response;
  }
  return std::nullopt;
}

http::ServerResponse RunpodStandIn::Impl::route(const http::ServerRequest& request) {
  const auto get_only = [&](auto handler) {
    return request.method == "GET" ? handler() : not_allowed("GET");
  };
  const auto& path = request.path;
  if (path == "/v2/pods") {
    if (request.method == "POST") {
      ++create_requests;
      return create(request);
    }
    return request.method == "GET" ? list(request) : not_allowed("GET, POST");
  }
  constexpr std::string_view kPods = "/v2/pods/";
  if (path.starts_with(kPods)) {
    const auto rest = path.substr(kPods.size());
    const auto slash = rest.find('/');
    if (slash == std::string::npos) return one_pod(request, rest);
    if (rest.substr(slash) == "/logs") return get_only([&] { return logs(request, rest.substr(0, slash)); });
  }
  if (path == "/v2/catalog/gpus") return get_only([&] { return from(list_gpus(request.query, sold_out)); });
  if (path == "/v2/catalog/datacenters")
    return get_only([&] { return from(list_data_centers(request.query, sold_out)); });
  if (path == "/v2/network-volumes") return get_only([] { return json_answer(200, list_volumes()); });
  if (path == "/v2/account/ssh-keys")
    return get_only([&] {
      return json_answer(200, nlohmann::json{{"keys", options.account_ssh_keys}}.dump());
    });
  return problem(404, "resource not found");
}

http::ServerResponse RunpodStandIn::Impl::create(const http::ServerRequest& request) {
  if (!is_json_body(request)) return problem(415, "content type must be application/json");
  const auto body = nlohmann::json::parse(request.body, nullptr, false);
  if (body.is_discarded()) return problem(400, "request body is not valid JSON");
  if (const auto refusal = check_create(body, sold_out))
    return problem(refusal.status, refusal.detail, refusal.errors);
  if (!balance) return problem(402, kNoBalance);
  const auto pod = book.create(request.body, place(body, sold_out), now());
  if (body.value("startSsh", false) && !pod->env.contains("PUBLIC_KEY") && !options.account_ssh_keys.empty())
    pod->env["PUBLIC_KEY"] = fmt::format("{}", fmt::join(options.account_ssh_keys, "\n"));
  asio::co_spawn(
      executor, [self = shared_from_this(), pod]() -> asio::awaitable<void> { co_await self->live(pod); },
      asio::detached);
  if (scenario.kind == ScenarioKind::create_500_but_created) {
    auto response = problem(500, kServerError);
    response.drop = scenario.param == "drop";
    return response;
  }
  return json_answer(201, pod_json(*pod, now().mono));
}

http::ServerResponse RunpodStandIn::Impl::list(const http::ServerRequest& request) {
  const auto page = parse_page(request.query);
  if (!page) return problem(422, kValidationFailed, page.error());
  const Duration lag = scenario.kind == ScenarioKind::list_lag
                           ? Duration(std::chrono::seconds(param_number(scenario)))
                           : Duration(0);
  return json_answer(200, book.list(*page, now().mono, lag, page_cap));
}

http::ServerResponse RunpodStandIn::Impl::one_pod(const http::ServerRequest& request, const std::string& id) {
  if (request.method != "GET" && request.method != "DELETE") return not_allowed("GET, DELETE");
  const auto pod = book.find(id);
  if (!pod) return problem(404, kPodNotFound);
  if (request.method == "GET") return json_answer(200, pod_json(*pod, now().mono));
  remove(id);
  http::ServerResponse response;
  response.status = 204;
  return response;
}

http::ServerResponse RunpodStandIn::Impl::logs(const http::ServerRequest& request, const std::string& id) {
  const auto pod = book.find(id);
  if (!pod) return problem(404, kPodNotFound);
  const auto filter = parse_log_query(request.query, request.header("last-event-id"));
  if (!filter) return problem(422, kValidationFailed, filter.error());
  http::ServerResponse response;
  response.headers = {
      {"content-type", "text/event-stream"}, {"cache-control", "no-cache"}, {"x-accel-buffering", "no"}};
  response.stream = [self = shared_from_this(), pod,
                     first = *filter](http::SendChunk send) -> asio::awaitable<void> {
    auto next = first;
    int quiet_polls = 0;
    while (true) {
      std::string events;
      // What is sent now is everything up to this line, also lines of the other source.
      const auto upto = pod->log.last_number();
      for (const auto& line : pod->log.select(next)) events += to_event(line);
      next.after = upto;
      next.since.reset();
      next.tail = std::string::npos;
      if (++quiet_polls >= kKeepAlivePolls && events.empty()) events = ": keep-alive\n\n";
      if (!events.empty()) {
        quiet_polls = 0;
        if (!co_await send(std::move(events))) co_return;
      }
      if (self->stopping || pod->deleted) co_return;
      co_await self->wait(kLogPoll);
    }
  };
  return response;
}

}  // namespace gpuwarden::sandbox
