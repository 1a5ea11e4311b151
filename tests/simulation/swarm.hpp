#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "simulation/call.hpp"
#include "simulation/scenario.hpp"
#include "simulation/universe.hpp"

namespace gpuwarden::simulation {

/// What goes wrong in a run: decides the fate of each request, pod and task, and lets outages come and go,
/// all by the profile.
class Swarm final : public Fates {
 public:
  Swarm(Universe& universe, Random random);

  /// Plans the first of each kind of episode.
  void begin();
  /// Nothing bad comes any more, and what is over by itself is over.
  void heal();

  Fate of(Service service, std::string_view call) override;
  void effect(Service service, std::string_view call) override;
  bool reply_to_pod_lost();
  PodFate pod_fate(const nlohmann::json& request);
  TaskFate task_fate(const std::string& type, int attempt);

  /// What somebody else decides, call by call, in place of chance and stories; none = the usual. Each is
  /// asked before anything is drawn.
  struct Word {
    std::function<std::optional<Fate>(Service service, std::string_view call)> call{};
    std::function<std::optional<PodFate>(const nlohmann::json& request)> pod{};
    std::function<std::optional<TaskFate>(const std::string& type, int attempt)> task{};
    /// Only told: a command that the daemon runs over SSH, and what it writes into its standard input.
    std::function<void(std::string_view text, std::string_view stdin_data)> command{};
  } word;
  /// No pod reaches the database for so long.
  void silence(Duration duration) { silenced_until_ = std::max(silenced_until_, universe_.now() + duration); }

  /// Tells a story instead of drawing fates; what `crash` says happens to one call.
  void follow(const Scenario& scenario, CrashAt crash);
  /// Calls that changed something so far, in a story.
  int changing_calls() const { return changing_calls_; }
  std::function<void()> on_crash;

  /// Called at each effect of a daemon's requests.
  std::function<void(Service service, std::string_view call)> on_effect;

  /// Newest instant at which a request to the service fared badly, or an episode held.
  MonoTime troubled(Service service) const { return troubled_[static_cast<std::size_t>(service)]; }
  /// Every start that is asked for now fails; since when.
  std::optional<MonoTime> bad_release_since() const { return bad_release_since_; }
  /// Heartbeats of healthy workers stay away for reasons that are not their own.
  bool silenced() const { return universe_.now() < silenced_until_; }

 private:
  using Begin = void (Swarm::*)();
  void now_and_then(double per_hour, Begin begin);
  void lasting(Duration duration, std::function<void()> end);
  void note_trouble(Service service) { troubled_[static_cast<std::size_t>(service)] = universe_.now(); }

  void database_outage();
  void database_slowness();
  void cloud_episode();
  void bad_release();
  void bad_place();
  void mass_silence();
  void mass_death();
  void cut_off(SimPod& pod, RuntimeFault::Kind way, Duration lasts);
  void freeze(SimPod& pod);

  Fate told(Service service, std::string_view call);
  void add_death(PodFate& fate);
  FailureCause start_cause();

  Universe& universe_;
  const Faults& faults_;
  Random calls_, episodes_, pods_, tasks_;
  MonoTime troubled_[3]{};
  std::optional<FailureCause> bad_release_;
  std::optional<MonoTime> bad_release_since_;
  std::string bad_place_;
  MonoTime silenced_until_{};

  const Scenario* scenario_{nullptr};
  CrashAt crash_;
  std::string crash_call_;  ///< the effect of this call is waited for
  int changing_calls_{0}, starts_{0};
};

}  // namespace gpuwarden::simulation
