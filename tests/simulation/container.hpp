#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "simulation/launch_payload.hpp"
#include "simulation/pod.hpp"

namespace gpuwarden::simulation {

class ScriptRun;

/// What a call of the pod to the database came to.
struct Reply {
  bool arrived{false};    ///< false: no answer; it may have been carried out
  std::string refusal;    ///< SQLSTATE or status of a refusal, and nothing was changed
  std::string words;      ///< one line about what went wrong
  nlohmann::json answer;  ///< where it was accepted
  bool ok() const { return arrived && refusal.empty(); }
};

/// What runs on a pod from one start of its container to its end. Everything in it is an event of its own:
/// with the container all that was planned in it is gone.
class Container : public std::enable_shared_from_this<Container> {
 public:
  /// What only the account can do.
  struct Outside {
    std::function<int()> delete_pod;  ///< with the pod's own key; status of the answer, 0 = none
    std::function<void()> exit;       ///< the container ends
  };
  Container(World& world, SimPod& pod, Random random, Outside outside);
  ~Container();
  Container(const Container&) = delete;
  Container& operator=(const Container&) = delete;

  /// The container has started: prints what its image prints.
  void begin();
  /// sshd answers now.
  bool ssh_answers() const;
  void ssh_down(Duration lasts) { ssh_down_until_ = world_.now() + lasts; }
  void network_down(Duration lasts);
  /// A fault of the worker's processes.
  void strike(RuntimeFault::Kind kind, Duration lasts);
  void heal();
  void wake();  ///< there may be tasks
  Health health() const;

  /// The startup script's directory; null when none was ever launched for that worker.
  ScriptRun* run_of(std::string_view worker) const;
  /// Starts the script, or only brings its token where it runs already.
  void launch(LaunchPayload payload);
  /// Output of the collect command.
  std::string collect(std::string_view worker) const;

  // For what runs inside.
  World& world() { return world_; }
  SimPod& pod() { return pod_; }
  Random& random() { return random_; }
  const Outside& outside() const { return outside_; }
  Reply call(std::string_view function, const nlohmann::json& arguments);
  void say(std::string line);  ///< into the container's log
  /// Faults that wait for the first start of the worker process.
  void plan_worker_faults();
  /// Runs `event` then, if the container still runs.
  template <class Event>
  void after(Duration delay, Event event) {
    world_.scheduler.after(delay, [weak = weak_from_this(), event = std::move(event)] {
      if (const auto self = weak.lock()) event();
    });
  }
  /// What the machine says about a failure: dmesg and nvidia-smi.
  void machine_says(std::vector<std::string> dmesg, std::string nvidia_smi);

 private:
  World& world_;
  SimPod& pod_;
  Random random_;
  Outside outside_;
  MonoTime started_;
  MonoTime ssh_down_until_{}, network_down_until_{};
  bool faults_planned_{false};
  std::vector<std::string> dmesg_;
  std::string nvidia_smi_;
  std::vector<std::unique_ptr<ScriptRun>> runs_;  ///< one for each worker that was launched; the newest last
};

}  // namespace gpuwarden::simulation
