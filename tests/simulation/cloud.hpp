#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "gpuwarden/http/client.hpp"

#include "simulation/catalogue.hpp"
#include "simulation/pod.hpp"
#include "simulation/quota.hpp"

namespace gpuwarden::simulation {

/// What goes wrong with the service as a whole; free to change at any time.
struct CloudWeather {
  std::set<std::string> sold_out;  ///< "*", a GPU's id, a data centre's, or "<gpu>|<data centre>"
  bool balance{true};              ///< false: 402
  bool key_accepted{true};         ///< false: 401 to everything
  bool down{false};                ///< 503 to everything
  double page_fails{0};            ///< chance that a page of the list of pods behind the first answers 500
  bool list_fails{false};          ///< the list answers 500, everything else works
  Duration list_lag{0};            ///< at least this for every new pod
  std::size_t page_size{1000};     ///< pages hold no more than this whatever is asked for
  /// Chance that a create which was lost on its way is carried out later, and how much later at most.
  double late_create{0};
  Duration latest_create{std::chrono::minutes(4)};
};

/// An account at Runpod: REST v2 as requests see it, over pods that live in the world's time. Holds every pod
/// that ever was. Must outlive the scheduler's last event.
class Cloud {
 public:
  Cloud(World world, Random random);
  Cloud(const Cloud&) = delete;
  Cloud& operator=(const Cloud&) = delete;

  /// One request, carried out now. `path` is below the version, with its query: "/pods?limit=1000". `caller`
  /// is written down with what it changes.
  http::Response handle(std::string_view method, std::string_view path, std::string_view body,
                        const std::string& caller);
  /// A POST /pods that its sender has given up may still be carried out later, by the weather.
  void lost_create(std::string body, const std::string& caller);

  CloudWeather weather;
  /// Sees each request of a daemon with its answer, and may change that.
  std::function<void(std::string_view method, std::string_view path, http::Response& answer)> on_answer{};
  /// Requests that the service allows in a minute.
  void set_quota(long per_minute);
  /// Answers 429 to everything until then.
  void block(Duration duration);

  // Things that somebody else does.
  SimPodPtr add_foreign(std::string name, std::string gpu = "NVIDIA GeForce RTX 4090");
  void vanish(const SimPodPtr& pod);
  void exit(const SimPodPtr& pod);
  void error(const SimPodPtr& pod);
  void restart(const SimPodPtr& pod);
  /// New tasks have come: workers that wait ask at once.
  void wake_workers();
  /// Good weather from now on; no pod has anything bad before it any more, every pod is visible and can be
  /// deleted. What has already happened stays.
  void heal();

  // What there was and is.
  const std::vector<SimPodPtr>& pods() const { return pods_; }        ///< in the order of their creation
  SimPodPtr find(std::string_view id) const;                          ///< null = never was
  SimPodPtr by_port(std::uint16_t port) const;                        ///< null = nobody listens there
  const std::map<std::string, int>& posts() const { return posts_; }  ///< carried out, by the pod's name
  std::uint64_t requests() const { return requests_; }
  double cost() const;  ///< USD of all pods until now, foreign ones left out
  const Catalogue& catalogue() const { return catalogue_; }
  Catalogue& catalogue() { return catalogue_; }
  World& world() { return world_; }

  static constexpr std::string_view kHost = "203.0.113.7";  ///< of every pod; the port tells them apart

 private:
  http::Response route(std::string_view method, std::string_view path, std::string_view body,
                       const std::string& caller);
  http::Response create(std::string_view body, const std::string& caller);
  http::Response list(std::string_view query);
  http::Response remove(const std::string& id, const std::string& caller);
  http::Response logs(const std::string& id, std::string_view query);
  SimPodPtr make(const nlohmann::json& body, std::string data_center, PodFate fate,
                 const std::string& caller);
  void live(const SimPodPtr& pod);
  void start(const SimPodPtr& pod);
  void run(const SimPodPtr& pod);
  void plan_faults(const SimPodPtr& pod);
  void strike(const SimPodPtr& pod, RuntimeFault::Kind kind, Duration lasts);
  void end(const SimPodPtr& pod, std::string by);
  void set_state(const SimPodPtr& pod, PodStatus state);
  void say(const SimPodPtr& pod, std::string text);  ///< in the system log

  World world_;
  Random random_;
  Catalogue catalogue_;
  Quota quota_;
  std::optional<MonoTime> blocked_until_;
  std::vector<SimPodPtr> pods_;
  std::vector<SimPodPtr> existing_;  ///< newest last
  std::map<std::string, SimPodPtr, std::less<>> by_id_;
  std::map<std::uint16_t, std::weak_ptr<SimPod>> by_port_;
  std::map<std::string, int> posts_;
  std::uint64_t requests_{0};
  std::uint16_t last_port_{10000};
};

}  // namespace gpuwarden::simulation
