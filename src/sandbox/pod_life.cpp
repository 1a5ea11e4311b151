#include <algorithm>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "runpod_impl.hpp"

namespace gpuwarden::sandbox {
namespace asio = boost::asio;

namespace {

constexpr Duration kPullRetry{2000};

bool is(const Scenario& scenario, ScenarioKind kind, std::string_view param) {
  return scenario.kind == kind && scenario.param == param;
}

PodBoot boot_of(const PodRecord& pod, const Scenario& scenario, const StandInOptions& options) {
  PodBoot boot;
  boot.id = pod.id;
  boot.env = options.pod_env;
  for (const auto& [name, value] : pod.env) boot.env[name] = value;
  boot.env["RUNPOD_POD_ID"] = pod.id;
  boot.env["RUNPOD_API_KEY"] = pod.api_key;
  boot.env["RUNPOD_DC_ID"] = pod.data_center;
  boot.env["RUNPOD_GPU_COUNT"] = std::to_string(pod.gpu_count);
  boot.env["RUNPOD_GPU_NAME"] = pod.gpu;
  boot.env["RUNPOD_PUBLIC_IP"] = "127.0.0.1";
  boot.env["RUNPOD_POD_HOSTNAME"] = pod.id + "-64411eb2";
  boot.volume_id = pod.volume_id;
  boot.mount_path = pod.mount_path;
  boot.gpu = pod.gpu;
  if (const auto* gpu = find_gpu(pod.gpu)) boot.gpu_memory_mb = gpu->memory_gb * 1024 - 12;
  boot.sshd = !is(scenario, ScenarioKind::ssh_refused, "port");
  boot.authorise = !is(scenario, ScenarioKind::ssh_refused, "auth");
  boot.true_host_keys = !is(scenario, ScenarioKind::ssh_refused, "hostkey");
  boot.has_gpu = !is(scenario, ScenarioKind::script_failure, "preflight");
  return boot;
}

/// What goes wrong once the startup script has said so: the moment is the end of preflight.
bool ends_ssh(const Scenario& scenario, std::string_view line) {
  const bool later =
      is(scenario, ScenarioKind::ssh_refused, "later") || scenario.kind == ScenarioKind::cut_off;
  return later && line.starts_with("@gpuwarden ") &&
         line.find(R"("step":"preflight","event":"end")") != std::string_view::npos;
}

}  // namespace

void RunpodStandIn::Impl::log_system(PodRecord& pod, std::string text) {
  pod.log.add("system", std::move(text), now().wall);
}

void RunpodStandIn::Impl::set_state(PodRecord& pod, PodState state) {
  pod.state = state;
  pod.changed = now().mono;
}

asio::awaitable<void> RunpodStandIn::Impl::wait(Duration delay) {
  asio::steady_timer timer(executor, delay);
  co_await timer.async_wait(asio::use_awaitable);
}

asio::awaitable<void> RunpodStandIn::Impl::live(PodPtr pod) {
  const auto self = shared_from_this();
  const auto over = [&] { return stopping || pod->deleted.has_value(); };
  const auto began = now().mono;
  log_system(*pod, "create pod " + pod->id);
  // A pod that waits is freed as soon as the scenario changes: people switch it to see the fleet heal.
  const auto due = [&] {
    const bool slow = scenario.kind == ScenarioKind::slow_provisioning;
    return now().mono - began >=
           (slow ? Duration(std::chrono::seconds(param_number(scenario))) : options.provision_delay);
  };
  co_await wait(options.provision_delay);
  while (!over() && !due()) co_await wait(Duration(100));
  if (over()) co_return;
  set_state(*pod, PodState::starting);
  log_system(*pod, fmt::format("create container {}", pod->image));
  log_system(*pod, fmt::format("{} Pulling from {}", pod->image.substr(pod->image.find(':') + 1),
                               pod->image.substr(0, pod->image.find(':'))));
  co_await wait(options.pull_delay);
  while (!over() && scenario.kind == ScenarioKind::image_pull_failure) {
    log_system(*pod, fmt::format("error creating container: Error response from daemon: manifest for {} not "
                                 "found: manifest unknown: manifest unknown",
                                 pod->image));
    for (Duration waited{0};
         waited < kPullRetry && !over() && scenario.kind == ScenarioKind::image_pull_failure;
         waited += Duration(100))
      co_await wait(Duration(100));
  }
  if (over()) co_return;
  log_system(*pod, fmt::format("Status: Downloaded newer image for {}", pod->image));
  log_system(*pod, "start container for " + pod->image + ": begin");
  const std::weak_ptr<Impl> weak_self = self;
  auto on_line = [weak_self, weak_pod = std::weak_ptr(pod)](std::string line) {
    const auto owner = weak_self.lock();
    const auto record = weak_pod.lock();
    if (!owner || !record) return;
    if (ends_ssh(owner->scenario, line)) owner->host.end_ssh(record->id);
    record->log.add("container", std::move(line), owner->now().wall);
  };
  auto on_exit = [weak_self, weak_pod = std::weak_ptr(pod)] {
    const auto owner = weak_self.lock();
    const auto record = weak_pod.lock();
    if (!owner || !record || record->deleted || owner->stopping) return;
    owner->log_system(*record, "stop container: exited");
    owner->set_state(*record, PodState::exited);
    record->ssh_port = 0;
  };
  auto hosted = host.start(boot_of(*pod, scenario, options), std::move(on_line), std::move(on_exit));
  if (!hosted) {
    log_system(*pod, "error starting container: " + hosted.error().message);
    set_state(*pod, PodState::error);
    co_return;
  }
  co_await wait(options.start_delay);
  if (over() || pod->state != PodState::starting) co_return;
  log_system(*pod, "start container for " + pod->image + ": success");
  const bool wants_ssh = std::find(pod->ports.begin(), pod->ports.end(), "22/tcp") != pod->ports.end();
  if (wants_ssh) {
    pod->ssh_port = hosted->ssh_port;
    pod->ssh_user = hosted->ssh_user;
  }
  set_state(*pod, PodState::running);
  pod->running_since = now().mono;
  pod->started_at = now().wall;
}

void RunpodStandIn::Impl::kill(const std::string& id) {
  asio::co_spawn(
      executor,
      [self = shared_from_this(), id]() -> asio::awaitable<void> { co_await self->host.remove(id); },
      asio::detached);
}

bool RunpodStandIn::Impl::remove(const std::string& id) {
  if (!book.remove(id, now().mono)) return false;
  kill(id);
  return true;
}

}  // namespace gpuwarden::sandbox
