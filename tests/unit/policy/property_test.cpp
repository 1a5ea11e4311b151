#include <random>

#include <gtest/gtest.h>

#include "fakes/world.hpp"

namespace gpuwarden::policy {
namespace {

using namespace fakes;

/// A small provider and database that do what they are told, badly: lists lag and are cut short, creates are
/// ambiguous, pods die, reads fail.
class Chaos {
 public:
  explicit Chaos(unsigned seed) : random_(seed) {
    world.seed = seed;
    world.settings.max_active = chance(0.5) ? 4 : 12;
    world.settings.min_active = static_cast<int>(seed % 3);
    world.settings.keep_idle = static_cast<int>(seed % 2);
    world.stray("foreign-1", "comfyui");
    world.stray("foreign-2", "gpu-other-20261124000000-0000000a");
    existing_ = world.pods;
  }

  void step() {
    world.pass(world.settings.poll);
    auto& failures = world.snapshot.recent_failures;
    for (RecentFailure& failure : failures) failure.age += world.settings.poll;
    std::erase_if(failures, [](const RecentFailure& failure) { return failure.age > 10min; });
    if (chance(0.05)) world.snapshot.queue.queued = std::uniform_int_distribution(0, 20)(random_);
    for (Worker& worker : world.snapshot.workers) live(worker);
    world.database_readable = !chance(0.05);
    world.snapshot.writable = !chance(0.03);
    world.snapshot.leader.leading = !chance(0.03);
    world.list_complete = !chance(0.1);
    world.loop_gap = chance(0.02) ? 30s : 0s;
    world.beacon_returned = !chance(0.03);
    if (chance(0.001)) world.memory = {};  // the daemon starts anew
    // A late list: what was created within the last minute may be missing.
    world.pods.clear();
    for (const Pod& pod : existing_) {
      if (!chance(0.03)) world.pods.push_back(pod);
    }
    const Plan plan = world.tick();
    check(plan);
    for (const PlannedAction& planned : plan.actions)
      std::visit([&](const auto& a) { act(a); }, planned.action);
  }

  World world;
  int spawned{0}, deleted{0}, failed{0}, orphans{0};

 private:
  bool chance(double p) { return std::bernoulli_distribution(p)(random_); }
  Worker* find(const WorkerId& id) {
    const auto found = std::find_if(world.snapshot.workers.begin(), world.snapshot.workers.end(),
                                    [&](const Worker& worker) { return worker.id == id; });
    return found == world.snapshot.workers.end() ? nullptr : &*found;
  }
  Pod* find(const PodId& id) {
    const auto found =
        std::find_if(existing_.begin(), existing_.end(), [&](const Pod& pod) { return pod.id == id; });
    return found == existing_.end() ? nullptr : &*found;
  }
  static void phase(Worker& worker, WorkerStatus status, Phase phase) {
    worker.status = status;
    worker.phase = phase;
    worker.phase_age = 0s;
  }

  void live(Worker& worker) {
    Pod* pod = worker.pod.empty() ? nullptr : find(worker.pod);
    if (pod == nullptr) return;
    if (pod->status == PodStatus::starting && chance(0.2)) {
      pod->status = PodStatus::running;
      pod->ssh = SshEndpoint{};
    }
    if (chance(0.002)) pod->status = PodStatus::exited;
    if (pod->status != PodStatus::running) return;
    if (worker.status == WorkerStatus::spawning && worker.phase == Phase::bootstrapping) {
      if (chance(0.1)) worker.heartbeat_age = 0s;
      if (chance(0.02)) worker.crash = CrashReport{};
    }
    if (worker.heartbeat_age && chance(0.97)) worker.heartbeat_age = 0s;
    if (worker.status == WorkerStatus::active && worker.tasks.empty() && world.snapshot.queue.queued > 0 &&
        chance(0.5)) {
      worker.tasks.emplace_back("t");
      worker.phase = Phase::busy;
      worker.idle_for.reset();
      --world.snapshot.queue.queued;
      ++world.snapshot.queue.running;
    } else if (!worker.tasks.empty() && chance(0.1)) {
      worker.tasks.clear();
      if (worker.status == WorkerStatus::active) {
        worker.phase = Phase::idle;
        worker.idle_for = 0s;
      }
      --world.snapshot.queue.running;
    }
  }

  /// What must hold of every plan in every world.
  void check(const Plan& plan) {
    const bool readable = world.database_readable && world.snapshot.writable && world.snapshot.leader.leading;
    if (!readable) EXPECT_TRUE(plan.actions.empty()) << words(plan);
    int occupied = static_cast<int>(world.snapshot.workers.size());
    for (const Pod& pod : existing_) {
      if (is_worker_name_of(pod.name, "default") && find(WorkerId(pod.name)) == nullptr) ++occupied;
    }
    const int spawns = static_cast<int>(actions<SpawnWorker>(plan).size());
    if (spawns > 0) EXPECT_LE(occupied + spawns, world.settings.max_active + hidden()) << words(plan);
    std::set<WorkerId> acted;
    for (const PlannedAction& planned : plan.actions) {
      EXPECT_FALSE(planned.reason.empty()) << action_name(planned.action);
      const WorkerId worker = worker_of(planned.action);
      if (!worker.empty() && !std::holds_alternative<BringUpWorker>(planned.action))
        EXPECT_TRUE(acted.insert(worker).second) << "two actions: " << words(plan);
      if (!world.list_complete) {
        EXPECT_FALSE(std::holds_alternative<DeletePod>(planned.action) ||
                     std::holds_alternative<DeleteOrphan>(planned.action) ||
                     std::holds_alternative<AdoptPod>(planned.action) ||
                     std::holds_alternative<AbandonIntent>(planned.action) ||
                     std::holds_alternative<ConfirmGone>(planned.action) ||
                     std::holds_alternative<SpawnWorker>(planned.action))
            << words(plan);
        if (std::holds_alternative<FailWorker>(planned.action))
          EXPECT_TRUE(find(worker)->crash.has_value()) << words(plan);
      }
      if (std::holds_alternative<DrainWorker>(planned.action))
        EXPECT_TRUE(find(worker)->tasks.empty()) << words(plan);
    }
    for (const DeletePod& gone : actions<DeletePod>(plan)) {
      EXPECT_TRUE(find(gone.worker)->tasks.empty()) << words(plan);
      expect_ours(gone.pod);
    }
    for (const FailWorker& gone : actions<FailWorker>(plan)) {
      expect_ours(gone.pod);
      if (gone.suspected != FailureCause::heartbeat_lost) continue;
      EXPECT_EQ(world.beacon_returned, true) << words(plan);
      replaced_.push_back(world.now);
    }
    check_replacements(plan);
    for (const DeleteOrphan& gone : actions<DeleteOrphan>(plan)) {
      expect_ours(gone.pod);
      EXPECT_EQ(find(WorkerId(gone.name)), nullptr) << words(plan);
    }
    EXPECT_LE(world.memory.workers.size(), world.snapshot.workers.size() + 64);
  }
  /// A restarted daemon knows of those of before by the database.
  void check_replacements(const Plan& plan) {
    std::erase_if(replaced_, [&](MonoTime at) { return world.now - at >= 10min; });
    const auto watched =
        std::count_if(world.snapshot.workers.begin(), world.snapshot.workers.end(), [](const Worker& worker) {
          return worker.status == WorkerStatus::active || worker.status == WorkerStatus::terminating;
        });
    most_watched_ = replaced_.empty() ? watched : std::max<long>(most_watched_, watched);
    EXPECT_LE(static_cast<long>(replaced_.size()), std::max<long>(1, most_watched_ / 5)) << words(plan);
  }
  /// Own pods without a row that this list happens not to show: no one can know of them.
  int hidden() {
    int count = 0;
    for (const Pod& pod : existing_) {
      if (!is_worker_name_of(pod.name, "default") || find(WorkerId(pod.name)) != nullptr) continue;
      const auto shown =
          std::any_of(world.pods.begin(), world.pods.end(), [&](const Pod& p) { return p.id == pod.id; });
      if (!shown) ++count;
    }
    return count;
  }
  void expect_ours(const PodId& id) {
    if (const Pod* pod = find(id)) EXPECT_TRUE(is_worker_name_of(pod->name, "default")) << pod->name;
  }

  void remove(const PodId& id) {
    EXPECT_FALSE(id.str().starts_with("foreign"));
    std::erase_if(existing_, [&](const Pod& pod) { return pod.id == id; });
    ++deleted;
  }
  void end(const WorkerId& id) {
    std::erase_if(world.snapshot.workers, [&](const Worker& worker) { return worker.id == id; });
  }

  void act(const SpawnWorker& action) {
    ++spawned;
    Worker worker;
    worker.id = action.worker;
    worker.placement = action.placement;
    worker.generation = action.generation;
    worker.canary = action.canary;
    worker.script_hash = world.settings.script_hash;
    Pod pod;
    pod.id = PodId(fmt::format("p{}", spawned));
    pod.name = action.worker.str();
    pod.status = PodStatus::starting;
    const bool exists = !chance(0.1);
    if (exists) existing_.push_back(pod);
    if (chance(0.2)) {
      worker.phase = Phase::unknown;
    } else if (exists && !chance(0.1)) {
      worker.phase = Phase::provisioning;
      worker.pod = pod.id;
    }
    if (exists && chance(0.02)) return;  // somebody ends the row by hand
    world.snapshot.workers.push_back(std::move(worker));
  }
  void act(const AdoptPod& action) {
    Worker& worker = *find(action.worker);
    EXPECT_TRUE(worker.pod.empty());
    worker.pod = action.pod;
    worker.phase = Phase::provisioning;
  }
  void act(const AbandonIntent& action) { end(action.worker); }
  void act(const BringUpWorker& action) { find(action.worker)->phase = Phase::bootstrapping; }
  void act(const ActivateWorker& action) {
    Worker& worker = *find(action.worker);
    phase(worker, WorkerStatus::active, Phase::idle);
    worker.proven = true;
    worker.idle_for = 0s;
  }
  void act(const FailWorker& action) {
    ++failed;
    Worker& worker = *find(action.worker);
    if (worker.heartbeat_age)
      world.snapshot.recent_failures.push_back({worker.id, Duration{0}, *worker.heartbeat_age});
    if (!worker.tasks.empty()) --world.snapshot.queue.running;
    worker.tasks.clear();
    phase(worker, WorkerStatus::error, chance(0.5) ? Phase::collecting : Phase::deleting);
  }
  void act(const DrainWorker& action) {
    phase(*find(action.worker), WorkerStatus::terminating, Phase::draining);
  }
  void act(const DeletePod& action) {
    Worker& worker = *find(action.worker);
    if (worker.phase != Phase::deleting)
      phase(worker, worker.status == WorkerStatus::error ? WorkerStatus::error : WorkerStatus::terminating,
            Phase::deleting);
    if (!chance(0.2)) remove(action.pod);
  }
  void act(const ConfirmGone& action) { end(action.worker); }
  void act(const DeleteOrphan& action) {
    ++orphans;
    if (!chance(0.2)) remove(action.pod);
  }
  void act(const RescueTasks&) {}
  void act(const NotePhase& action) { find(action.worker)->phase = action.phase; }
  void act(const ProbeWorker& action) {
    if (chance(0.7)) world.shell_probe[action.worker] = chance(0.5);
  }
  void act(const SaveBreaker& action) {
    if (!chance(0.1)) world.snapshot.breaker = action.memory;
  }

  std::mt19937 random_;
  std::vector<Pod> existing_;
  std::vector<MonoTime> replaced_;
  long most_watched_{0};
};

TEST(AnyWorld, ForeignPodsSurviveTheCeilingHoldsAndNobodyActsBlindly) {
  int spawned = 0, deleted = 0, failed = 0, orphans = 0;
  for (unsigned seed = 1; seed <= 60; ++seed) {
    Chaos chaos(seed);
    for (int i = 0; i < 1500; ++i) {
      chaos.step();
      ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed << ", tick " << i;
    }
    spawned += chaos.spawned;
    deleted += chaos.deleted;
    failed += chaos.failed;
    orphans += chaos.orphans;
  }
  // The worlds must have been eventful enough to prove anything.
  EXPECT_GT(spawned, 1000);
  EXPECT_GT(deleted, 500);
  EXPECT_GT(failed, 200);
  EXPECT_GT(orphans, 5);
}

}  // namespace
}  // namespace gpuwarden::policy
