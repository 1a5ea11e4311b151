#include "gpuwarden/ops/explain.hpp"

#include <algorithm>

#include "gpuwarden/base/format.hpp"

#include "gate_advice.hpp"
#include "json_parts.hpp"

namespace gpuwarden::ops {
namespace {

Json seconds_or_null(const std::optional<Duration>& duration) {
  return duration ? Json(seconds(*duration)) : Json(nullptr);
}

Json advised_gates(const Plan& plan, const control::TickReport& report) {
  const Snapshot* snapshot = report.snapshot ? &*report.snapshot : nullptr;
  Json gates = Json::array();
  for (const Gate& gate : plan.gates) {
    const GateAdvice advice = advice_for(gate, snapshot);
    gates.push_back(
        {{"name", gate.name},
         {"reason", gate.reason},
         {"opens_in_s", seconds_or_null(gate.opens_in)},
         {"opens_at", gate.opens_in ? Json(format_time(report.at + *gate.opens_in)) : Json(nullptr)},
         {"by_itself", advice.by_itself},
         {"remedy", advice.remedy}});
  }
  return gates;
}

Json history_json(const control::GateHistory& history) {
  Json list = Json::array();
  for (const control::GateInterval& interval : history.intervals()) {
    list.push_back({{"gate", interval.gate},
                    {"reason", interval.reason},
                    {"from", format_time(interval.from)},
                    {"until", interval.until ? Json(format_time(*interval.until)) : Json(nullptr)},
                    {"lasted_s", seconds(interval.lasted)}});
  }
  return list;
}

Json next_json(const control::ControlLoop& loop, const control::TickReport& report) {
  // A rehearsal has performed nothing: the next tick would do what it found.
  if (!report.acted)
    return {{"actions", actions_json(report.plan)}, {"gates", advised_gates(report.plan, report)}};
  const Plan plan = loop.rehearse();
  return {{"actions", actions_json(plan)}, {"gates", advised_gates(plan, report)}};
}

Json recent_json(const control::View& view, const WorkerId& worker) {
  Json list = Json::array();
  for (const control::ActionResult& result : *view.recent) {
    if (result.worker != worker.str()) continue;
    list.push_back({{"at", format_time(result.at)},
                    {"action", result.action},
                    {"reason", result.reason},
                    {"ok", result.ok},
                    {"detail", result.detail},
                    {"took_s", seconds(result.took)}});
  }
  return list;
}

/// None: the newest list lacks it or could not be read.
const Pod* pod_of(const Worker& worker, const control::TickReport& report) {
  if (!report.pods) return nullptr;
  const auto found = std::find_if(report.pods->begin(), report.pods->end(), [&](const Pod& pod) {
    return worker.pod.empty() ? pod.name == worker.id.str() : pod.id == worker.pod;
  });
  return found == report.pods->end() ? nullptr : &*found;
}

Json worker_story(const control::ControlLoop& loop, const control::View& view, const WorkerId& id) {
  const auto story = loop.explain(id);
  if (!story) return nullptr;
  const control::TickReport& report = *view.last;
  const auto& rows = report.snapshot->workers;
  const auto row = std::find_if(rows.begin(), rows.end(), [&](const Worker& one) { return one.id == id; });
  if (row == rows.end()) return nullptr;
  Json json = worker_json(*row);
  const Pod* pod = pod_of(*row, report);
  json["pod_status"] = pod == nullptr ? Json(nullptr) : Json(to_string(pod->status));
  json["pod_uptime_s"] = pod == nullptr ? Json(nullptr) : seconds_or_null(pod->uptime);
  json["generation"] = row->generation;
  json["proven"] = row->proven;
  json["heartbeat"] = {{"by_database_s", seconds_or_null(story->heartbeat_by_database)},
                       {"by_us_s", seconds_or_null(story->heartbeat_by_us)},
                       {"watched_s", seconds_or_null(story->watched_for)}};
  Json deadlines = Json::array();
  for (const policy::Deadline& deadline : story->deadlines) {
    deadlines.push_back({{"what", deadline.what},
                         {"setting", deadline.setting},
                         {"in_s", seconds_or_null(deadline.in)},
                         {"at", deadline.in ? Json(format_time(report.at + *deadline.in)) : Json(nullptr)},
                         {"then", deadline.then}});
  }
  json["deadlines"] = std::move(deadlines);
  json["because"] = story->because;
  const auto doing = [&](const std::string& text) { return text.ends_with(" " + id.str()); };
  Json in_flight = Json::array();
  for (const std::string& action : view.in_flight) {
    if (doing(action)) in_flight.push_back(action);
  }
  json["in_flight"] = std::move(in_flight);
  json["recent"] = recent_json(view, id);
  return json;
}

}  // namespace

std::optional<std::string> explain_json(const control::ControlLoop& loop, const WorkerId& worker) {
  const control::View view = loop.view();
  if (view.last == nullptr) return std::nullopt;
  const control::TickReport& report = *view.last;
  Json json = report_json(report);
  json["fresh"] = !report.acted;
  json["next_tick_in_s"] = seconds_or_null(view.next_tick_in);
  Json kinds = Json::array();
  if (!report.snapshot) kinds.push_back(to_string(report.snapshot_error_kind));
  if (!report.pods) kinds.push_back(to_string(report.pods_error_kind));
  json["error_kinds"] = std::move(kinds);
  if (report.snapshot) json["queue"] = queue_json(report.snapshot->queue);
  json["gates"] = advised_gates(report.plan, report);
  json["in_flight"] = view.in_flight;
  if (!worker.empty()) {
    json["worker"] = worker_story(loop, view, worker);
    return dump(json);
  }
  json["missing"] = report.plan.scale.wanted - report.plan.scale.capacity;
  json["next"] = next_json(loop, report);
  json["history"] = history_json(*view.gates);
  return dump(json);
}

}  // namespace gpuwarden::ops
