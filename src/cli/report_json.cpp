#include "gpuwarden/base/format.hpp"

#include "report_view.hpp"

namespace gpuwarden::cli {
namespace {

Json counts_json(const diagnosis::Counts& counts) {
  Json json = Json::object();
  for (const auto& [value, count] : counts) json[value] = count;
  return json;
}

Json cause_json(const diagnosis::ReportedCause& cause) {
  return {{"cause", cause.cause},
          {"fingerprint", text_or_null(cause.fingerprint)},
          {"pods", cause.pods},
          {"cost_usd", cause.cost_usd},
          {"first", format_time(cause.first)},
          {"last", format_time(cause.last)},
          {"summary", text_or_null(cause.summary)},
          {"evidence_line", text_or_null(cause.evidence_line)},
          {"last_lines", cause.last_words},
          {"advice", text_or_null(cause.advice)},
          {"scope", text_or_null(cause.scope)},
          {"counts_for_breaker", cause.counts},
          {"newest_worker", cause.newest.str()},
          {"exit_code", cause.exit_code ? Json(*cause.exit_code) : Json(nullptr)},
          {"signal", text_or_null(cause.signal)},
          {"channels", counts_json(cause.channels)},
          {"phases", counts_json(cause.phases)},
          {"data_centers", counts_json(cause.data_centers)},
          {"gpus", counts_json(cause.gpus)},
          {"commits", counts_json(cause.commits)},
          {"images", counts_json(cause.images)},
          {"scripts", counts_json(cause.scripts)},
          {"missing", counts_json(cause.missing)}};
}

Json pattern_json(const diagnosis::Pattern& pattern) {
  Json bursts = Json::array(), changes = Json::array();
  for (const diagnosis::Burst& burst : pattern.bursts)
    bursts.push_back({{"first", format_time(burst.first)},
                      {"last", format_time(burst.last)},
                      {"pods", burst.pods},
                      {"causes", counts_json(burst.causes)}});
  for (const diagnosis::Change& change : pattern.changes)
    changes.push_back({{"what", change.what},
                       {"value", change.value},
                       {"since", format_time(change.since)},
                       {"failures", change.failures},
                       {"previous", change.previous},
                       {"previous_success", time_or_null(change.previous_success)},
                       {"previous_successes", change.previous_successes}});
  return {{"period_s", pattern.period ? Json(seconds(*pattern.period)) : Json(nullptr)},
          {"first_half", pattern.earlier},
          {"second_half", pattern.later},
          {"bursts", std::move(bursts)},
          {"changes", std::move(changes)}};
}

Json steps_json(const std::vector<diagnosis::Step>& steps) {
  Json json = Json::array();
  for (const diagnosis::Step& step : steps)
    json.push_back({{"text", step.text}, {"commands", step.commands}});
  return json;
}

}  // namespace

Json report_json(const diagnosis::IncidentReport& report) {
  Json causes = Json::array(), ruled_out = Json::array();
  for (const diagnosis::ReportedCause& cause : report.causes) causes.push_back(cause_json(cause));
  for (const diagnosis::RuledOut& entry : report.ruled_out)
    ruled_out.push_back({{"what", entry.what}, {"evidence", entry.evidence}});
  return {{"at", format_time_ms(report.now)},
          {"since_s", seconds(report.window)},
          {"headline", report.headline},
          {"state",
           {{"starts", report.starts},
            {"failed_starts", report.failed_starts},
            {"scaling", to_string(report.scaling)},
            {"scaling_why", report.scaling_why},
            {"active", report.live.active},
            {"spawning", report.live.spawning},
            {"ending", report.live.terminating + report.live.error},
            {"queued", report.queue.queued},
            {"running", report.queue.running},
            {"blocked", report.queue.blocked},
            {"failures", report.failures},
            {"failures_usd", report.failures_usd},
            {"failures_not_read", report.unread},
            {"spent_last_day_usd", report.spent_last_day_usd},
            {"recovered_starts", report.recovered},
            {"recovered_at", time_or_null(report.recovered_at)}}},
          {"causes", std::move(causes)},
          {"timeline", pattern_json(report.pattern)},
          {"ruled_out", std::move(ruled_out)},
          {"fixes", steps_json(report.fixes)},
          {"next", steps_json(report.next)}};
}

}  // namespace gpuwarden::cli
