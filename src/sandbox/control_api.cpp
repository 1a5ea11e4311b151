#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gpuwarden/base/format.hpp"

#include "problem.hpp"
#include "sandbox_impl.hpp"

namespace gpuwarden::sandbox {
namespace asio = boost::asio;

namespace {

using nlohmann::json;

http::ServerResponse answer(const Result<std::string>& text) {
  if (text) return json_answer(200, *text);
  return json_answer(text.error().kind == ErrorKind::invalid_input ? 400 : 500,
                     json{{"error", text.error().message}}.dump());
}

http::ServerResponse answer(const Result<void>& done) {
  return answer(done ? Result<std::string>("{\"done\":true}") : Result<std::string>(fail(done.error())));
}

ForcedAnswer forced_answer(const json& rule) {
  ForcedAnswer forced;
  forced.method = rule.value("method", "");
  forced.path_prefix = rule.value("path", "");
  forced.status = rule.value("status", 500);
  forced.detail = rule.value("detail", "");
  forced.times = rule.value("times", 1);
  forced.drop = rule.value("drop", false);
  forced.after_effect = rule.value("after_effect", false);
  return forced;
}

}  // namespace

asio::awaitable<http::ServerResponse> Sandbox::Impl::control(http::ServerRequest request) {
  const auto is = [&](std::string_view method, std::string_view path) {
    return request.method == method && request.path == path;
  };
  if (is("GET", "/sandbox/state")) co_return answer(co_await state());
  if (is("GET", "/sandbox/requests")) {
    const auto since = request.query.find("since");
    co_return json_answer(200, requests(since == request.query.end() ? "" : since->second));
  }
  if (request.path == "/sandbox/tasks" && !database)
    co_return json_answer(400,
                          R"({"error":"this sandbox has no database: it was started with --no-database"})");
  if (is("GET", "/sandbox/tasks")) {
    const auto counts = co_await database->task_counts();
    if (!counts) co_return answer(counts);
    const auto list = co_await database->task_list();
    if (!list) co_return answer(list);
    co_return json_answer(200, fmt::format(R"({{"counts":{},"tasks":{}}})", *counts, *list));
  }
  if (is("POST", "/sandbox/stop")) {
    if (on_stop_request) on_stop_request();
    co_return answer(Result<void>());
  }
  const auto body = json::parse(request.body, nullptr, false);
  if (request.method == "POST" && !body.is_object())
    co_return json_answer(400, R"({"error":"the body must be a JSON object"})");
  if (is("POST", "/sandbox/scenario")) {
    const auto wanted = parse_scenario(body.value("name", ""));
    if (!wanted) co_return answer(Result<void>(fail(wanted.error())));
    if (const auto applied = apply(*wanted); !applied) co_return answer(applied);
    co_return json_answer(200, json{{"done", true}, {"scenario", to_string(scenario)}}.dump());
  }
  if (is("POST", "/sandbox/tasks")) {
    const auto ids = co_await database->add_tasks(body.value("count", 1), body.value("seconds", 2.0));
    if (!ids) co_return answer(Result<std::string>(fail(ids.error())));
    co_return json_answer(200, json{{"ids", *ids}}.dump());
  }
  if (is("POST", "/sandbox/fault")) co_return answer(fault(request.body));
  co_return json_answer(404, R"({"error":"no such control"})");
}

Result<void> Sandbox::Impl::fault(const std::string& text) {
  const auto body = json::parse(text);
  const auto on_pod = [&](const char* name, auto act) -> Result<void> {
    const auto id = body.at(name).get<std::string>();
    if (act(id)) return {};
    return fail(ErrorKind::invalid_input, fmt::format("{}: nothing to do for pod '{}'", name, id));
  };
  if (body.contains("exit_pod"))
    return on_pod("exit_pod", [&](const auto& id) { return stand_in->exit_pod(id); });
  if (body.contains("vanish_pod"))
    return on_pod("vanish_pod", [&](const auto& id) { return stand_in->vanish_pod(id); });
  if (body.contains("kill_worker"))
    return on_pod("kill_worker", [&](const auto& id) { return host->kill_processes(id, "worker.sh") > 0; });
  if (body.contains("page_cap"))
    stand_in->set_page_cap(body.at("page_cap").get<std::size_t>());
  else if (body.contains("balance"))
    stand_in->set_balance(body.at("balance").get<bool>());
  else if (body.contains("answer"))
    stand_in->force(forced_answer(body.at("answer")));
  else
    return fail(ErrorKind::invalid_input,
                "a fault is one of exit_pod, vanish_pod, kill_worker, page_cap, balance, answer");
  return {};
}

std::string Sandbox::Impl::requests(const std::string& since) const {
  const auto from = parse_time(since);
  json list = json::array();
  for (const auto& request : stand_in->requests()) {
    if (from && request.time < *from) continue;
    list.push_back({{"time", format_time_ms(request.time)},
                    {"service", "runpod"},
                    {"method", request.method},
                    {"target", request.target},
                    {"status", request.status},
                    {"pod_name", request.pod_name}});
  }
  return json{{"requests", std::move(list)}}.dump();
}

}  // namespace gpuwarden::sandbox
