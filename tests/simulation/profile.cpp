#include "simulation/profile.hpp"

#include <algorithm>
#include <cmath>

namespace gpuwarden::simulation {
namespace {

using namespace std::chrono_literals;

Duration seconds_between(Random& random, int least, int most) {
  return std::chrono::seconds(random.between(least, most));
}

/// Most runs know only some of the faults, each of its own strength: so that rare ones are not always drowned
/// by common ones.
class Dice {
 public:
  Dice(Random random, bool rolls) : random_(random), rolls_(rolls) {}
  /// Zero in half of the runs, otherwise up to `most`.
  double rate(double most, double in_how_many = 0.5) {
    const bool chosen = random_.chance(in_how_many);
    const double strength = random_.unit();
    return rolls_ && chosen ? most * strength : 0;
  }
  Random& random() { return random_; }

 private:
  Random random_;
  bool rolls_;
};

control::LoopSettings draw_settings(Random random) {
  control::LoopSettings settings;
  policy::Settings& policy = settings.policy;
  policy.owner = kOwner;
  policy.max_active = static_cast<int>(random.between(2, 16));
  policy.min_active =
      random.chance(0.5) ? 0 : static_cast<int>(random.between(1, std::min(5, policy.max_active)));
  policy.keep_idle = random.chance(0.7) ? 0 : static_cast<int>(random.between(1, 2));
  policy.tasks_per_gpu = random.one_of(std::vector<double>{0.5, 1, 1, 1, 2, 3});
  policy.scale_down_multiplier = random.one_of(std::vector<double>{0.9, 0.9, 0.7, 1.0});
  policy.scale_up_delay = random.chance(0.7) ? Duration{0} : seconds_between(random, 5, 60);
  policy.scale_down_delay = random.chance(0.3) ? Duration{0} : seconds_between(random, 10, 60);
  if (random.chance(0.25)) policy.queue_drain_target = seconds_between(random, 120, 600);
  policy.any_cloud = random.chance(0.2);
  policy.scale_down_grace = seconds_between(random, 15, 60);
  policy.spawning_grace = seconds_between(random, 60, 180);
  policy.max_spawns_per_minute = static_cast<int>(random.between(3, 10));
  policy.poll = random.one_of(std::vector<Duration>{5s, 10s, 10s, 15s, 20s});
  policy.heartbeat_timeout = random.one_of(std::vector<Duration>{90s, 120s, 120s, 180s});
  policy.provision_timeout = seconds_between(random, 180, 480);
  policy.spawning_timeout = policy.provision_timeout + seconds_between(random, 120, 420);
  policy.idle_timeout = seconds_between(random, 60, 300);
  policy.overcapacity_idle_timeout = seconds_between(random, 30, 60);
  policy.task_stuck_timeout = seconds_between(random, 360, 900);
  policy.shutdown_timeout = seconds_between(random, 60, 400);
  policy.task_max_attempts = static_cast<int>(random.between(2, 4));
  policy.failure_window = std::chrono::minutes(random.between(15, 40));
  policy.min_workers_for_rate = static_cast<int>(random.between(3, 6));
  policy.breaker_probe_interval = seconds_between(random, 60, 120);
  policy.breaker_probe_max = seconds_between(random, 240, 480);
  if (random.chance(0.15)) policy.max_hourly_cost_usd = 0.9 + 3 * random.unit();
  if (random.chance(0.1)) policy.max_daily_cost_usd = 3 + 5 * random.unit();
  policy.gpu_types = {"NVIDIA GeForce RTX 4090", "NVIDIA GeForce RTX 3090", "NVIDIA L40S"};
  policy.gpu_types.resize(static_cast<std::size_t>(random.between(1, 3)));
  if (random.chance(0.5)) {
    policy.data_centers = {"EU-RO-1", "US-KS-2", "EU-SE-1"};
    policy.data_centers.resize(static_cast<std::size_t>(random.between(1, 3)));
  } else if (random.chance(0.3)) {
    policy.volume_names = {"models-eu", "models-us"};
    policy.volume_names.resize(static_cast<std::size_t>(random.between(1, 2)));
  }
  policy.script_hash = "script-1";

  control::Settings& control = settings.control;
  control.owner = kOwner;
  control.image = "registry.example/worker:1";
  control.poll = policy.poll;
  control.collect_timeout = policy.collect_timeout;
  control.stall_probe = 2s;

  bootstrap::Settings& boot = settings.bootstrap;
  boot.repo_url = "https://git.example/worker.git";
  boot.setup_cmd = "./setup.sh";
  boot.start_cmd = "./start.sh";
  boot.supabase_url = "https://project.supabase.co";
  boot.heartbeat_interval = policy.heartbeat_interval;
  boot.pod_lease = seconds_between(random, 600, 3600);
  boot.connect_timeout = seconds_between(random, 90, 300);
  boot.bootstrap_timeout = policy.spawning_timeout;
  settings.ssh_public_key = "ssh-ed25519 AAAA simulation";
  settings.publishable_key = Secret("sb_publishable_simulation");
  return settings;
}

TaskMix draw_tasks(Random random, const policy::Settings& policy) {
  TaskMix tasks;
  const double workers = policy.max_active;
  tasks.longest = seconds_between(random, 40, 240);
  // What the fleet can do at most, by mean duration; half of it on average.
  const double most =
      workers * 3600 / std::max(30.0, std::chrono::duration<double>(tasks.longest).count() / 2);
  tasks.arrivals = random.chance(0.8) ? most * 0.5 * random.unit() : 0;
  tasks.bursts = 1 + 3 * random.unit();
  tasks.burst_most = static_cast<int>(2 + random.between(1, 2) * policy.max_active);
  if (random.chance(0.5)) tasks.fails = 0.1 * random.unit();
  if (random.chance(0.4)) tasks.kills = 0.03 * random.unit();
  if (random.chance(0.4)) tasks.never_ends = 0.03 * random.unit();
  if (random.chance(0.4)) tasks.poison = 0.03 * random.unit();
  if (random.chance(0.4)) tasks.cancelled = 0.1 * random.unit();
  if (random.chance(0.4)) tasks.api_claims = 6 * random.unit();
  return tasks;
}

Losses draw_losses(Dice& dice) {
  Losses losses;
  losses.lost = dice.rate(0.3, 0.4);
  losses.refused = dice.rate(0.1, 0.4);
  losses.failed_but_done = dice.rate(0.2, 0.4);
  losses.latency = dice.random().between(Duration(20), Duration(400));
  return losses;
}

void draw_supabase(Dice dice, Faults& faults) {
  using Fault = DatabaseWeather::Fault;
  faults.supabase = draw_losses(dice);
  faults.request_duplicates = dice.rate(0.1, 0.3);
  faults.database_outages = dice.rate(3, 0.6);
  // Short ones are the rule, an hour the exception.
  faults.database_outage_longest =
      Duration(static_cast<Duration::rep>(60'000.0 * std::pow(60.0, dice.random().unit())));
  for (const Fault fault : {Fault::down, Fault::refusing, Fault::unreadable, Fault::read_only,
                            Fault::reads_fail, Fault::writes_fail, Fault::stale_key}) {
    if (dice.random().chance(0.5)) faults.database_faults.push_back(fault);
  }
  if (faults.database_faults.empty()) faults.database_faults.push_back(Fault::down);
  faults.database_slow = dice.rate(1, 0.3) > 0;
}

void draw_runpod(Dice dice, Faults& faults) {
  faults.runpod = draw_losses(dice);
  faults.ssh = draw_losses(dice);
  faults.cloud_episodes = dice.rate(6, 0.6);
  faults.list_lag_longest = Duration(static_cast<Duration::rep>(dice.rate(300'000, 0.5)));
  faults.late_create = dice.rate(0.5, 0.3);
  faults.undeletable = dice.rate(0.05, 0.2);
  faults.slow_deletes = dice.rate(1, 0.3);
}

void draw_pods(Dice dice, Faults& faults) {
  faults.start_fails = dice.rate(0.4, 0.6);
  faults.pod_death_rate = dice.rate(1.0, 0.6);
  faults.bad_releases = dice.rate(1.5, 0.3);
  faults.bad_places = dice.rate(1.5, 0.3);
  faults.mass_silences = dice.rate(2, 0.3);
  faults.pod_calls_lost = dice.rate(0.2, 0.4);
  faults.slow_starts = dice.rate(0.3, 0.4);
  faults.odd_completions = dice.rate(0.5, 0.3);
  faults.mass_deaths = dice.rate(1, 0.2);
}

void draw_daemon(Dice dice, Faults& faults) {
  faults.crashes = dice.rate(4, 0.7);
  faults.stalls = dice.rate(6, 0.5);
  faults.wall_jumps = dice.rate(3, 0.5);
  faults.second_daemons = dice.rate(1.5, 0.3);
}

}  // namespace

std::optional<std::set<FaultGroup>> parse_faults(std::string_view text) {
  using Group = FaultGroup;
  if (text == "none") return std::set<Group>{};
  if (text == "all")
    return std::set{Group::runpod, Group::supabase, Group::pods, Group::daemon, Group::operators};
  std::set<Group> groups;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(','), text.size());
    const std::string_view name = text.substr(0, end);
    if (name == "runpod") {
      groups.insert(Group::runpod);
    } else if (name == "supabase") {
      groups.insert(Group::supabase);
    } else if (name == "pods") {
      groups.insert(Group::pods);
    } else if (name == "daemon") {
      groups.insert(Group::daemon);
    } else if (name == "operators") {
      groups.insert(Group::operators);
    } else {
      return std::nullopt;
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return groups;
}

Profile draw_profile(std::uint64_t seed, const std::set<FaultGroup>& groups, double hours) {
  Random random(seed * 0x9e3779b97f4a7c15ULL + 1);
  Profile profile;
  profile.seed = seed;
  profile.groups = groups;
  const double drawn = 0.5 + 1.0 * random.unit();
  profile.length = Duration(static_cast<Duration::rep>((hours > 0 ? hours : drawn) * 3'600'000));
  profile.settings = draw_settings(random.fork());
  profile.tasks = draw_tasks(random.fork(), profile.settings.policy);
  draw_runpod(Dice(random.fork(), groups.contains(FaultGroup::runpod)), profile.faults);
  draw_supabase(Dice(random.fork(), groups.contains(FaultGroup::supabase)), profile.faults);
  draw_pods(Dice(random.fork(), groups.contains(FaultGroup::pods)), profile.faults);
  draw_daemon(Dice(random.fork(), groups.contains(FaultGroup::daemon)), profile.faults);
  Dice operators(random.fork(), groups.contains(FaultGroup::operators));
  profile.faults.operator_presses = operators.rate(6, 0.6);
  if (!groups.contains(FaultGroup::pods))
    profile.tasks.kills = profile.tasks.never_ends = profile.tasks.poison = 0;
  return profile;
}

}  // namespace gpuwarden::simulation
