#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

#include "command.hpp"
#include "event_words.hpp"
#include "find_row.hpp"
#include "row_json.hpp"
#include "timeline.hpp"
#include "wrap.hpp"

namespace gpuwarden::cli {
namespace {

constexpr std::size_t kLabel = 12;

std::optional<Duration> took(const Attempt& attempt) {
  if (!attempt.began || !attempt.ended) return std::nullopt;
  return *attempt.ended - *attempt.began;
}

Json story_json(const ports::TaskStory& story, const std::vector<Attempt>& attempts) {
  Json json = task_row_json(story.task);
  json["started_at"] = time_or_null(story.started_at);
  json["processed_at"] = time_or_null(story.processed_at);
  Json& tries = json["attempts_made"] = Json::array();
  for (const Attempt& attempt : attempts) {
    const auto duration = took(attempt);
    tries.push_back({{"attempt", attempt.number},
                     {"worker", text_or_null(attempt.worker)},
                     {"started_at", time_or_null(attempt.began)},
                     {"ended_at", time_or_null(attempt.ended)},
                     {"took_s", duration ? Json(seconds(*duration)) : Json(nullptr)},
                     {"how_it_ended", text_or_null(attempt.how)},
                     {"error", text_or_null(attempt.error)}});
  }
  Json& events = json["events"] = Json::array();
  for (const ports::EventRow& event : story.events) events.push_back(event_json(event));
  Json& failures = json["failures"] = Json::array();
  for (const ports::FailureRow& failure : story.failures) failures.push_back(failure_row_json(failure));
  return json;
}

void print_facts(const ports::TaskRow& row, Output& output) {
  const auto line = [&](std::string_view name, std::string_view value) {
    if (!value.empty())
      print_wrapped(output.out, fmt::format("{:<{}}", name, kLabel), kLabel, value, kLabel, output.width);
  };
  line("Task", row.id);
  line("Type", row.type);
  line("Status", row.attempts == 0 ? row.status
                                   : fmt::format("{}; {} failed attempt{}", row.status, row.attempts,
                                                 row.attempts == 1 ? "" : "s"));
  line("Worker", row.worker);
  line("Created", format_time(row.created_at));
  line("Updated", format_time(row.updated_at));
  line("Error", row.error);
}

void print_attempts(const std::vector<Attempt>& attempts, Output& output) {
  Table table({{"ATTEMPT", true},
               {"WORKER"},
               {"STARTED"},
               {"ENDED"},
               {"TOOK", true},
               {"HOW IT ENDED"},
               {"ERROR", false, true}});
  for (const Attempt& attempt : attempts) {
    const auto duration = took(attempt);
    table.add({{std::to_string(attempt.number)},
               {attempt.worker, Colour::bold},
               {attempt.began ? format_time(*attempt.began) : ""},
               {attempt.ended ? format_time(*attempt.ended) : ""},
               {duration ? format_duration(*duration) : ""},
               {attempt.how, attempt.how == "completed" ? Colour::green : Colour::none},
               {attempt.error, Colour::red}});
  }
  table.print(output.out, output.width, output.colour);
}

}  // namespace

boost::asio::awaitable<int> task(Scope scope) {
  const auto story =
      co_await find_task(scope, scope.line.arguments.empty() ? "" : scope.line.arguments.front());
  if (!story) {
    const bool asked =
        story.error().kind == ErrorKind::not_found || story.error().kind == ErrorKind::invalid_input;
    co_return report_error(scope.output, story.error(), asked ? "gpuwarden tasks" : "gpuwarden doctor");
  }
  const std::vector<Attempt> attempts = attempts_of(*story);
  Output& output = scope.output;
  if (output.json) {
    print_json(output, story_json(*story, attempts));
    co_return kDone;
  }
  print_facts(story->task, output);
  output.out << "\n";
  std::string worker;
  for (const Attempt& attempt : attempts) {
    if (!attempt.worker.empty()) worker = attempt.worker;
  }
  if (attempts.empty()) {
    output.out << "No worker has claimed it yet.\n";
  } else {
    print_attempts(attempts, output);
  }
  output.out << "\nNext: " << (worker.empty() ? "gpuwarden explain" : "gpuwarden worker " + worker) << "\n";
  co_return kDone;
}

}  // namespace gpuwarden::cli
