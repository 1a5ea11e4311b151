#include <functional>
#include <utility>
#include <variant>
#include <vector>

#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

#include "checkup.hpp"
#include "table.hpp"

namespace gpuwarden::cli {
namespace {

using boost::asio::awaitable;
using State = Finding::State;

struct Label {
  std::string_view word;
  Colour colour;
};
Label label(State state) {
  switch (state) {
    case State::ok:
      return {"ok", Colour::green};
    case State::warning:
      return {"warning", Colour::yellow};
    case State::failed:
      return {"failed", Colour::red};
    case State::skipped:
      return {"skipped", Colour::dim};
  }
  return {"", Colour::none};
}

struct Report {
  Scope scope;
  std::function<void()> flush;
  Json checks = Json::array();
  Json pod = nullptr;   ///< of a check-up on a pod
  std::string verdict;  ///< and what it says when nothing failed
  int failed{0}, warnings{0}, skipped{0};
  bool unreachable{false}, configuration{false};

  Report(Scope scope_, std::function<void()> flush_) : scope(std::move(scope_)), flush(std::move(flush_)) {}

  void add(const std::string& name, const Finding& finding) {
    failed += finding.state == State::failed ? 1 : 0;
    warnings += finding.state == State::warning ? 1 : 0;
    skipped += finding.state == State::skipped ? 1 : 0;
    unreachable = unreachable || finding.unreachable;
    checks.push_back({{"check", name},
                      {"state", label(finding.state).word},
                      {"detail", finding.detail},
                      {"remedy", finding.remedy}});
    if (scope.output.json) return;
    const auto [word, colour] = label(finding.state);
    Output& output = scope.output;
    output.out << paint(fmt::format("{:<9}", word), colour, output.colour)
               << fmt::format("{:<15}{}\n", name, printable(finding.detail));
    for (const std::string& step : finding.remedy)
      output.out << std::string(9, ' ') << "-> " << printable(step) << "\n";
    flush();
  }

  int code() const {
    if (configuration) return kUsage;
    if (unreachable) return kUnreachable;
    return failed > 0 ? kFailed : kDone;
  }

  void finish() {
    Output& output = scope.output;
    const bool on_pod = scope.line.pod;
    if (output.json) {
      Json answer{{"healthy", failed == 0 && skipped == 0}, {"checks", std::move(checks)}};
      if (on_pod) answer["pod"] = std::move(pod);
      print_json(output, answer);
      return;
    }
    if (failed > 0) {
      output.out << fmt::format(
          "\n{} failed, {} skipped. Next: do what the arrows say, then gpuwarden doctor{}\n", failed, skipped,
          on_pod ? " --pod" : "");
    } else if (on_pod) {
      output.out << "\n" << verdict << "\n";
    } else {
      output.out << fmt::format(
          "\nReady{}. Next: gpuwarden plan, then systemctl start gpuwarden (or gpuwarden run)\n",
          warnings == 0 ? "" : fmt::format(", with {} warning{}", warnings, warnings == 1 ? "" : "s"));
    }
  }
};

/// On a terminal, names the check that takes longer than two seconds; then waits to be cancelled.
awaitable<void> announce_if_slow(Report& report, std::string name) {
  using namespace std::chrono_literals;
  co_await report.scope.services.clock->sleep_for(2s);
  // A sleep that is cut short returns like any other.
  const auto state = co_await boost::asio::this_coro::cancellation_state;
  if (state.cancelled() != boost::asio::cancellation_type::none) co_return;
  if (report.scope.output.colour && !report.scope.output.json) {
    report.scope.output.err << "checking " << name << " ...\n";
    report.flush();
  }
  co_await report.scope.services.clock->sleep_for(24h);
}

awaitable<void> run_check(Report& report, Checkup& checkup, std::string name,
                          awaitable<Finding> (*check)(Checkup&)) {
  using namespace boost::asio::experimental::awaitable_operators;
  auto result = co_await (check(checkup) || announce_if_slow(report, name));
  if (const auto* finding = std::get_if<Finding>(&result)) report.add(name, *finding);
}

Finding finding_of(const control::PodFinding& found) {
  Finding finding = found.ok ? passed(found.detail) : failed(found.detail, found.remedy);
  finding.unreachable = found.unreachable;
  return finding;
}

awaitable<void> check_on_pod(Report& report) {
  const Scope& scope = report.scope;
  control::PodCheckupHooks hooks;
  hooks.found = [&report](const control::PodFinding& found) { report.add(found.check, finding_of(found)); };
  hooks.waiting = [&report](const std::string& what) {
    if (report.scope.output.json) return;
    report.scope.output.err << printable(what) << "\n";
    report.flush();
  };
  const control::PodCheckup checkup = co_await scope.services.check_pod(std::move(hooks));
  if (checkup.called_off)
    report.add("interrupted",
               failed("called off before preflight had ended", "gpuwarden doctor --pod   (again)"));
  report.pod = {{"name", text_or_null(checkup.name)}, {"pod", text_or_null(checkup.pod)},
                {"gpu", text_or_null(checkup.gpu)},   {"data_center", text_or_null(checkup.data_center)},
                {"cost_usd", checkup.cost_usd},       {"took_s", seconds(checkup.took)}};
  report.verdict = fmt::format("A worker would start now: looked at in {} for about {}. Next: gpuwarden plan",
                               format_duration(checkup.took), format_usd(checkup.cost_usd));
}

}  // namespace

awaitable<int> doctor(Scope scope, std::function<void()> flush) {
  Report report(scope, std::move(flush));
  Checkup checkup(scope);
  report.add("configuration", check_configuration(checkup));
  if (!scope.loaded.config) {
    report.configuration = true;
    std::vector<const char*> rest{"keys",      "supabase",     "migrations", "queue",  "runpod",
                                  "gpu types", "data centres", "volumes",    "ssh key"};
    if (scope.line.pod) rest = {"keys", "ssh key", "pod"};
    for (const char* name : rest) report.add(name, skipped("the configuration has errors"));
    report.finish();
    co_return report.code();
  }
  report.add("keys", check_keys(checkup));
  if (scope.line.pod) {
    report.add("ssh key", check_ssh_key(checkup));
    co_await check_on_pod(report);
    report.finish();
    co_return report.code();
  }
  co_await run_check(report, checkup, "supabase", check_database);
  co_await run_check(report, checkup, "migrations", check_migrations);
  co_await run_check(report, checkup, "queue", check_queue);
  co_await run_check(report, checkup, "runpod", check_runpod);
  co_await run_check(report, checkup, "gpu types", check_gpu_types);
  co_await run_check(report, checkup, "data centres", check_data_centers);
  co_await run_check(report, checkup, "volumes", check_volumes);
  report.add("ssh key", check_ssh_key(checkup));
  report.finish();
  co_return report.code();
}

}  // namespace gpuwarden::cli
