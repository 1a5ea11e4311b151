#include "simulation/simulation.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "simulation/operators.hpp"
#include "simulation/stage.hpp"
#include "simulation/workload.hpp"

namespace gpuwarden::simulation {
namespace {

using namespace std::chrono_literals;

constexpr Duration kConverge = 15min;  // target 6
constexpr Duration kLook = 15s;
constexpr Duration kLongestTask = 45s;  // of a healed world, with the way to the next
constexpr double kDearestPod = 0.86;    // USD an hour, of the GPU types that profiles draw

class Run {
 public:
  explicit Run(const RunOptions& options)
      : options_(options),
        random_(options.seed),
        stage_(drawn(options), random_),
        operators_(universe_, daemons_, random_.fork()),
        workload_(universe_, random_.fork()) {}

  RunResult live() {
    begin();
    const MonoTime healing = MonoTime{} + universe_.profile.length;
    if (options_.sabotage) {
      stage_.until(MonoTime{} + universe_.profile.length / 2);
      options_.sabotage(universe_, daemons_);
    }
    stage_.until(healing);
    if (!universe_.violation) converge();
    return result();
  }

 private:
  static Profile drawn(const RunOptions& options) {
    Profile profile = draw_profile(options.seed, options.groups, options.hours);
    if (options.scenario != nullptr) options.scenario->shape(profile);
    return profile;
  }

  void begin() {
    if (options_.on_note) {
      universe_.on_note = [this](std::string_view what) { options_.on_note(universe_.now(), what); };
    }
    if (options_.scenario != nullptr) {
      swarm_.follow(*options_.scenario, options_.crash);
      swarm_.on_crash = [this] { daemons_.kill_and_restart(5s); };
      options_.scenario->begin(universe_);
    } else {
      swarm_.begin();
      workload_.begin();
      operators_.begin();
    }
    universe_.scheduler.after(1s, [this] { daemons_.begin(); });
  }

  const SimPod* pod_of(const rows::WorkerRow& row) const {
    for (const SimPodPtr& pod : universe_.cloud.pods()) {
      if (pod->name == row.id && pod->exists()) return pod.get();
    }
    return nullptr;
  }

  /// How long what has already gone wrong may go on by the settings' own deadlines.
  Duration patience() const {
    const policy::Settings& settings = daemons_.settings.policy;
    constexpr Duration kOneReplacement = 10min;  // of the silent, in a fleet of up to nine
    Duration longest{0}, silent{0};
    for (const rows::WorkerRow* row : universe_.database.live_workers(kOwner)) {
      const std::string_view status = Database::status_of(*row);
      const Duration age = universe_.wall() - row->registered_at;
      const SimPod* pod = pod_of(*row);
      const bool hopeless = pod == nullptr || pod->fate.cause || pod->health().hung;
      if (status == "spawning" && hopeless) longest = std::max(longest, settings.spawning_timeout - age);
      if (status == "active" && hopeless) longest = std::max(longest, settings.task_stuck_timeout);
      if (status == "active" && pod != nullptr && !pod->health().process) silent += kOneReplacement;
      if (status == "terminating") longest = std::max(longest, settings.shutdown_timeout);
    }
    return std::max(longest, silent) + pause_of_breaker() + work();
  }

  /// Until its canary: an open one ends its pause, a half-open one may have a canary that is lost already.
  Duration pause_of_breaker() const {
    const rows::State* breaker = universe_.database.state(kOwner, "breaker");
    if (breaker == nullptr) return {};
    const Duration pause(static_cast<Duration::rep>(breaker->value.value("pause_s", 0.0) * 1000));
    const std::string state = breaker->value.value("state", "");
    if (state == "open") return std::max(Duration{0}, pause - (universe_.wall() - breaker->changed_at));
    return state == "half_open" ? pause * 2 : Duration{0};
  }

  /// What the queue keeps the fleet busy for, as large as it may be.
  Duration work() const {
    const policy::Settings& settings = daemons_.settings.policy;
    int size = settings.max_active;
    if (settings.max_hourly_cost_usd)
      size = std::min(size, static_cast<int>(*settings.max_hourly_cost_usd / kDearestPod));
    const auto tasks = universe_.database.queued_tasks() + universe_.database.in_progress().size();
    return kLongestTask * static_cast<Duration::rep>(tasks) / std::max(size, 1);
  }

  void converge() {
    universe_.note("everything is healed");
    swarm_.heal();
    operators_.heal();
    daemons_.heal();
    workload_.last(daemons_.settings.policy.max_active);
    const MonoTime began = universe_.now();
    const MonoTime limit = began + kConverge + patience();
    while (!universe_.violation) {
      stage_.until(universe_.now() + kLook);
      const std::string missing = unrest();
      if (missing.empty()) break;
      if (universe_.now() >= limit) universe_.violate("liveness", missing + gates());
    }
    converged_after_ = universe_.now() - began;
    if (!universe_.violation) stage_.invariants.at_end(workload_.cancelled());
  }

  std::string gates() const {
    std::string text;
    for (const Gate& gate : stage_.last_gates) text += fmt::format("; gate {}: {}", gate.name, gate.reason);
    return text;
  }

  /// What is still missing until the fleet is at rest; empty = nothing.
  std::string unrest() const {
    const Database& database = universe_.database;
    if (daemons_.main() == nullptr) return "no daemon runs";
    if (database.queued_tasks() > 0) return fmt::format("{} tasks are queued", database.queued_tasks());
    if (!database.in_progress().empty())
      return fmt::format("{} tasks are in progress", database.in_progress().size());
    const policy::Settings& settings = daemons_.settings.policy;
    const auto wanted =
        static_cast<std::size_t>(std::clamp(settings.keep_idle, settings.min_active, settings.max_active));
    const auto rows = database.live_workers(kOwner);
    std::set<std::string> names;
    for (const rows::WorkerRow* row : rows) {
      if (Database::status_of(*row) != "active")
        return fmt::format("{} is {} ({})", row->id, Database::status_of(*row), row->phase);
      names.insert(row->id);
    }
    const bool costly = std::any_of(stage_.last_gates.begin(), stage_.last_gates.end(), [](const Gate& gate) {
      return gate.name == "budget" || gate.name == "over_budget";
    });
    if (costly ? rows.size() > wanted : rows.size() != wanted)
      return fmt::format("{} workers are there, {} are wanted", rows.size(), wanted);
    std::size_t pods = 0;
    for (const SimPodPtr& pod : universe_.cloud.pods()) {
      if (!pod->exists() || pod->foreign) continue;
      ++pods;
      if (!names.contains(pod->name)) return fmt::format("pod {} ({}) is left over", pod->id, pod->name);
    }
    if (pods != rows.size()) return fmt::format("{} workers have {} pods", rows.size(), pods);
    return "";
  }

  RunResult result() {
    RunResult result;
    result.seed = options_.seed;
    result.scenario = options_.scenario;
    result.crash = options_.crash;
    result.violation = universe_.violation;
    if (result.violation)
      result.trace.assign(universe_.trace.newest().begin(), universe_.trace.newest().end());
    result.hash = universe_.trace.hash();
    result.events = universe_.scheduler.events_run();
    result.kills = daemons_.kills();
    result.daemons = daemons_.starts();
    result.hours = std::chrono::duration<double, std::ratio<3600>>(universe_.now() - MonoTime{}).count();
    result.converged_after = converged_after_;
    result.changing_calls = swarm_.changing_calls();
    result.figures = stage_.invariants.figures();
    result.probes = universe_.probes.counts();
    return result;
  }

  const RunOptions& options_;
  Random random_;
  Stage stage_;
  Universe& universe_{stage_.universe};
  Swarm& swarm_{stage_.swarm};
  Daemons& daemons_{stage_.daemons};
  Operators operators_;
  Workload workload_;
  Duration converged_after_{0};
};

}  // namespace

RunResult run(const RunOptions& options) {
  return Run(options).live();
}

}  // namespace gpuwarden::simulation
