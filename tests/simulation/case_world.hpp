#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "gpuwarden/base/format.hpp"

#include "simulation/stage.hpp"

namespace gpuwarden::simulation {

using namespace std::chrono_literals;

inline constexpr const char* kFirstGpu = "NVIDIA GeForce RTX 4090";
inline constexpr const char* kSecondGpu = "NVIDIA L40S";

/// Settings of at most so many workers in a world where nothing goes wrong by itself.
inline Profile calm(int most) {
  Profile profile = draw_profile(1, {}, 1);
  profile.faults = {};
  profile.tasks = {};
  policy::Settings& policy = profile.settings.policy;
  policy = {};
  policy.owner = kOwner;
  policy.max_active = most;
  policy.provision_timeout = 300s;
  policy.spawning_timeout = 600s;
  policy.idle_timeout = 120s;
  policy.task_stuck_timeout = 2h;
  policy.min_workers_for_rate = 3;
  policy.breaker_probe_interval = 60s;
  policy.breaker_probe_max = 240s;
  policy.gpu_types = {kFirstGpu, kSecondGpu};
  policy.script_hash = "script-1";
  profile.settings.control.poll = policy.poll;
  profile.settings.control.collect_timeout = policy.collect_timeout;
  bootstrap::Settings& boot = profile.settings.bootstrap;
  boot.heartbeat_interval = policy.heartbeat_interval;
  boot.pod_lease = 1h;
  boot.connect_timeout = 120s;
  boot.bootstrap_timeout = policy.spawning_timeout;
  return profile;
}

/// One of the named cases: the whole daemon in a world in which only what the test says goes wrong. The
/// invariants watch it to the end.
class CaseWorld {
 public:
  explicit CaseWorld(Profile profile = calm(8)) : stage_(std::move(profile), random_) {
    universe.on_note = [this](std::string_view what) {
      notes.push_back({universe.now(), std::string(what)});
    };
    swarm.word.call = [this](Service service, std::string_view call) -> std::optional<Fate> {
      asked.push_back({universe.now(), service, std::string(call)});
      return fate ? fate(service, call) : std::nullopt;
    };
    swarm.word.pod = [this](const nlohmann::json& request) -> std::optional<PodFate> {
      ++starts;
      return pod_fate ? pod_fate(request) : PodFate{};
    };
    swarm.word.task = [this](const std::string& type, int) -> std::optional<TaskFate> {
      if (type == "poison") return TaskFate{TaskFate::Outcome::kills_worker, 10s};
      return TaskFate{TaskFate::Outcome::completes, task_takes};
    };
    stage_.on_tick = [this](Daemon& daemon, const control::TickReport& report) {
      ++ticks;
      if (on_tick) on_tick(daemon, report);
    };
  }
  ~CaseWorld() {
    if (!universe.violation) stage_.invariants.at_end({});
    if (universe.violation)
      ADD_FAILURE() << universe.violation->invariant << ": " << universe.violation->what;
  }
  CaseWorld(const CaseWorld&) = delete;
  CaseWorld& operator=(const CaseWorld&) = delete;

  struct Note {
    MonoTime at;
    std::string what;
  };
  struct Asked {
    MonoTime at;
    Service service;
    std::string call;
  };
  // What is known of the run; declared before the world, which writes into it to its end.
  std::vector<Note> notes;
  std::vector<Asked> asked;  ///< every request of every daemon, each attempt counted
  int starts{0};             ///< creates that the account's own rules allow
  std::uint64_t ticks{0};

  // What the test says.
  Duration task_takes{60s};
  std::function<std::optional<Fate>(Service, std::string_view)> fate;
  std::function<PodFate(const nlohmann::json& request)> pod_fate;  ///< of create number `starts`
  std::function<void(Daemon&, const control::TickReport&)> on_tick;

 private:
  Random random_{7};
  Stage stage_;

 public:
  Universe& universe{stage_.universe};
  Swarm& swarm{stage_.swarm};
  Daemons& daemons{stage_.daemons};
  Stage& stage{stage_};

  void start() { daemons.begin(); }
  void pass(Duration duration) { stage_.until(universe.now() + duration); }
  /// False: it was not so within that time.
  bool until(const std::function<bool()>& is_so, Duration at_most) {
    const MonoTime limit = universe.now() + at_most;
    while (!is_so()) {
      if (universe.now() >= limit || universe.violation) return false;
      pass(500ms);
    }
    return true;
  }
  std::vector<std::string> queue(int count, const std::string& type = "render") {
    std::vector<std::string> ids;
    for (int i = 0; i < count; ++i) ids.push_back(universe.database.add_task(type, universe.wall()));
    universe.cloud.wake_workers();
    return ids;
  }
  void operate(const std::string& command) {
    universe.database.rpc("gpuwarden_operator",
                          {{"owner_param", kOwner},
                           {"command_param", command},
                           {"actor_param", "ana"},
                           {"reason_param", "the release is mended"},
                           {"ttl_sec_param", nullptr}},
                          universe.wall());
  }
  /// So many workers at work.
  bool come_to_work(int count, Duration at_most = 30min) {
    queue(count);
    return until([&] { return static_cast<int>(universe.database.in_progress().size()) == count; }, at_most);
  }

  // The truth.
  std::set<std::string> pod_ids() const {
    std::set<std::string> ids;
    for (const SimPodPtr& pod : universe.cloud.pods()) {
      if (pod->exists()) ids.insert(pod->id);
    }
    return ids;
  }
  SimPodPtr pod_of(std::string_view worker) const {
    for (const SimPodPtr& pod : universe.cloud.pods()) {
      if (pod->name == worker) return pod;
    }
    return nullptr;
  }
  int posts() const {
    int sum = 0;
    for (const auto& [name, count] : universe.cloud.posts()) sum += count;
    return sum;
  }
  std::size_t deletes() const {
    std::size_t sum = 0;
    for (const SimPodPtr& pod : universe.cloud.pods()) sum += pod->delete_calls.size();
    return sum;
  }
  int active() const {
    const auto live = universe.database.live_workers(kOwner);
    return static_cast<int>(
        std::count_if(live.begin(), live.end(), [](const auto* row) { return row->status == "active"; }));
  }
  int with_status(std::string_view status) const {
    const auto& tasks = universe.database.tasks();
    return static_cast<int>(std::count_if(tasks.begin(), tasks.end(),
                                          [&](const auto& task) { return task.second.status == status; }));
  }
  const auto& failures() const { return universe.database.failures(); }
  std::string breaker() const {
    const rows::State* state = universe.database.state(kOwner, "breaker");
    return state == nullptr ? "closed" : state->value.value("state", "closed");
  }
  bool gated(std::string_view name) const {
    return std::any_of(stage.last_gates.begin(), stage.last_gates.end(),
                       [&](const Gate& gate) { return gate.name == name; });
  }
  /// What holds the daemon back now.
  std::string gates() const {
    std::string text;
    for (const Gate& gate : stage.last_gates) text += gate.name + ": " + gate.reason + "\n";
    return text;
  }
  int said(std::string_view text, MonoTime since = MonoTime{}) const {
    return static_cast<int>(std::count_if(notes.begin(), notes.end(), [&](const Note& note) {
      return note.at >= since && note.what.find(text) != std::string::npos;
    }));
  }
  int asked_for(Service service, std::string_view prefix, MonoTime since) const {
    return static_cast<int>(std::count_if(asked.begin(), asked.end(), [&](const Asked& one) {
      return one.service == service && one.at >= since && one.call.starts_with(prefix);
    }));
  }
};

}  // namespace gpuwarden::simulation
