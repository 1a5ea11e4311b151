#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "simulation/answers.hpp"
#include "simulation/cloud.hpp"
#include "simulation/container.hpp"
#include "simulation/failure_words.hpp"

namespace gpuwarden::simulation {
namespace {

using std::chrono::seconds;

std::string word(Random& random, std::size_t length, std::string_view alphabet) {
  std::string text;
  while (text.size() < length) text += alphabet[random.next() % alphabet.size()];
  return text;
}

std::string new_host_key(Random& random) {
  constexpr std::size_t kLength = 43;  // 32 bytes in base64 without padding
  return "SHA256:" + word(random, kLength, "BCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
}

}  // namespace

SimPodPtr Cloud::make(const nlohmann::json& body, std::string data_center, PodFate fate,
                      const std::string& caller) {
  auto pod = std::make_shared<SimPod>();
  pod->serial = pods_.size() + 1;
  pod->id = fmt::format("{}{:05}", word(random_, 9, "abcdefghijklmnopqrstuvwxyz0123456789"), pod->serial);
  pod->name = body.at("name");
  pod->image = body.value("image", "runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404");
  pod->gpu = body.at("gpu").at("id");
  pod->cloud = body.value("cloud", "SECURE");
  pod->data_center = std::move(data_center);
  pod->volume_id = body.value(nlohmann::json::json_pointer("/mounts/network/0/volumeId"), "");
  pod->env = body.value("env", std::map<std::string, std::string>());
  pod->created_by = caller;
  pod->fate = std::move(fate);
  pod->fate.list_lag = std::max(pod->fate.list_lag, weather.list_lag);
  pod->created = pod->billed_from = world_.now();
  const Catalogue::Gpu* gpu = catalogue_.gpu(pod->gpu);
  pod->cost_per_hr = pod->cloud == "COMMUNITY" ? gpu->community_usd : gpu->secure_usd;
  pod->host_key = new_host_key(random_);
  const std::string mounts = body.value("mounts", nlohmann::json::object()).dump();
  pod->fixed_json = fixed_pod_json(*pod, mounts, world_.scheduler.wall());
  pods_.push_back(pod);
  existing_.push_back(pod);
  by_id_[pod->id] = pod;
  world_.note(fmt::format("pod {} {} created by {}", pod->id, pod->name, caller));
  return pod;
}

SimPodPtr Cloud::add_foreign(std::string name, std::string gpu) {
  const nlohmann::json body{
      {"name", std::move(name)}, {"image", "somebody/else:1"}, {"gpu", {{"id", std::move(gpu)}}}};
  const SimPodPtr pod = make(body, catalogue_.data_centers.front().id, PodFate{}, "somebody");
  pod->foreign = true;
  live(pod);
  return pod;
}

void Cloud::set_state(const SimPodPtr& pod, PodStatus state) {
  pod->bill(world_.now());
  pod->state = state;
  world_.note(fmt::format("pod {} {} {}", pod->id, pod->name, to_string(state)));
}

void Cloud::say(const SimPodPtr& pod, std::string text) {
  pod->say(true, std::move(text), world_.scheduler.wall());
}

void Cloud::live(const SimPodPtr& pod) {
  say(pod, "create pod " + pod->id);
  const auto later = [this, pod](Duration delay, auto event) {
    world_.scheduler.after(delay, [pod, event] {
      if (pod->state == PodStatus::provisioning || pod->state == PodStatus::starting) event();
    });
  };
  const auto strikes = [this, pod](FailureCause cause) {
    if (pod->fate.cause != cause) return false;
    world_.probes.reached(fmt::format("pod: {} while it starts", to_string(cause)));
    return true;
  };
  // Read when they strike: a world that was healed meanwhile has none of them.
  using enum FailureCause;
  if (pod->fate.cause == pod_vanished || pod->fate.cause == pod_error || pod->fate.cause == spot_reclaimed) {
    later(pod->fate.strikes_after, [this, pod, strikes] {
      if (strikes(pod_vanished)) vanish(pod);
      if (strikes(spot_reclaimed)) strike(pod, RuntimeFault::Kind::spot_reclaimed, Duration{0});
      if (strikes(pod_error)) error(pod);
    });
  }
  later(pod->fate.provisioning, [this, pod, strikes, later] {
    if (strikes(provision_timeout)) return;
    set_state(pod, PodStatus::starting);
    say(pod, "create container " + pod->image);
    later(pod->fate.pulling, [this, pod, strikes] {
      if (!strikes(image_pull_failed)) return start(pod);
      for (const std::string& line : failure_words(image_pull_failed, random_).system) say(pod, line);
    });
  });
}

void Cloud::start(const SimPodPtr& pod) {
  say(pod, "start container for " + pod->image + ": success");
  set_state(pod, PodStatus::running);
  run(pod);
  plan_faults(pod);
  if (pod->fate.cause != FailureCause::pod_exited) return;
  world_.scheduler.after(pod->fate.strikes_after, [this, pod] {
    if (pod->fate.cause != FailureCause::pod_exited || !pod->container) return;
    world_.probes.reached("pod: pod_exited while it starts");
    for (const std::string& line : failure_words(FailureCause::pod_exited, random_).tail) {
      pod->say(false, line, world_.scheduler.wall());
    }
    exit(pod);
  });
}

/// A container begins on the pod: another port, nothing in it.
void Cloud::run(const SimPodPtr& pod) {
  pod->running_since = world_.now();
  constexpr std::uint16_t kFirstPort = 10000;
  last_port_ = last_port_ == UINT16_MAX ? kFirstPort : static_cast<std::uint16_t>(last_port_ + 1);
  pod->ssh_port = last_port_;
  by_port_[last_port_] = pod;
  if (pod->foreign) return;
  Container::Outside outside;
  outside.delete_pod = [this, id = pod->id] { return handle("DELETE", "/pods/" + id, "", "self").status; };
  outside.exit = [this, weak = std::weak_ptr(pod)] {
    if (const SimPodPtr mine = weak.lock()) exit(mine);
  };
  pod->container = std::make_shared<Container>(world_, *pod, random_.fork(), std::move(outside));
  pod->container->begin();
}

void Cloud::plan_faults(const SimPodPtr& pod) {
  for (const RuntimeFault& fault : pod->fate.faults) {
    if (concerns_worker(fault.kind)) continue;
    world_.scheduler.after(fault.after, [this, pod, fault] {
      if (!pod->exists() || pod->healed || !pod->container) return;
      world_.probes.reached(fmt::format("pod: {}", to_string(fault.kind)));
      world_.note(fmt::format("pod {} {}: {}", pod->id, pod->name, to_string(fault.kind)));
      strike(pod, fault.kind, fault.lasts);
    });
  }
}

void Cloud::strike(const SimPodPtr& pod, RuntimeFault::Kind kind, Duration lasts) {
  switch (kind) {
    case RuntimeFault::Kind::network_down:
      return pod->container->network_down(lasts);
    case RuntimeFault::Kind::ssh_down:
      return pod->container->ssh_down(lasts);
    case RuntimeFault::Kind::restarts_in_place:
      return restart(pod);
    case RuntimeFault::Kind::pod_exits:
      return exit(pod);
    case RuntimeFault::Kind::pod_errors:
      return error(pod);
    case RuntimeFault::Kind::spot_reclaimed:
      for (const std::string& line : failure_words(FailureCause::spot_reclaimed, random_).system)
        say(pod, line);
      return exit(pod);
    case RuntimeFault::Kind::pod_vanishes:
      return vanish(pod);
    default:
      return;
  }
}

void Cloud::end(const SimPodPtr& pod, std::string by) {
  if (!pod->exists()) return;
  pod->health_at_end = pod->health();
  set_state(pod, PodStatus::terminated);
  pod->ended = world_.now();
  pod->ended_by = std::move(by);
  pod->container.reset();
  std::erase(existing_, pod);
}

void Cloud::vanish(const SimPodPtr& pod) {
  end(pod, "provider");
}

void Cloud::exit(const SimPodPtr& pod) {
  if (!pod->exists()) return;
  say(pod, "stop container: exited");
  pod->container.reset();
  set_state(pod, PodStatus::exited);
}

void Cloud::error(const SimPodPtr& pod) {
  if (!pod->exists()) return;
  for (const std::string& line : failure_words(FailureCause::pod_error, random_).system) say(pod, line);
  pod->container.reset();
  set_state(pod, PodStatus::error);
}

void Cloud::restart(const SimPodPtr& pod) {
  if (!pod->container) return;
  ++pod->restarts;
  if (!pod->fate.keeps_host_key) pod->host_key = new_host_key(random_);
  say(pod, "start container for " + pod->image + ": success");
  run(pod);
}

void Cloud::wake_workers() {
  for (const SimPodPtr& pod : existing_) {
    if (pod->container) pod->container->wake();
  }
}

void Cloud::heal() {
  weather = CloudWeather{};
  blocked_until_.reset();
  for (const SimPodPtr& pod : existing_) {
    pod->healed = true;
    pod->fate.cause.reset();
    pod->fate.list_lag = pod->fate.delete_takes = Duration{0};
    pod->fate.undeletable = false;
    pod->fate.echo.reset();
    pod->fate.stalled.reset();
    if (pod->container) pod->container->heal();
  }
}

}  // namespace gpuwarden::simulation
