#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "simulation/database.hpp"

namespace gpuwarden::simulation {

using nlohmann::json;

namespace {

constexpr std::size_t kDurationsKept = 50;
constexpr std::size_t kLongestError = 8000;
constexpr std::string_view kApiWorker = "api-worker-";

}  // namespace

void Database::unlink(Task& task) {
  if (task.status == "Queued") {
    queued_.erase({task.created_at, task.id});
    dependent_queued_.erase(task.id);
    if (!task.depends_on.empty()) return;
    const auto count = free_queued_.find(task.type);
    if (--count->second == 0) free_queued_.erase(count);
  } else if (task.status == "In Progress") {
    in_progress_.erase(task.id);
    const auto held = held_.find(task.worker);
    if (held == held_.end()) return;
    held->second.erase(task.id);
    if (held->second.empty()) held_.erase(held);
  }
}

void Database::link(Task& task) {
  if (task.status == "Queued") {
    queued_.emplace(std::pair(task.created_at, task.id), &task);
    if (task.depends_on.empty()) {
      ++free_queued_[task.type];
    } else {
      dependent_queued_.insert(task.id);
    }
  } else if (task.status == "In Progress") {
    in_progress_.emplace(task.id, &task);
    if (!task.worker.empty()) held_[task.worker].insert(task.id);
  } else if (!task.worker.empty()) {
    auto& settled = settled_at_[task.worker];
    settled = std::max(settled, task.updated_at);
  }
}

void Database::begin(Task& task, const std::string& worker, WallTime now) {
  unlink(task);
  task.status = "In Progress";
  task.worker = worker;
  task.started_at = task.updated_at = now;
  task.attempts_made.push_back({task.attempts + 1, worker, now, {}, {}});
  link(task);
}

void Database::complete(Task& task, WallTime now) {
  unlink(task);
  end_attempt(task, "completed", now);
  task.status = "Complete";
  task.processed_at = task.updated_at = now;
  ++task.completions;
  if (auto* row = find_worker(task.worker)) ++row->completed_tasks;
  auto& ran = durations_[task.type];
  if (ran.size() == kDurationsKept) ran.pop_front();
  ran.push_back({now, task.started_at == WallTime{} ? 0 : sql::age(now, task.started_at)});
  link(task);
}

void Database::end_attempt(Task& task, std::string how, WallTime now) {
  if (task.attempts_made.empty() || !task.attempts_made.back().end.empty()) return;
  task.attempts_made.back().end = std::move(how);
  task.attempts_made.back().ended_at = now;
}

const std::set<std::string>* Database::held_by(const std::string& worker) const {
  const auto found = held_.find(worker);
  return found == held_.end() ? nullptr : &found->second;
}

bool Database::ready(const Task& task) const {
  return std::all_of(task.depends_on.begin(), task.depends_on.end(), [&](const std::string& id) {
    const auto found = tasks_.find(id);
    return found != tasks_.end() && found->second.status == "Complete";
  });
}

Database::Task* Database::next_task() const {
  for (const auto& [at, task] : queued_) {
    if (ready(*task)) return task;
  }
  return nullptr;
}

json Database::queue_depth(const json&, WallTime) {
  struct Depth {
    long queued{0}, running{0};
  };
  std::map<std::string, Depth> types;
  Depth all;
  long blocked = 0;
  for (const auto& [type, count] : free_queued_) {
    types[type].queued = count;
    all.queued += count;
  }
  for (const auto& id : dependent_queued_) {
    const Task& task = tasks_.at(id);
    const bool claimable = ready(task);
    types[task.type].queued += claimable ? 1 : 0;
    ++(claimable ? all.queued : blocked);
  }
  for (const auto& [id, task] : in_progress_) {
    if (task->worker.starts_with(kApiWorker)) continue;
    ++types[task->type].running;
    ++all.running;
  }
  json by_type = json::object();
  for (const auto& [type, depth] : types)
    by_type[type] = {{"queued", depth.queued}, {"running", depth.running}};
  return {{"queued", all.queued},
          {"running", all.running},
          {"blocked", blocked},
          {"by_type", std::move(by_type)}};
}

bool Database::rescuable(const Task& task, const json& options, WallTime now) const {
  if (const auto* row = find_worker(task.worker)) {
    if (row->ended_at != WallTime{}) return true;
    const auto status = status_of(*row);
    return status == "error" || status == "terminated";
  }
  if (sql::matches(task.type, sql::member(options, "rescue_exempt"))) return false;
  const double quiet = sql::age(now, std::max({task.updated_at, task.started_at, task.created_at}));
  if (task.worker.empty()) return quiet >= sql::number(options, "orphan_task_sec").value_or(900);
  if (task.worker.starts_with(kApiWorker)) return quiet >= sql::number(options, "api_task_sec").value_or(420);
  const double inactive = sql::number(options, "inactive_task_sec").value_or(1800);
  const auto shared = shared_.find(task.worker);
  if (shared != shared_.end() && shared->second.status != "error" && shared->second.status != "terminated") {
    const auto heartbeat = shared->second.heartbeat_at;
    if (heartbeat == WallTime{} || heartbeat >= now - sql::duration_of(inactive)) return false;
  }
  return quiet >= inactive;
}

long Database::count_rescuable(const json& options, WallTime now) const {
  return std::count_if(in_progress_.begin(), in_progress_.end(),
                       [&](const auto& entry) { return rescuable(*entry.second, options, now); });
}

std::string Database::rescue_reason(const Task& task) const {
  if (find_worker(task.worker) != nullptr) {
    const auto failure = failures_.find(task.worker);
    return fmt::format("its worker {} has ended{}", task.worker,
                       failure == failures_.end()
                           ? ""
                           : fmt::format(": {} ({})", failure->second.cause, failure->second.summary));
  }
  if (task.worker.empty()) return "in progress without a worker";
  if (task.worker.starts_with(kApiWorker)) return "no activity of " + task.worker;
  const auto shared = shared_.find(task.worker);
  if (shared != shared_.end() && shared->second.status != "error" && shared->second.status != "terminated")
    return "its worker " + task.worker + " has sent no heartbeat for long";
  return "its worker " + task.worker + " is unknown";
}

json Database::rescue_tasks(const json& arguments, WallTime now) {
  if (!leads(arguments)) return {{"done", false}, {"reason", "not_leader"}};
  const auto owner = sql::text(arguments, "owner_param").value_or("");
  const json& options = sql::document(arguments, "options_param");
  std::vector<std::string> strays;
  for (const auto& [id, task] : in_progress_) {
    if (rescuable(*task, options, now)) strays.push_back(id);
  }
  const int most = strays.empty() ? 0 : sql::integer(options, "task_max_attempts").value_or(3);
  keep_settings(owner, options, now);
  json requeued = json::array(), given_up = json::array();
  for (const auto& id : strays) {
    const Task& task = tasks_.at(id);
    const std::string moved =
        release(id, task.worker, task.attempts, most, rescue_reason(task), "rescued", now);
    if (!moved.empty()) (moved == "Queued" ? requeued : given_up).push_back(id);
  }
  return {{"done", true}, {"reason", "rescued"}, {"requeued", requeued}, {"failed", given_up}};
}

std::string Database::release(const std::string& id, const std::string& worker, std::optional<int> attempts,
                              int max_attempts, const std::string& why, std::string how, WallTime now) {
  const auto found = tasks_.find(id);
  if (found == tasks_.end() || !attempts) return {};
  Task& task = found->second;
  if (task.status != "In Progress" || task.worker != worker || task.attempts != *attempts) return {};
  unlink(task);
  end_attempt(task, std::move(how), now);
  ++task.attempts;
  task.updated_at = now;
  if (task.attempts < max_attempts) {
    task.status = "Queued";
    task.worker.clear();
    task.started_at = {};
    link(task);
    return "Queued";
  }
  std::string deaths;
  if (const auto failures = failures_of_task_.find(id); failures != failures_of_task_.end()) {
    for (const auto* failure : failures->second) {
      if (failure->worker == worker) continue;
      deaths += fmt::format("{}{} on {} ({})", deaths.empty() ? "; earlier: " : "; ", failure->cause,
                            failure->worker, failure->summary);
    }
  }
  task.status = "Failed";
  task.processed_at = now;
  task.error =
      sql::left(fmt::format("given up after {} attempts: {}{}", task.attempts, why, deaths), kLongestError);
  link(task);
  return task.status;
}

}  // namespace gpuwarden::simulation
