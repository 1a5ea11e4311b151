#include "metrics.hpp"

#include <iterator>
#include <map>

#include <fmt/format.h>

namespace gpuwarden::ops {
namespace {

class Text {
 public:
  void gauge(std::string_view name, std::string_view help) {
    fmt::format_to(std::back_inserter(out_), "# HELP gpuwarden_{0} {1}\n# TYPE gpuwarden_{0} gauge\n", name,
                   help);
  }
  void value(std::string_view name, std::string_view labels, double value) {
    fmt::format_to(std::back_inserter(out_), "gpuwarden_{}{} {}\n", name, labels, value);
  }
  void single(std::string_view name, std::string_view help, double number) {
    gauge(name, help);
    value(name, "", number);
  }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

void snapshot_metrics(Text& text, const Snapshot& snapshot) {
  std::map<std::string, int> workers;
  double cost = 0;
  for (const Worker& worker : snapshot.workers) {
    ++workers[phase_text(worker.phase, std::nullopt)];
    cost += worker.cost_per_hr;
  }
  text.gauge("workers", "Live workers by phase");
  for (const auto& [phase, count] : workers)
    text.value("workers", fmt::format("{{phase=\"{}\"}}", phase), count);
  text.single("tasks_queued", "Tasks that a worker could claim now",
              static_cast<double>(snapshot.queue.queued));
  text.single("tasks_running", "Tasks in progress", static_cast<double>(snapshot.queue.running));
  text.single("tasks_blocked", "Queued tasks that wait for others",
              static_cast<double>(snapshot.queue.blocked));
  text.single("cost_usd_per_hour", "Sum of the live pods' prices", cost);
  text.single("spent_last_day_usd", "Spent in the last 24 hours", snapshot.spent_last_day_usd);
  text.single("fruitless_usd_last_day", "Of that, spent on pods that have ended and never finished a task",
              snapshot.fruitless_last_day_usd);
  text.single("breaker_open", "0 closed, 1 half-open, 2 open",
              snapshot.breaker.state == BreakerState::closed      ? 0
              : snapshot.breaker.state == BreakerState::half_open ? 1
                                                                  : 2);
  text.single("leading", "1 while this daemon leads", snapshot.leader.leading ? 1 : 0);
}

}  // namespace

std::string metrics_text(const control::View& view, const std::vector<BudgetWindow>& budget) {
  Text text;
  text.single("ticks_total", "Ticks since the start",
              view.last != nullptr ? static_cast<double>(view.last->number) : 0);
  text.single("longest_stall_seconds", "Longest stall of the event loop since the start",
              static_cast<double>(view.longest_stall.count()) / 1000.0);
  text.single("actions_in_flight", "Actions and bring-ups under way",
              static_cast<double>(view.in_flight.size()));
  if (view.last != nullptr) {
    text.single("supabase_readable", "1 when the newest snapshot was complete", view.last->snapshot ? 1 : 0);
    text.single("runpod_readable", "1 when the newest pod list was complete", view.last->pods ? 1 : 0);
    text.single("workers_wanted", "Fleet size that the queue asks for", view.last->plan.scale.wanted);
    text.single("tick_seconds", "Duration of the newest tick",
                static_cast<double>(view.last->took.count()) / 1000.0);
    if (view.last->snapshot) snapshot_metrics(text, *view.last->snapshot);
    if (view.last->pods)
      text.single("pods", "Pods in the newest complete list", static_cast<double>(view.last->pods->size()));
  }
  if (!budget.empty()) text.gauge("runpod_requests_remaining", "What is left of Runpod's request quota");
  for (const BudgetWindow& window : budget) {
    text.value("runpod_requests_remaining", fmt::format("{{window=\"{}\"}}", window.name),
               static_cast<double>(window.remaining));
  }
  return text.take();
}

}  // namespace gpuwarden::ops
