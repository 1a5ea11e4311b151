#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "gpuwarden/base/time.hpp"

#include "simulation/database_rows.hpp"
#include "simulation/sql_values.hpp"

namespace gpuwarden::simulation {

/// The project's database in memory: the same functions as deploy/supabase/migrations, by the same names,
/// arguments and answers, one call = one transaction. Holds no faults and no clock of its own; `now` never
/// goes back. That it does what PostgreSQL does is tested against the real one
/// (tests/integration/sql/model_test.cpp).
class Database {
 public:
  using Json = nlohmann::json;
  using Task = rows::Task;
  using WorkerRow = rows::WorkerRow;

  Database() = default;
  Database(const Database&) = delete;  // the indices point into the tables
  Database& operator=(const Database&) = delete;

  /// Calls a function: `gpuwarden_snapshot`, `gpuwarden_claim_task`, ... Throws SqlError; "PGRST202" where
  /// no function has this name and these arguments.
  Json rpc(std::string_view function, const Json& arguments, WallTime now);

  // The world's side. Ids that are not there make these throw std::out_of_range.

  /// Queues a task and answers its id; an empty `id` is made up.
  std::string add_task(std::string type, WallTime now, std::string id = {},
                       std::vector<std::string> depends_on = {});
  /// A person or another program takes a task out of the queue or away from its worker.
  void cancel_task(const std::string& id, WallTime now);
  /// Another program marks a task as in progress; an empty worker = it names none.
  void start_task(const std::string& id, const std::string& worker, WallTime now);
  /// A person or another program writes workers.status; a row that is not there is made.
  void set_shared_status(const std::string& worker, std::string status, WallTime now);
  /// A program that knows nothing of ours writes workers.last_heartbeat; a row that is not there is made.
  void write_shared_heartbeat(const std::string& worker, WallTime now);
  void delete_shared_row(const std::string& worker);
  /// While true the database answers reads only, as after a full disk or on a standby: writes fail with
  /// 25006.
  void set_read_only(bool read_only) { read_only_ = read_only; }

  const std::map<std::string, Task>& tasks() const { return tasks_; }
  const std::map<std::string, WorkerRow>& workers() const { return workers_; }
  const std::map<std::string, rows::Failure>& failures() const { return failures_; }  ///< by worker
  const std::map<std::string, rows::SharedRow>& shared_rows() const { return shared_; }
  const std::map<std::string, rows::Leader>& leaders() const { return leaders_; }  ///< by owner
  const std::map<std::pair<std::string, std::string>, rows::State>& states() const { return state_; }
  /// Null when nobody has led for the owner yet.
  const rows::Leader* leader(const std::string& owner) const;
  /// A value of gpuwarden_state; null when there is none.
  const rows::State* state(const std::string& owner, const std::string& key) const;
  /// Workers of an owner that have not ended, by registration.
  std::vector<const WorkerRow*> live_workers(const std::string& owner) const;
  /// Tasks in progress, by id.
  const std::map<std::string, Task*>& in_progress() const { return in_progress_; }
  long queued_tasks() const { return static_cast<long>(queued_.size()); }
  /// The status as it counts: ours, or an end that was asked for in the shared row.
  static std::string_view status_of(const WorkerRow& row);

 private:
  friend struct Functions;
  using Timed = std::map<std::pair<WallTime, std::string>, WorkerRow*>;  ///< by time, then id
  struct Owned {
    Timed live, ended, outcomes;
    std::map<std::pair<WallTime, std::string>, const rows::Failure*> failures;
  };
  struct Ran {
    WallTime at;
    double took_s{0};  ///< 0 = not known
  };

  // Leadership and settings (database.cpp).
  bool leads(const Json& arguments) const;
  bool take_lead(const std::string& owner, const std::string& holder, std::optional<int> lease_sec,
                 WallTime now);
  void keep_settings(const std::string& owner, const Json& options, WallTime now);
  void put_state(const std::string& owner, const std::string& key, Json value, WallTime now);
  void remove_state(const std::string& owner, const std::string& key);
  WorkerRow* find_worker(const std::string& id);
  const WorkerRow* find_worker(const std::string& id) const;
  Owned& of_owner(const std::string& owner) { return owned_[owner]; }
  void set_outcome(WorkerRow& row, const char* outcome, WallTime now);
  void set_ended(WorkerRow& row, WallTime now);
  std::string new_uuid();

  // Reading (database_snapshot.cpp).
  Json snapshot(const Json& arguments, WallTime now);
  Json worker_json(const WorkerRow& row, WallTime now) const;
  Json workers_json(const Owned& owned, WallTime now) const;
  Json running_json(const std::string& owner, WallTime now) const;
  Json outcomes_json(const Owned& owned, double window_sec, WallTime now) const;
  Json tombstones_json(const Owned& owned, WallTime now) const;
  Json override_json(const std::string& owner, WallTime now) const;
  Json switches_json(const std::string& owner) const;
  Json pace_json(WallTime now) const;
  std::pair<double, double> spent(const Owned& owned, WallTime now) const;  ///< all of it, the fruitless part
  void adopt_requests(Owned& owned, WallTime now);
  Json recent_failures_json(const Owned& owned, WallTime now) const;
  Json failing_json(const Owned& owned, double window_sec, WallTime now) const;
  Json exchange_beacon(const std::string& owner, const Json& options, WallTime now);

  // Rows of workers (database_worker_rows.cpp).
  Json register_worker(const Json& arguments, WallTime now);
  Json update_worker(const Json& arguments, WallTime now);
  Json fail_worker(const Json& arguments, WallTime now);
  Json add_evidence(const Json& arguments, WallTime now);
  Json save_state(const Json& arguments, WallTime now);
  Json resign(const Json& arguments, WallTime now);

  // database_operator.cpp
  Json operate(const Json& arguments, WallTime now);
  Json operator_state(const std::string& owner, WallTime now) const;

  // What pods call (database_pod_functions.cpp).
  WorkerRow& authenticate(const Json& arguments);
  Json worker_report(const Json& arguments, WallTime now);
  Json claim_task(const Json& arguments, WallTime now);
  Json complete_task(const Json& arguments, WallTime now);
  Json fail_task(const Json& arguments, WallTime now);
  // What workers without a token call (database_legacy.cpp).
  Json legacy_claim(const Json& arguments, WallTime now);
  Json legacy_complete(const Json& arguments, WallTime now);
  Json legacy_fail(const Json& arguments, WallTime now);
  Json legacy_heartbeat(const Json& arguments, WallTime now);

  // Tasks (database_tasks.cpp).
  Json queue_depth(const Json& arguments, WallTime now);
  Json rescue_tasks(const Json& arguments, WallTime now);
  Json prune(const Json& arguments, WallTime now);
  bool ready(const Task& task) const;
  Task* next_task() const;
  void unlink(Task& task);  ///< takes a task out of the indices, before it is changed
  void link(Task& task);    ///< and puts it back
  void begin(Task& task, const std::string& worker, WallTime now);
  void complete(Task& task, WallTime now);
  static void end_attempt(Task& task, std::string how, WallTime now);
  const std::set<std::string>* held_by(const std::string& worker) const;
  bool rescuable(const Task& task, const Json& options, WallTime now) const;
  std::string rescue_reason(const Task& task) const;
  long count_rescuable(const Json& options, WallTime now) const;
  /// The new status, or empty when the task had moved meanwhile.
  std::string release(const std::string& task, const std::string& worker, std::optional<int> attempts,
                      int max_attempts, const std::string& why, std::string how, WallTime now);

  bool read_only_{false};
  std::uint64_t uuids_{0}, made_tasks_{0};
  std::map<std::string, rows::Leader> leaders_;
  std::map<std::pair<std::string, std::string>, rows::State> state_;
  std::map<std::string, WorkerRow> workers_;
  std::map<std::string, rows::SharedRow> shared_;
  std::map<std::string, rows::Failure> failures_;
  std::map<std::string, Task> tasks_;

  std::map<std::string, Owned> owned_;
  std::map<std::string, std::vector<const rows::Failure*>> failures_of_task_;
  std::map<std::pair<WallTime, std::string>, Task*> queued_;  ///< by creation, then id
  std::map<std::string, long> free_queued_;  ///< queued tasks that depend on nothing, by type
  std::set<std::string> dependent_queued_;   ///< queued tasks that depend on others
  std::map<std::string, Task*> in_progress_;
  std::map<std::string, std::set<std::string>> held_;  ///< tasks in progress, by worker
  std::map<std::string, WallTime>
      settled_at_;  ///< newest change of a worker's tasks that are not in progress
  std::map<std::string, std::deque<Ran>> durations_;  ///< newest completed tasks, by type
};

}  // namespace gpuwarden::simulation
