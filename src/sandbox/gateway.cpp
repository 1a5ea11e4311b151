#include "gpuwarden/sandbox/gateway.hpp"

#include <array>
#include <optional>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gpuwarden/http/client.hpp"
#include "gpuwarden/http/server.hpp"

#include "gateway_keys.hpp"
#include "problem.hpp"
#include "roles.hpp"

namespace gpuwarden::sandbox {
namespace asio = boost::asio;

using nlohmann::json;

struct Gateway::State : std::enable_shared_from_this<Gateway::State> {
  State(const asio::any_io_executor& executor_in, GatewayOptions options_in)
      : executor(executor_in),
        options(std::move(options_in)),
        client(executor_in, {"gpuwarden-sandbox", 64}) {}

  asio::any_io_executor executor;
  GatewayOptions options;
  http::Client client;
  std::unique_ptr<http::Server> server;
  std::uint16_t port{0};
  Outage outage{Outage::none};
  Duration delay{0};
  PodAccess pod_access{PodAccess::all};
  std::map<std::string, long> requests;

  asio::awaitable<http::ServerResponse> handle(http::ServerRequest request);
  asio::awaitable<http::ServerResponse> forward(const http::ServerRequest& request, const std::string& jwt);
  asio::awaitable<http::ServerResponse> task_counts(const Admission& admission);
};

namespace {

constexpr std::string_view kRest = "/rest/v1";
constexpr std::string_view kRpc = "/rest/v1/rpc/";
constexpr std::string_view kTaskCounts = "/functions/v1/task-counts";

/// What counts as reading, for the outage in which only that fails.
constexpr std::array<std::string_view, 10> kReadingFunctions{
    "gpuwarden_snapshot",   "gpuwarden_queue_depth",   "gpuwarden_list_failures", "gpuwarden_list_workers",
    "gpuwarden_list_tasks", "gpuwarden_get_worker",    "gpuwarden_health",        "gpuwarden_list_events",
    "gpuwarden_get_task",   "gpuwarden_failure_groups"};

std::string name_of(const http::ServerRequest& request) {
  if (request.path.starts_with(kRpc)) return request.path.substr(kRpc.size());
  if (request.path == kTaskCounts) return "task-counts";
  const bool rest = request.path.starts_with(kRest);
  return request.method + " " + (rest ? request.path.substr(kRest.size()) : request.path);
}

bool reads(const http::ServerRequest& request) {
  if (request.method == "GET" || request.method == "HEAD" || request.path == kTaskCounts) return true;
  const auto name = name_of(request);
  return std::find(kReadingFunctions.begin(), kReadingFunctions.end(), name) != kReadingFunctions.end();
}

http::ServerResponse dropped() {
  http::ServerResponse response;
  response.drop = true;
  return response;
}

bool is_open(PodAccess access, const http::ServerRequest& request) {
  const bool ping = request.body.find(R"("kind":"ping")") != std::string::npos;
  return access == PodAccess::all || (access == PodAccess::pings && ping);
}

http::ServerResponse edge_page() {
  http::ServerResponse response;
  response.status = 520;
  response.headers = {{"content-type", "text/html; charset=UTF-8"}};
  response.body =
      "<!DOCTYPE html>\n<html lang=\"en-US\"><head><title>sandbox.supabase.co | 520: Web server is returning "
      "an unknown error</title></head><body><h1>Error code 520</h1></body></html>\n";
  return response;
}

http::ServerResponse no_database() {
  auto response = json_answer(503, json{{"code", "PGRST001"},
                                        {"details", "connection to server was lost"},
                                        {"hint", nullptr},
                                        {"message", "Database client error. Retrying the connection."}}
                                       .dump());
  response.headers.emplace_back("retry-after", "1");
  return response;
}

http::ServerResponse bad_gateway() {
  return json_answer(502, R"({"message":"An invalid response was received from the upstream server"})");
}

}  // namespace

asio::awaitable<http::ServerResponse> Gateway::State::forward(const http::ServerRequest& request,
                                                              const std::string& jwt) {
  http::Request out;
  out.method = request.method;
  const auto target = request.target.substr(std::min(kRest.size(), request.target.size()));
  out.url = options.postgrest_url + (target.starts_with('/') ? target : "/" + target);
  out.body = request.body;
  out.max_body = 256U << 20U;
  for (const auto* name :
       {"content-type", "accept", "prefer", "range", "range-unit", "accept-profile", "content-profile"})
    if (const auto value = request.header(name)) out.headers.emplace_back(name, std::string(*value));
  out.headers.emplace_back("authorization", "Bearer " + jwt);
  if (outage == Outage::unwritable) out.headers.emplace_back(kReadOnlyHeader, "1");
  const auto answer = co_await client.fetch(std::move(out));
  if (!answer) co_return bad_gateway();
  http::ServerResponse response;
  response.status = answer->status;
  response.body = answer->body;
  for (const auto* name : {"content-type", "content-range", "location", "preference-applied", "retry-after",
                           "proxy-status", "www-authenticate"})
    if (const auto value = answer->header(name)) response.headers.emplace_back(name, std::string(*value));
  co_return response;
}

asio::awaitable<http::ServerResponse> Gateway::State::task_counts(const Admission& admission) {
  if (!admission.service_key) co_return json_answer(401, R"({"error":"Invalid or missing authorization"})");
  http::ServerRequest request;
  request.method = "POST";
  request.target = std::string(kRpc) + "gpuwarden_queue_depth";
  request.headers = {{"content-type", "application/json"}};
  request.body = "{}";
  auto answer = co_await forward(request, make_jwt("service_role", options.jwt_secret));
  const auto depth = json::parse(answer.body, nullptr, false);
  if (answer.status != 200 || !depth.is_object())
    co_return json_answer(500, R"({"error":"Failed to count tasks"})");
  const long queued = depth.value("queued", 0L);
  const long running = depth.value("running", 0L);
  const long blocked = depth.value("blocked", 0L);
  co_return json_answer(200, json{{"run_type_filter", "gpu"},
                                  {"totals",
                                   {{"queued_only", queued},
                                    {"active_only", running},
                                    {"queued_plus_active", queued + running},
                                    {"blocked_by_capacity", 0},
                                    {"blocked_by_deps", blocked},
                                    {"blocked_by_settings", 0},
                                    {"potentially_claimable", queued + blocked}}}}
                                 .dump());
}

asio::awaitable<http::ServerResponse> Gateway::State::handle(http::ServerRequest request) {
  ++requests[name_of(request)];
  if (delay > Duration(0)) {
    asio::steady_timer timer(executor, delay);
    co_await timer.async_wait(asio::use_awaitable);
  }
  if (outage == Outage::down) co_return dropped();
  if (outage == Outage::html520) co_return edge_page();
  const auto admission = admit(request, options);
  if (admission.refusal) co_return *admission.refusal;
  if (admission.publishable_key && !is_open(pod_access, request)) co_return dropped();
  if (outage == Outage::unreadable && reads(request)) co_return no_database();
  if (request.path == kTaskCounts && request.method == "POST") co_return co_await task_counts(admission);
  if (request.path == kRest || request.path.starts_with(std::string(kRest) + "/"))
    co_return co_await forward(request, admission.jwt);
  co_return json_answer(404, R"({"message":"no Route matched with those values"})");
}

Gateway::Gateway(const asio::any_io_executor& executor, GatewayOptions options)
    : state_(std::make_shared<State>(executor, std::move(options))) {}

Gateway::~Gateway() {
  stop();
}

Result<void> Gateway::start() {
  // Handlers may outlive this object: they hold the state, which lets go of the server in stop().
  state_->server = std::make_unique<http::Server>(
      state_->executor,
      [state = std::weak_ptr(state_)](http::ServerRequest request) -> asio::awaitable<http::ServerResponse> {
        const auto alive = state.lock();
        if (!alive) co_return dropped();
        co_return co_await alive->handle(std::move(request));
      });
  const auto port = state_->server->listen_tcp("127.0.0.1", 0);
  if (!port) return fail(port.error());
  state_->port = *port;
  return {};
}

void Gateway::stop() {
  if (state_->server) state_->server->stop();
  state_->server.reset();
}

std::string Gateway::url() const {
  return fmt::format("http://127.0.0.1:{}", state_->port);
}
std::string Gateway::legacy_anon_key() const {
  return make_jwt("anon", state_->options.jwt_secret);
}
std::string Gateway::legacy_service_key() const {
  return make_jwt("service_role", state_->options.jwt_secret);
}
void Gateway::set_outage(Outage outage) {
  state_->outage = outage;
}
void Gateway::set_delay(Duration delay) {
  state_->delay = delay;
}
void Gateway::cut_off_pods(PodAccess left) {
  state_->pod_access = left;
}
const std::map<std::string, long>& Gateway::requests() const {
  return state_->requests;
}

}  // namespace gpuwarden::sandbox
