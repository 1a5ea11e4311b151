#pragma once

#include <type_traits>

#include "gpuwarden/domain/action.hpp"
#include "gpuwarden/policy/note.hpp"

/// The fields of everything that a journal holds, each named once for writing, reading and testing. A test
/// counts them, so that a new field cannot be forgotten here.
namespace gpuwarden::app::journal {

template <class Is, class Wanted>
concept A = std::is_same_v<std::remove_const_t<Is>, Wanted>;

template <class V>
void visit_fields(V&& v, A<Placement> auto& x) {
  v("gpu", x.gpu), v("data_center", x.data_center), v("volume_id", x.volume_id);
  v("volume_name", x.volume_name), v("cloud", x.cloud), v("price_per_hr", x.price_per_hr);
}

template <class V>
void visit_fields(V&& v, A<CrashReport> auto& x) {
  v("step", x.step), v("exit_code", x.exit_code), v("signal", x.signal), v("tail", x.tail);
  v("ran_for", x.ran_for);
}

template <class V>
void visit_fields(V&& v, A<Worker> auto& x) {
  v("id", x.id), v("status", x.status), v("phase", x.phase), v("step", x.step), v("pod", x.pod);
  v("placement", x.placement), v("age", x.age), v("phase_age", x.phase_age);
  v("heartbeat_age", x.heartbeat_age), v("idle_for", x.idle_for), v("tasks", x.tasks);
  v("cost_per_hr", x.cost_per_hr), v("canary", x.canary), v("proven", x.proven);
  v("generation", x.generation), v("script_hash", x.script_hash), v("drain_reason", x.drain_reason);
  v("crash", x.crash), v("git_commit", x.git_commit), v("vram_total_mb", x.vram_total_mb);
  v("vram_used_mb", x.vram_used_mb), v("disk_free_mb", x.disk_free_mb), v("agent_uptime", x.agent_uptime);
}

template <class V>
void visit_fields(V&& v, A<SshEndpoint> auto& x) {
  v("host", x.host), v("port", x.port), v("user", x.user);
}

template <class V>
void visit_fields(V&& v, A<Pod> auto& x) {
  v("id", x.id), v("name", x.name), v("status", x.status), v("status_text", x.status_text), v("ssh", x.ssh);
  v("uptime", x.uptime), v("gpu", x.gpu), v("data_center", x.data_center), v("image", x.image);
  v("cost_per_hr", x.cost_per_hr), v("created_at", x.created_at);
}

template <class V>
void visit_fields(V&& v, A<ScopeBreaker> auto& x) {
  v("key", x.key), v("state", x.state), v("since", x.since), v("pause", x.pause);
  v("canary_successes", x.canary_successes), v("reason", x.reason);
}

template <class V>
void visit_fields(V&& v, A<BreakerMemory> auto& x) {
  v("state", x.state), v("generation", x.generation), v("state_age", x.state_age), v("pause", x.pause);
  v("canary_successes", x.canary_successes), v("canary", x.canary), v("reason", x.reason);
  v("script_hash", x.script_hash), v("scopes", x.scopes), v("good_script", x.good_script);
}

template <class V>
void visit_fields(V&& v, A<BreakerOverride> auto& x) {
  v("kind", x.kind), v("actor", x.actor), v("reason", x.reason), v("expires_in", x.expires_in);
}

template <class V>
void visit_fields(V&& v, A<StartOutcome> auto& x) {
  v("worker", x.worker), v("success", x.success), v("cause", x.cause), v("placement", x.placement);
  v("fingerprint", x.fingerprint), v("summary", x.summary), v("script_hash", x.script_hash),
      v("generation", x.generation);
  v("age", x.age), v("took", x.took);
}

template <class V>
void visit_fields(V&& v, A<FailingWay> auto& x) {
  v("cause", x.cause), v("fingerprint", x.fingerprint), v("summary", x.summary), v("newest", x.newest);
  v("newest_age", x.newest_age), v("count", x.count), v("cost_usd", x.cost_usd);
}

template <class V>
void visit_fields(V&& v, A<TypeDepth> auto& x) {
  v("queued", x.queued), v("running", x.running);
}
template <class V>
void visit_fields(V&& v, A<QueueDepth> auto& x) {
  v("queued", x.queued), v("running", x.running), v("blocked", x.blocked), v("by_type", x.by_type);
}
template <class V>
void visit_fields(V&& v, A<TaskPace> auto& x) {
  v("typical", x.typical), v("samples", x.samples);
}
template <class V>
void visit_fields(V&& v, A<RunningTask> auto& x) {
  v("id", x.id), v("type", x.type), v("worker", x.worker), v("attempts", x.attempts);
  v("running_for", x.running_for);
}
template <class V>
void visit_fields(V&& v, A<Leadership> auto& x) {
  v("leading", x.leading), v("epoch", x.epoch), v("holder", x.holder);
}
template <class V>
void visit_fields(V&& v, A<Tombstone> auto& x) {
  v("worker", x.worker), v("pod", x.pod), v("age", x.age);
}
template <class V>
void visit_fields(V&& v, A<Switches> auto& x) {
  v("paused", x.paused), v("paused_by", x.paused_by), v("pause_reason", x.pause_reason);
}

template <class V>
void visit_fields(V&& v, A<RecentFailure> auto& x) {
  v("worker", x.worker), v("age", x.age), v("silent", x.silent);
}

template <class V>
void visit_fields(V&& v, A<Snapshot> auto& x) {
  v("db_now", x.db_now), v("writable", x.writable), v("leader", x.leader), v("queue", x.queue);
  v("workers", x.workers), v("running", x.running), v("outcomes", x.outcomes), v("breaker", x.breaker);
  v("breaker_override", x.breaker_override), v("switches", x.switches), v("tombstones", x.tombstones);
  v("rescuable", x.rescuable), v("spent_last_day_usd", x.spent_last_day_usd);
  v("fruitless_last_day_usd", x.fruitless_last_day_usd), v("pace", x.pace);
  v("recent_failures", x.recent_failures), v("beacon", x.beacon), v("failing", x.failing);
}

template <class V>
void visit_fields(V&& v, A<policy::Offer> auto& x) {
  v("placement", x.placement), v("stock", x.stock), v("preference", x.preference);
}

template <class V>
void visit_fields(V&& v, A<policy::Observation> auto& x) {
  v("snapshot", x.snapshot), v("snapshot_error", x.snapshot_error), v("snapshot_at", x.snapshot_at);
  v("pods", x.pods), v("pods_error", x.pods_error), v("offers", x.offers), v("in_flight", x.in_flight);
  v("bringing_up", x.bringing_up), v("shell_probe", x.shell_probe), v("newest_log_line", x.newest_log_line);
  v("beacon_returned", x.beacon_returned), v("held_script", x.held_script), v("loop_gap", x.loop_gap),
      v("draining_all", x.draining_all);
  v("rehearsal", x.rehearsal);
}

template <class V>
void visit_fields(V&& v, A<policy::Note> auto& x) {
  v("kind", x.kind), v("placement", x.placement), v("detail", x.detail), v("at", x.at);
  v("worker", x.worker), v("pod", x.pod);
}

template <class V>
void visit_fields(V&& v, A<policy::StuckLimit> auto& x) {
  v("pattern", x.pattern), v("limit", x.limit);
}

template <class V>
void visit_fields(V&& v, A<policy::Settings> auto& x) {
  v("owner", x.owner), v("min_active", x.min_active), v("max_active", x.max_active);
  v("tasks_per_gpu", x.tasks_per_gpu), v("keep_idle", x.keep_idle);
  v("scale_up_multiplier", x.scale_up_multiplier), v("scale_down_multiplier", x.scale_down_multiplier);
  v("scale_up_delay", x.scale_up_delay), v("scale_down_delay", x.scale_down_delay);
  v("queue_drain_target", x.queue_drain_target), v("scale_down_grace", x.scale_down_grace),
      v("spawning_grace", x.spawning_grace);
  v("max_spawns_per_minute", x.max_spawns_per_minute), v("max_hourly_cost_usd", x.max_hourly_cost_usd);
  v("max_daily_cost_usd", x.max_daily_cost_usd), v("poll", x.poll);
  v("provision_timeout", x.provision_timeout), v("spawning_timeout", x.spawning_timeout);
  v("heartbeat_interval", x.heartbeat_interval), v("heartbeat_timeout", x.heartbeat_timeout);
  v("idle_timeout", x.idle_timeout), v("overcapacity_idle_timeout", x.overcapacity_idle_timeout);
  v("task_stuck_timeout", x.task_stuck_timeout), v("shutdown_timeout", x.shutdown_timeout);
  v("list_lag", x.list_lag);
  v("collect_timeout", x.collect_timeout), v("delete_retry", x.delete_retry);
  v("undeletable_after", x.undeletable_after), v("task_max_attempts", x.task_max_attempts);
  v("stuck_exempt", x.stuck_exempt), v("stuck_types", x.stuck_types),
      v("max_failure_rate", x.max_failure_rate);
  v("failure_window", x.failure_window), v("min_workers_for_rate", x.min_workers_for_rate);
  v("breaker_probe_interval", x.breaker_probe_interval), v("breaker_probe_max", x.breaker_probe_max);
  v("gpu_types", x.gpu_types), v("data_centers", x.data_centers), v("volume_names", x.volume_names);
  v("cloud", x.cloud), v("any_cloud", x.any_cloud), v("script_hash", x.script_hash);
}

template <class V>
void visit_fields(V&& v, A<policy::Memory::WorkerSeen> auto& x) {
  v("first_seen", x.first_seen), v("heartbeat_changed", x.heartbeat_changed);
  v("last_heartbeat", x.last_heartbeat), v("uptime", x.uptime), v("agent_uptime", x.agent_uptime);
  v("agent_restarted", x.agent_restarted), v("absent_lists", x.absent_lists);
  v("was_listed", x.was_listed), v("absent_since", x.absent_since), v("restarted", x.restarted);
  v("last_bring_up", x.last_bring_up), v("unanswered_since", x.unanswered_since);
  v("last_probe", x.last_probe), v("probed_alive", x.probed_alive), v("probed_at", x.probed_at);
  v("last_log_look", x.last_log_look), v("log_line", x.log_line), v("log_moved", x.log_moved);
  v("tick", x.tick);
}
template <class V>
void visit_fields(V&& v, A<policy::Memory::DeleteTries> auto& x) {
  v("count", x.count), v("first", x.first), v("next", x.next), v("accepted", x.accepted);
}
template <class V>
void visit_fields(V&& v, A<policy::Memory::ClockJump> auto& x) {
  v("between", x.between), v("by", x.by), v("seen", x.seen);
}
template <class V>
void visit_fields(V&& v, A<policy::Memory::ClockPair> auto& x) {
  v("database", x.database), v("ours", x.ours);
}
template <class V>
void visit_fields(V&& v, A<policy::Memory::SizeSeen> auto& x) {
  v("until", x.until), v("size", x.size);
}
template <class V>
void visit_fields(V&& v, A<policy::Memory::CandidatePause> auto& x) {
  v("until", x.until), v("pause", x.pause), v("refused", x.refused), v("detail", x.detail);
}
template <class V>
void visit_fields(V&& v, A<policy::Memory> auto& x) {
  v("workers", x.workers), v("orphan_sightings", x.orphan_sightings);
  v("doctor_pods", x.doctor_pods), v("exhausted", x.exhausted);
  v("recent_spawns", x.recent_spawns), v("last_scale_down", x.last_scale_down);
  v("sizing_since", x.sizing_since), v("least_up", x.least_up), v("most_up", x.most_up);
  v("most_down", x.most_down);
  v("last_complete_snapshot", x.last_complete_snapshot), v("timers_restarted", x.timers_restarted);
  v("replaced", x.replaced), v("no_balance_until", x.no_balance_until);
  v("rate_limited_until", x.rate_limited_until), v("deletes", x.deletes);
  v("without_pod", x.without_pod), v("complete_snapshots", x.complete_snapshots);
  v("beacons_returned", x.beacons_returned), v("ticks", x.ticks);
  v("mass_stale_since", x.mass_stale_since), v("unheard_at", x.unheard_at);
  v("stalled_until", x.stalled_until);
  v("recovered_at", x.recovered_at), v("epoch", x.epoch), v("queued_since", x.queued_since);
  v("last_rescue", x.last_rescue), v("clock_seen", x.clock_seen), v("clock_jumps", x.clock_jumps);
}

// Plans are only written: a replay compares them as JSON.

template <class V>
void visit_fields(V&& v, A<Gate> auto& x) {
  v("name", x.name), v("reason", x.reason), v("opens_in", x.opens_in);
}
template <class V>
void visit_fields(V&& v, A<ScaleFigures> auto& x) {
  v("queued", x.queued), v("running", x.running), v("active", x.active), v("spawning", x.spawning);
  v("draining", x.draining), v("idle", x.idle), v("wanted", x.wanted), v("capacity", x.capacity);
}

}  // namespace gpuwarden::app::journal
