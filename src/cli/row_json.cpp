#include "row_json.hpp"

#include "gpuwarden/base/format.hpp"

namespace gpuwarden::cli {

Json parsed_or_null(const std::string& text) {
  Json json = Json::parse(text, nullptr, false);
  return json.is_discarded() ? Json(nullptr) : json;
}

Json worker_row_json(const ports::WorkerRow& row) {
  return {{"id", row.id},
          {"status", row.status},
          {"phase", row.phase},
          {"pod", text_or_null(row.pod)},
          {"gpu", text_or_null(row.gpu)},
          {"data_center", text_or_null(row.data_center)},
          {"created_at", format_time(row.created_at)},
          {"last_heartbeat", time_or_null(row.last_heartbeat)},
          {"ended_at", time_or_null(row.ended_at)},
          {"cost_usd", row.cost_usd},
          {"cause", text_or_null(row.cause)},
          {"summary", text_or_null(row.summary)},
          {"details", parsed_or_null(row.details_json)}};
}

Json failure_row_json(const ports::FailureRow& row) {
  return {{"id", row.id},
          {"at", format_time(row.created_at)},
          {"worker", row.worker},
          {"cause", row.cause},
          {"summary", row.summary},
          {"evidence_line", text_or_null(row.evidence_line)},
          {"phase", text_or_null(row.phase)},
          {"pod", text_or_null(row.pod)},
          {"gpu", text_or_null(row.gpu)},
          {"data_center", text_or_null(row.data_center)},
          {"fingerprint", text_or_null(row.fingerprint)},
          {"cost_usd", row.cost_usd},
          {"evidence", parsed_or_null(row.evidence_json)}};
}

Json task_row_json(const ports::TaskRow& row) {
  return {{"id", row.id},
          {"type", row.type},
          {"status", row.status},
          {"attempts", row.attempts},
          {"worker", text_or_null(row.worker)},
          {"error", text_or_null(row.error)},
          {"created_at", format_time(row.created_at)},
          {"updated_at", format_time(row.updated_at)}};
}

Colour status_colour(std::string_view status) {
  if (status == "active" || status == "Complete") return Colour::green;
  if (status == "error" || status == "Failed") return Colour::red;
  if (status == "spawning" || status == "terminating" || status == "In Progress") return Colour::yellow;
  if (status == "terminated" || status == "Cancelled") return Colour::dim;
  return Colour::none;
}

}  // namespace gpuwarden::cli
