#include "event_words.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

#include "json_access.hpp"
#include "row_json.hpp"

namespace gpuwarden::cli {
namespace {

std::string scalar(const Json& detail, const char* name) {
  const Json& value = at(detail, name);
  if (value.is_string()) return printable(value.get<std::string>());
  return value.is_null() || value.is_structured() ? std::string() : value.dump();
}

/// Those that say something, joined.
std::string joined(std::initializer_list<std::string> parts, std::string_view by = ", ") {
  std::string out;
  for (const std::string& part : parts) {
    if (part.empty()) continue;
    if (!out.empty()) out += by;
    out += part;
  }
  return out;
}

std::string with(std::string_view word, const std::string& value) {
  return value.empty() ? std::string() : fmt::format("{} {}", word, value);
}

std::string crash_text(const Json& detail) {
  return joined({with("in", scalar(detail, "step")), with("exit", scalar(detail, "exit_code")),
                 with("signal", scalar(detail, "signal")), scalar(detail, "line")});
}

std::string failure_text(const Json& detail) {
  const std::string line = scalar(detail, "evidence_line");
  const std::string before = scalar(detail, "before");
  return joined({scalar(detail, "cause") + (before.empty() ? "" : fmt::format(" (was {})", before)),
                 line.empty() ? scalar(detail, "summary") : line},
                ": ");
}

std::string task_text(const ports::EventRow& event, const Json& detail) {
  const int attempt = event_attempt(event);
  return joined(
      {joined({event.task, attempt > 0 ? fmt::format("attempt {}", attempt) : "", scalar(detail, "type")}),
       event_reason(event)},
      ": ");
}

}  // namespace

std::string event_name(const ports::EventRow& event) {
  if (event.event == "phase") {
    std::string phase = text(parsed_or_null(event.detail_json), "phase");
    if (!phase.empty()) return phase;
  }
  std::string name = printable(event.event);
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

std::string event_text(const ports::EventRow& event) {
  const Json detail = parsed_or_null(event.detail_json);
  if (!event.task.empty()) return task_text(event, detail);
  if (event.event == "registered") {
    return joined({joined({scalar(detail, "gpu"), with("in", scalar(detail, "data_center"))}, " "),
                   at(detail, "canary") == true ? "the breaker's probe" : ""});
  }
  if (event.event == "pod") {
    const Json& cost = at(detail, "cost_per_hr");
    return joined({scalar(detail, "pod"),
                   cost.is_number() ? format_usd(cost.get<double>()) + " an hour" : std::string()});
  }
  if (event.event == "phase") return scalar(detail, "status");
  if (event.event == "crash") return crash_text(detail);
  if (event.event == "failed" || event.event == "verdict") return failure_text(detail);
  return scalar(detail, "reason");
}

Json event_json(const ports::EventRow& event) {
  return {{"id", event.id},
          {"at", format_time_ms(event.at)},
          {"event", event.event},
          {"worker", text_or_null(event.worker)},
          {"task", text_or_null(event.task)},
          {"detail", parsed_or_null(event.detail_json)}};
}

std::string event_reason(const ports::EventRow& event) {
  const Json detail = parsed_or_null(event.detail_json);
  const std::string error = scalar(detail, "error");
  return error.empty() ? scalar(detail, "why") : error;
}

int event_attempt(const ports::EventRow& event) {
  return static_cast<int>(number(parsed_or_null(event.detail_json), "attempt"));
}

}  // namespace gpuwarden::cli
