#include "timeline.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

#include "event_words.hpp"

namespace gpuwarden::cli {
namespace {

bool begins_phase(const ports::EventRow& event) {
  return event.event == "phase" || event.event == "registered";
}

bool ends_attempt(const ports::EventRow& event) {
  return event.event == "task_completed" || event.event == "task_failed" || event.event == "task_requeued" ||
         event.event == "task_given_up" || event.event == "task_rescued";
}

std::optional<Duration> duration_of(const std::vector<ports::EventRow>& events, std::size_t place) {
  const ports::EventRow& begun = events[place];
  for (std::size_t i = place + 1; i < events.size(); ++i) {
    const ports::EventRow& next = events[i];
    const bool over = begins_phase(begun) ? begins_phase(next) || next.event == "ended"
                                          : next.task == begun.task && ends_attempt(next);
    if (over) return next.at - begun.at;
  }
  return std::nullopt;
}

Colour colour_of(const ports::EventRow& event) {
  if (event.event == "failed" || event.event == "verdict" || event.event == "crash" ||
      event.event == "task_failed" || event.event == "task_given_up")
    return Colour::red;
  if (event.event == "first_heartbeat" || event.event == "task_completed") return Colour::green;
  if (event.event == "ended") return Colour::dim;
  return Colour::none;
}

Attempt& attempt_for(std::vector<Attempt>& attempts, int number, const std::string& worker) {
  for (auto known = attempts.rbegin(); known != attempts.rend(); ++known) {
    if (known->number == number && (worker.empty() || known->worker == worker)) return *known;
  }
  Attempt fresh;
  fresh.number = number;
  fresh.worker = worker;
  return *attempts.insert(attempts.end(), std::move(fresh));
}

void end_attempt(Attempt& attempt, const ports::EventRow& event, const std::string& why) {
  if (!attempt.ended) attempt.ended = event.at;
  if (attempt.error.empty()) attempt.error = why;
  const auto then = [&](std::string_view what, std::string_view before) {
    if (attempt.how.empty()) attempt.how = before;
    attempt.how += fmt::format(", {}", what);
  };
  if (event.event == "task_completed") attempt.how = "completed";
  if (event.event == "task_failed") attempt.how = "failed";
  if (event.event == "task_rescued") attempt.how = "taken from its worker";
  if (event.event == "task_requeued") then("queued again", "its worker failed");
  if (event.event == "task_given_up") then("given up", "failed");
}

/// What events do not tell, because another program's functions did it.
void add_from_row(const ports::TaskStory& story, std::vector<Attempt>& attempts) {
  const ports::TaskRow& row = story.task;
  const bool running = row.status == "In Progress", complete = row.status == "Complete";
  const int number = row.attempts + (running || complete ? 1 : 0);
  const bool ended = complete || row.status == "Failed" || row.status == "Cancelled";
  const bool known = std::any_of(attempts.begin(), attempts.end(), [&](const Attempt& one) {
    return one.number == number || (row.status == "Cancelled" && !one.ended);
  });
  if (!known && !row.worker.empty() && (running || ended) && number > 0) {
    Attempt& told = attempt_for(attempts, number, row.worker);
    told.began = story.started_at;
  }
  if (attempts.empty()) return;
  Attempt& last = attempts.back();
  if (!last.how.empty()) return;
  if (running) last.how = "running";
  if (!ended) return;
  last.how = complete ? "completed" : row.status == "Failed" ? "failed" : "cancelled";
  if (!last.ended) last.ended = story.processed_at ? story.processed_at : std::optional(row.updated_at);
  if (last.error.empty()) last.error = row.error;
}

}  // namespace

std::vector<Moment> timeline(const std::vector<ports::EventRow>& events) {
  std::vector<Moment> moments;
  moments.reserve(events.size());
  for (std::size_t i = 0; i < events.size(); ++i) {
    const ports::EventRow& event = events[i];
    Moment moment;
    moment.at = event.at;
    moment.after = event.at - events.front().at;
    moment.what = event_name(event);
    moment.detail = event_text(event);
    moment.colour = colour_of(event);
    if (begins_phase(event) || event.event == "task_claimed") moment.took = duration_of(events, i);
    moments.push_back(std::move(moment));
  }
  return moments;
}

Json timeline_json(const std::vector<Moment>& moments) {
  Json list = Json::array();
  for (const Moment& moment : moments) {
    list.push_back({{"at", format_time_ms(moment.at)},
                    {"after_s", seconds(moment.after)},
                    {"what", moment.what},
                    {"took_s", moment.took ? Json(seconds(*moment.took)) : Json(nullptr)},
                    {"detail", text_or_null(moment.detail)}});
  }
  return list;
}

void print_timeline(const std::vector<Moment>& moments, std::size_t most, Output& output) {
  Table table({{"TIME"}, {"AFTER", true}, {"WHAT"}, {"TOOK", true}, {"DETAIL", false, true}});
  const std::size_t left_out = moments.size() > most ? moments.size() - most : 0;
  for (std::size_t i = 0; i < moments.size(); ++i) {
    if (left_out > 0 && i == most / 4) {
      table.add({{}, {}, {fmt::format("({} more)", left_out), Colour::dim}, {}, {"all of them with --json"}});
      i += left_out;
    }
    const Moment& moment = moments[i];
    table.add({{format_time(moment.at)},
               {"+" + format_duration(moment.after)},
               {moment.what, moment.colour},
               {moment.took ? format_duration(*moment.took) : ""},
               {moment.detail}});
  }
  table.print(output.out, output.width, output.colour);
}

std::vector<Attempt> attempts_of(const ports::TaskStory& story) {
  std::vector<Attempt> attempts;
  for (const ports::EventRow& event : story.events) {
    const int number = std::max(1, event_attempt(event));
    Attempt& attempt = attempt_for(attempts, number, event.worker);
    if (event.event == "task_claimed") attempt.began = event.at;
    if (ends_attempt(event)) end_attempt(attempt, event, event_reason(event));
  }
  for (Attempt& attempt : attempts) {
    for (const ports::FailureRow& failure : story.failures) {
      constexpr std::string_view kBare = "its worker failed";
      if (failure.worker != attempt.worker) continue;
      if (attempt.how.starts_with(kBare)) attempt.how.insert(kBare.size(), ": " + failure.cause);
      if (attempt.how.starts_with("taken from its worker"))
        attempt.how = fmt::format("its worker failed: {}", failure.cause) + attempt.how.substr(21);
      if (!failure.evidence_line.empty()) attempt.error = failure.evidence_line;
    }
  }
  add_from_row(story, attempts);
  return attempts;
}

}  // namespace gpuwarden::cli
