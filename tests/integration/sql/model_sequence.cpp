#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "integration/sql/model_calls.hpp"

namespace gpuwarden::test {
namespace {

constexpr WallTime kStart{std::chrono::sys_days{std::chrono::year{2026} / 11 / 24}};

}  // namespace

Sequence::Sequence(std::uint64_t seed, bool with_operator)
    : random_(seed), with_operator_(with_operator), now_(kStart) {}

std::vector<Step> Sequence::make(int count) {
  for (int i = 0; i < count; ++i) {
    if (read_only_left_ > 0 && --read_only_left_ == 0) read_only(false);
    one();
    if (i % 25 == 24) read_tables();
  }
  read_only(false);
  read_tables();
  return std::move(steps_);
}

void Sequence::one() {
  pass_time();
  const auto kind = random_.between(0, 99);
  if (kind < 18) {
    snapshot();
  } else if (kind < 48) {
    daemon_call();
  } else if (kind < 78) {
    pod_call();
  } else if (kind < 82) {
    legacy_call();
  } else if (kind < 84) {
    call("gpuwarden_queue_depth", Json::object());
  } else if (kind < 87 && with_operator_) {
    operator_call();
  } else {
    world();
  }
}

void Sequence::pass_time() {
  const auto dice = random_.between(0, 99);
  now_ += dice < 70   ? random_.between(Duration(1), Duration(3000))
          : dice < 95 ? random_.between(Duration(3000), Duration(60000))
          : dice < 99 ? random_.between(Duration(60000), Duration(1800000))
                      : random_.between(Duration(3600000), Duration(13 * 3600000));
}

Json Sequence::call(std::string function, Json arguments) {
  if (chance(0.02)) spoil(arguments);
  Step step;
  step.function = std::move(function);
  step.arguments = std::move(arguments);
  step.at = now_;
  try {
    step.expected = model_.rpc(step.function, step.arguments, now_);
    note(step.function, step.expected);
  } catch (const simulation::SqlError& error) {
    step.expected = {{"error", error.code}};
    ++reached_[step.function + " " + error.code];
  }
  steps_.push_back(std::move(step));
  now_ += Duration(1);  // two calls in one step stay in order
  return steps_.back().expected;
}

void Sequence::note(const std::string& function, const Json& answer) {
  const auto met = [&](const std::string& what) { ++reached_[function + " " + what]; };
  const auto full = [&](const char* key) { return answer.contains(key) && !answer.at(key).empty(); };
  if (answer.is_boolean() ? answer.get<bool>() : !answer.empty()) ++reached_[function];
  if (!answer.is_object()) return;
  for (const char* key : {"reason", "directive"})
    if (answer.contains(key)) met(answer.at(key));
  if (full("requeued")) met("requeued");
  if (full("failed")) met("given up");
  if (!answer.contains("leader")) return;
  met(answer.at("leader").at("leading") ? "leading" : "looking");
  if (!answer.at("writable")) met("read only");
  if (answer.at("rescuable") > 0) met("rescuable");
  if (answer.at("beacon").is_string()) met("beacon");
  if (full("recent_failures")) met("recent failures");
}

void Sequence::spoil(Json& arguments) {
  if (arguments.empty() || chance(0.1)) {
    arguments["novel_param"] = 1;
    return;
  }
  auto victim = arguments.begin();
  std::advance(victim, random_.between(0, static_cast<std::int64_t>(arguments.size()) - 1));
  switch (random_.between(0, 4)) {
    case 0:
      *victim = nullptr;
      break;
    case 1:
      *victim = "spoilt";
      break;
    case 2:
      *victim = 3.5;
      break;
    case 3:
      *victim = {{"spoilt", true}};
      break;
    default:
      arguments.erase(victim);
      break;
  }
}

void Sequence::effect(std::string sql) {
  Step step;
  step.sql = std::move(sql);
  step.at = now_;
  steps_.push_back(std::move(step));
}

void Sequence::read_tables() {
  for (const auto& table : tables()) {
    Step step;
    step.sql = table.read_rows;
    step.reads = true;
    step.at = now_;
    step.expected = table.rows_of(model_);
    steps_.push_back(std::move(step));
  }
}

std::string Sequence::worker(const std::string& of) {
  if (workers_.empty() || chance(0.02)) return any({"nobody", "old-1"});
  const auto most = static_cast<std::int64_t>(workers_.size()) - 1;
  for (int attempts = 0;; ++attempts) {
    const auto first = chance(0.8) ? std::max<std::int64_t>(0, most - 6) : 0;
    const auto& id = workers_[static_cast<std::size_t>(random_.between(first, most))];
    if (of.empty() || id.starts_with("gpu-" + of) || attempts == 4) return id;
  }
}

std::string Sequence::task() {
  if (tasks_.empty() || chance(0.02)) return "99999999-0000-4000-8000-000000000000";
  return any(tasks_);
}

std::int64_t Sequence::epoch(const std::string& owner) {
  const auto* leader = model_.leader(owner);
  return (leader == nullptr ? 0 : leader->epoch) - (chance(0.03) ? 1 : 0);
}

void Sequence::add_task() {
  std::vector<std::string> depends;
  while (!tasks_.empty() && chance(0.15)) depends.push_back(task());
  const auto type = any({"image", "video", "im%ge", "travel_orchestrator_x"});
  const auto id = model_.add_task(type, now_, {}, depends);
  tasks_.push_back(id);
  std::string list;
  for (const auto& each : depends) list += (list.empty() ? "'" : ", '") + each + "'::uuid";
  effect(
      fmt::format("insert into public.tasks (id, task_type, created_at, updated_at, dependant_on) values "
                  "('{}', '{}', {}, {}, {})",
                  id, type, quoted(now_), quoted(now_), list.empty() ? "null" : "array[" + list + "]"));
}

void Sequence::read_only(bool on) {
  read_only_left_ = on ? static_cast<int>(random_.between(3, 12)) : 0;
  model_.set_read_only(on);
  effect(fmt::format("set default_transaction_read_only = {}", on ? "on" : "off"));
}

void Sequence::world() {
  if (read_only_left_ > 0) return;
  const auto kind = random_.between(0, 19);
  if (kind < 10) return add_task();
  if (kind == 10 && chance(0.4)) return read_only(true);
  const auto id = kind < 14 ? task() : chance(0.5) ? any({"old-1", "old-2", "old-3"}) : worker();
  if (kind < 14) {
    const auto found = model_.tasks().find(id);
    if (found == model_.tasks().end()) return;
    if (found->second.status == "Queued") {
      const auto holder = any({"", "", "api-worker-7", "old-1", "old-2", "unheard-of"});
      model_.start_task(id, holder, now_);
      effect(
          fmt::format("update public.tasks set status = 'In Progress', worker_id = {}, generation_started_at "
                      "= {}, updated_at = {} where id = '{}'",
                      holder.empty() ? "null" : "'" + holder + "'", quoted(now_), quoted(now_), id));
    } else if (found->second.status == "In Progress" && chance(0.3)) {
      model_.cancel_task(id, now_);
      effect(fmt::format("update public.tasks set status = 'Cancelled', updated_at = {} where id = '{}'",
                         quoted(now_), id));
    }
  } else if (kind < 16) {
    const auto status =
        any({"spawning", "active", "terminating", "error", "terminated", "crashed", "resting"});
    model_.set_shared_status(id, status, now_);
    effect(
        fmt::format("insert into public.workers (id, instance_type, status) values ('{0}', 'x', '{1}') "
                    "on conflict (id) do update set status = '{1}'",
                    id, status));
  } else if (kind < 19) {
    model_.write_shared_heartbeat(id, now_);
    effect(
        fmt::format("insert into public.workers (id, instance_type, status, last_heartbeat) values ('{0}', "
                    "'x', 'active', {1}) "
                    "on conflict (id) do update set last_heartbeat = {1}",
                    id, quoted(now_)));
  } else if (chance(0.3)) {
    model_.delete_shared_row(id);
    effect(fmt::format("delete from public.workers where id = '{}'", id));
  }
}

}  // namespace gpuwarden::test
