#include "pod_book.hpp"

#include <algorithm>
#include <random>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gpuwarden/base/format.hpp"

#include "catalog.hpp"

namespace gpuwarden::sandbox {
namespace {

using nlohmann::json;

constexpr std::string_view kTemplateImage = "runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404";
constexpr std::string_view kHost = "127.0.0.1";

json actions_of(PodState state) {
  switch (state) {
    case PodState::provisioning:
    case PodState::starting:
      return {"stop", "terminate"};
    case PodState::running:
      return {"stop", "restart", "terminate"};
    case PodState::exited:
    case PodState::error:
      return {"start", "terminate"};
  }
  return json::array();
}

json ssh_of(const PodRecord& pod) {
  json ssh{{"proxy", nullptr}, {"direct", nullptr}};
  if (pod.state != PodState::provisioning) {
    const auto user = pod.id + "-64411eb2";
    ssh["proxy"] = {{"host", "ssh.runpod.io"},
                    {"port", 22},
                    {"username", user},
                    {"command", fmt::format("ssh {}@ssh.runpod.io", user)}};
  }
  if (pod.state == PodState::running && pod.ssh_port != 0)
    ssh["direct"] = {{"host", kHost},
                     {"port", pod.ssh_port},
                     {"username", pod.ssh_user},
                     {"command", fmt::format("ssh {}@{} -p {}", pod.ssh_user, kHost, pod.ssh_port)}};
  return ssh;
}

json runtime_of(const PodRecord& pod, MonoTime now) {
  if (pod.state != PodState::running || !pod.running_since) return nullptr;
  json ports = json::array();
  if (pod.ssh_port != 0)
    ports.push_back({{"private", 22}, {"public", pod.ssh_port}, {"type", "tcp"}, {"ip", kHost}});
  const auto uptime = std::chrono::duration_cast<std::chrono::seconds>(now - *pod.running_since).count();
  return {{"uptime", uptime}, {"ports", std::move(ports)}};
}

json to_json(const PodRecord& pod, MonoTime now) {
  const bool billed = pod.state != PodState::exited;
  return {{"id", pod.id},
          {"name", pod.name},
          {"image", pod.image},
          {"args", pod.args},
          {"disk", pod.disk_gb},
          {"ports", pod.ports},
          {"env", pod.env},
          {"registry", pod.registry ? json(*pod.registry) : json(nullptr)},
          {"status", to_string(pod.state)},
          {"actions", actions_of(pod.state)},
          {"mounts", json::parse(pod.mounts_json)},
          {"gpu", {{"id", pod.gpu}, {"count", pod.gpu_count}}},
          {"cloud", pod.cloud},
          {"dataCenterId", pod.data_center},
          {"cudaVersion", pod.state == PodState::provisioning ? json(nullptr) : json("12.8")},
          {"ssh", ssh_of(pod)},
          {"template", nullptr},
          {"cost", billed ? pod.cost_per_hr : 0.0},
          {"locked", false},
          {"globalNetworking", {{"enabled", false}}},
          {"runtime", runtime_of(pod, now)},
          {"createdAt", format_time(pod.created_at)},
          {"startedAt", pod.started_at ? json(format_time(*pod.started_at)) : json(nullptr)}};
}

}  // namespace

std::string_view to_string(PodState state) {
  switch (state) {
    case PodState::provisioning:
      return "PROVISIONING";
    case PodState::starting:
      return "STARTING";
    case PodState::running:
      return "RUNNING";
    case PodState::exited:
      return "EXITED";
    case PodState::error:
      return "ERROR";
  }
  return "ERROR";
}

std::string random_word(std::size_t length) {
  static constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz0123456789";
  std::random_device device;
  std::uniform_int_distribution<std::size_t> pick(0, kAlphabet.size() - 1);
  std::string word;
  while (word.size() < length) word += kAlphabet[pick(device)];
  return word;
}

std::string pod_json(const PodRecord& pod, MonoTime now) {
  return to_json(pod, now).dump();
}

PodPtr PodBook::create(const std::string& text, std::string data_center, Now now) {
  const auto body = json::parse(text);
  auto pod = std::make_shared<PodRecord>();
  pod->serial = next_serial_++;
  pod->id = random_word(14);
  pod->name = body.at("name");
  pod->image = body.value("image", std::string(kTemplateImage));
  pod->args = body.value("args", "");
  pod->cloud = body.value("cloud", "SECURE");
  pod->data_center = std::move(data_center);
  pod->gpu = body.at("gpu").at("id");
  pod->gpu_count = body.at("gpu").value("count", 1);
  pod->disk_gb = body.value("disk", 20);
  if (body.contains("registry") && !body.at("registry").is_null()) pod->registry = body.at("registry");
  pod->ports = body.value("ports", std::vector<std::string>());
  pod->env = body.value("env", std::map<std::string, std::string>());
  const auto mounts = body.value("mounts", json::object());
  pod->mounts_json = mounts.dump();
  pod->volume_id = mounts.value(json::json_pointer("/network/0/volumeId"), "");
  pod->mount_path = mounts.value(json::json_pointer("/network/0/path"),
                                 mounts.value(json::json_pointer("/persistent/path"), ""));
  const auto* gpu = find_gpu(pod->gpu);
  if (gpu != nullptr)
    pod->cost_per_hr = (pod->cloud == "COMMUNITY" ? gpu->community_usd : gpu->secure_usd) * pod->gpu_count;
  pod->api_key = "rpa_pod_" + random_word(32);
  pod->created = pod->changed = now.mono;
  pod->created_at = now.wall;
  ++creates_;
  if (names_[pod->name]++ > 0) ++duplicates_;
  pods_.push_back(pod);
  by_id_[pod->id] = pod;
  return pod;
}

PodPtr PodBook::find(const std::string& id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() || found->second->deleted ? nullptr : found->second;
}

bool PodBook::remove(const std::string& id, MonoTime now) {
  const auto pod = find(id);
  if (!pod) return false;
  pod->deleted = now;
  ++deletes_;
  return true;
}

std::string PodBook::list(const PageQuery& query, MonoTime now, Duration lag, std::size_t cap) const {
  const auto limit = cap == 0 ? query.limit : std::min(cap, query.limit);
  const auto visible = [&](const PodRecord& pod) {
    const auto as_of = now - lag;
    return pod.created <= as_of && (!pod.deleted || *pod.deleted > as_of);
  };
  json pods = json::array();
  json next = nullptr;
  std::uint64_t last = 0;
  for (auto pod = pods_.rbegin(); pod != pods_.rend(); ++pod) {
    if ((query.before && (*pod)->serial >= *query.before) || !visible(**pod)) continue;
    if (pods.size() == limit) {
      next = encode_cursor(last);
      break;
    }
    pods.push_back(to_json(**pod, now));
    last = (*pod)->serial;
  }
  const bool more = !next.is_null();
  return json{{"pods", std::move(pods)},
              {"pagination", {{"nextCursor", std::move(next)}, {"hasNextPage", more}}}}
      .dump();
}

std::vector<PodPtr> PodBook::living() const {
  std::vector<PodPtr> pods;
  for (const auto& pod : pods_)
    if (!pod->deleted) pods.push_back(pod);
  return pods;
}

}  // namespace gpuwarden::sandbox
