#include "gpuwarden/ops/api.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/ops/explain.hpp"

#include "json_parts.hpp"
#include "metrics.hpp"

namespace gpuwarden::ops {
namespace {

Json last_errors(const control::View& view) {
  Json errors = Json::array();
  constexpr std::size_t kMost = 10;
  for (auto result = view.recent->rbegin(); result != view.recent->rend() && errors.size() < kMost;
       ++result) {
    if (!result->ok)
      errors.push_back(fmt::format("{} {}: {}", result->action, result->worker, result->detail));
  }
  return errors;
}

Json status_json(const control::View& view, const std::vector<BudgetWindow>& budget,
                 const ProcessFacts& facts, WallTime now) {
  Json json{{"daemon",
             {{"version", facts.version},
              {"pid", facts.pid},
              {"uptime_s", seconds(now - facts.started_at)},
              {"holder", view.holder},
              {"longest_stall_ms", view.longest_stall.count()}}}};
  json["in_flight"] = view.in_flight;
  json["last_errors"] = last_errors(view);
  Json windows = Json::array();
  for (const BudgetWindow& window : budget) {
    windows.push_back({{"window", window.name},
                       {"limit", window.limit},
                       {"remaining", window.remaining},
                       {"resets_in_s", seconds(window.resets_in)}});
  }
  json["runpod_budget"] = std::move(windows);
  if (view.last == nullptr) return json;
  const control::TickReport& report = *view.last;
  json.update(report_json(report));
  if (!report.snapshot) return json;
  const Snapshot& snapshot = *report.snapshot;
  json["daemon"]["leading"] = snapshot.leader.leading;
  json["daemon"]["epoch"] = snapshot.leader.epoch;
  json["queue"] = queue_json(snapshot.queue);
  json["breaker"] = breaker_json(snapshot);
  json["failing"] = failing_json(snapshot);
  json["paused"] = snapshot.switches.paused;
  json["spent_last_day_usd"] = snapshot.spent_last_day_usd;
  json["fruitless_last_day_usd"] = snapshot.fruitless_last_day_usd;
  Json workers = Json::array();
  for (const Worker& worker : snapshot.workers) workers.push_back(worker_json(worker));
  json["workers"] = std::move(workers);
  if (report.pods) json["pods"] = report.pods->size();
  return json;
}

constexpr std::string_view kPage = R"(<!doctype html><meta charset="utf-8"><title>gpuwarden</title>
<style>body{font:14px/1.5 system-ui,sans-serif;margin:2em auto;max-width:70em;padding:0 1em}pre{overflow:auto}</style>
<h1>gpuwarden</h1><p><a href="/v1/status">status</a> · <a href="/v1/plan">plan</a> · <a href="/v1/explain">explain</a> · <a href="/metrics">metrics</a></p>
)";

}  // namespace

Api::Api(const control::ControlLoop& loop, const ports::PodProvider& provider, const ports::Clock& clock,
         ProcessFacts facts)
    : loop_(loop), provider_(provider), clock_(clock), facts_(std::move(facts)) {}

Answer Api::get(std::string_view path) const {
  const control::View view = loop_.view();
  if (path == "/v1/status")
    return {200, "application/json", dump(status_json(view, provider_.budget(), facts_, clock_.wall()))};
  if (path == "/v1/plan") {
    if (view.last == nullptr) return {503, "application/json", R"({"error":"no tick yet"})"};
    return {200, "application/json", dump(report_json(*view.last))};
  }
  constexpr std::string_view kExplain = "/v1/explain";
  if (path == kExplain || path.starts_with("/v1/explain/")) {
    path.remove_prefix(std::min(path.size(), kExplain.size() + 1));
    const auto json = explain_json(loop_, WorkerId(std::string(path)));
    if (!json) return {503, "application/json", R"({"error":"no tick yet"})"};
    return {200, "application/json", *json};
  }
  if (path == "/metrics") return {200, "text/plain; version=0.0.4", metrics_text(view, provider_.budget())};
  if (path == "/healthz") return {200, "text/plain", "ok\n"};
  if (path == "/") return {200, "text/html; charset=utf-8", std::string(kPage)};
  return {404, "application/json", R"({"error":"no such path; try /v1/status"})"};
}

}  // namespace gpuwarden::ops
