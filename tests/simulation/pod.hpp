#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gpuwarden/domain/pod.hpp"

#include "simulation/pod_fate.hpp"
#include "simulation/random.hpp"
#include "simulation/scheduler.hpp"
#include "simulation/trace.hpp"

namespace gpuwarden::simulation {

class Container;

/// What everything in the world outside uses.
struct World {
  Scheduler& scheduler;
  Trace& trace;
  Probes& probes;
  WorldHooks hooks;
  Duration claim_interval{std::chrono::seconds(10)};  ///< of a worker that waits; see Cloud::wake_workers

  MonoTime now() const { return scheduler.now(); }
  void note(std::string_view what) const { trace.note(scheduler.now(), what); }
};

/// How well the worker of a pod really is.
struct Health {
  bool process{false};  ///< the worker process lives
  bool hung{false};     ///< it lives and will never do anything again
  bool agent{false};    ///< the agent lives and its heartbeats are sent
  bool busy{false};     ///< it works on a task, as far as it knows
  bool works() const { return process && !hung; }
};

/// One pod of the account, for ever: also after its end, for whoever checks what was done to it.
struct SimPod {
  using State = PodStatus;  ///< terminated = gone from the account

  std::uint64_t serial{0};
  std::string id, name, image, gpu, data_center, cloud, volume_id;
  std::map<std::string, std::string> env;
  std::string create_body;  ///< of its POST; empty = a foreign pod
  std::string created_by;   ///< who sent it: "daemon 1"
  bool foreign{false};      ///< nobody of ours asked for it
  bool healed{false};       ///< nothing bad is before it any more
  double cost_per_hr{0};    ///< USD, while it is not EXITED
  PodFate fate;
  State state{State::provisioning};
  MonoTime created{};
  std::optional<MonoTime> running_since;  ///< of the container that runs now
  int restarts{0};
  std::uint16_t ssh_port{0};                ///< 0 = not mapped
  std::string host_key;                     ///< "SHA256:…", what sshd shows
  std::optional<MonoTime> first_heartbeat;  ///< accepted by the database

  struct DeleteCall {
    MonoTime at;
    std::string by;  ///< "daemon 1", "self"
    int status;      ///< of the answer: 204, 404
    Health health;   ///< of the worker at that moment
  };
  std::vector<DeleteCall> delete_calls;
  std::optional<MonoTime> ended;
  std::string ended_by;  ///< "daemon 1", "self", "provider" (vanished); empty while it exists
  Health health_at_end;

  struct LogLine {
    bool system;
    std::string text;
    WallTime time;
  };
  std::deque<LogLine> log;  ///< the newest 400

  std::shared_ptr<Container> container;  ///< what runs on it; null before the start and after the end
  std::string fixed_json;                ///< fields that never change
  double billed{0};                      ///< USD until billed_from
  MonoTime billed_from{};

  bool exists() const { return !ended; }
  bool visible(MonoTime now) const { return exists() && now >= created + fate.list_lag; }
  Health health() const;
  /// USD that it has cost until `now`.
  double cost(MonoTime now) const;
  void bill(MonoTime now);
  void say(bool system, std::string text, WallTime time);
};
using SimPodPtr = std::shared_ptr<SimPod>;

}  // namespace gpuwarden::simulation
