#include "simulation/container.hpp"

#include <cstdlib>

#include <fmt/format.h>

#include "simulation/database.hpp"
#include "simulation/script_run.hpp"

namespace gpuwarden::simulation {

namespace {

/// As the gateway translates an SQLSTATE.
int http_status(const std::string& code) {
  constexpr int kBadRequest = 400, kForbidden = 403, kServerError = 500;
  if (code.starts_with("PT")) return std::atoi(code.c_str() + 2);
  if (code.starts_with("22") || code.starts_with("P0")) return kBadRequest;
  return code == "42501" ? kForbidden : kServerError;
}

}  // namespace

Container::Container(World& world, SimPod& pod, Random random, Outside outside)
    : world_(world), pod_(pod), random_(random), outside_(std::move(outside)), started_(world.now()) {}

Container::~Container() = default;

void Container::begin() {
  say("Starting container...");
  for (const std::string& line : pod_.fate.prints) say(line);
  if (!pod_.fate.prints_host_keys && pod_.fate.cause != FailureCause::ssh_host_key_mismatch) return;
  std::string key = pod_.host_key;
  // What is printed is another key than the one that will be shown.
  if (pod_.fate.cause == FailureCause::ssh_host_key_mismatch) key.replace(key.size() - 4, 4, "AAAA");
  say("SSH host keys:");
  say(fmt::format("256 {} root@{} (ED25519)", key, pod_.id));
}

bool Container::ssh_answers() const {
  return pod_.fate.cause != FailureCause::ssh_unreachable &&
         world_.now() >= started_ + pod_.fate.sshd_starts && world_.now() >= ssh_down_until_;
}

void Container::network_down(Duration lasts) {
  network_down_until_ = std::max(network_down_until_, world_.now() + lasts);
}

Health Container::health() const {
  return runs_.empty() ? Health{} : runs_.back()->agent().health();
}

ScriptRun* Container::run_of(std::string_view worker) const {
  for (const auto& run : runs_) {
    if (run->worker() == worker) return run.get();
  }
  return nullptr;
}

void Container::launch(LaunchPayload payload) {
  if (ScriptRun* running = run_of(payload.worker)) {
    running->bring_token(std::move(payload.token));
    return;
  }
  runs_.push_back(std::make_unique<ScriptRun>(*this, std::move(payload)));
  runs_.back()->start();
}

Reply Container::call(std::string_view function, const nlohmann::json& arguments) {
  Reply reply;
  reply.words = "curl: (28) Connection timed out after 5001 milliseconds";
  const bool reachable = !world_.hooks.database_reachable || world_.hooks.database_reachable();
  if (world_.now() < network_down_until_ || !reachable) return reply;
  try {
    reply.answer = world_.hooks.rpc(function, arguments);
  } catch (const SqlError& error) {
    const int status = http_status(error.code);
    reply.words = fmt::format("Supabase answered HTTP {}: {}", status, error.what());
    if (status >= 500) return reply;
    reply.refusal = error.code;
  }
  if (world_.hooks.reply_lost && world_.hooks.reply_lost()) {
    world_.probes.reached("pod: reply of the database lost");
    return {false, "", "curl: (28) Operation timed out after 15000 milliseconds with 0 bytes received", {}};
  }
  reply.arrived = true;
  return reply;
}

void Container::say(std::string line) {
  pod_.say(false, std::move(line), world_.scheduler.wall());
}

void Container::plan_worker_faults() {
  if (std::exchange(faults_planned_, true)) return;
  for (const RuntimeFault& fault : pod_.fate.faults) {
    if (!concerns_worker(fault.kind)) continue;
    after(fault.after, [this, fault] {
      if (!pod_.healed) strike(fault.kind, fault.lasts);
    });
  }
}

void Container::strike(RuntimeFault::Kind kind, Duration lasts) {
  if (runs_.empty()) return;
  world_.probes.reached(fmt::format("pod: {}", to_string(kind)));
  world_.note(fmt::format("pod {}: {}", pod_.name, to_string(kind)));
  runs_.back()->agent().strike(kind, lasts);
}

void Container::heal() {
  ssh_down_until_ = network_down_until_ = world_.now();
  if (!runs_.empty()) runs_.back()->agent().heal();
}

void Container::wake() {
  if (!runs_.empty()) runs_.back()->agent().process().wake();
}

void Container::machine_says(std::vector<std::string> dmesg, std::string nvidia_smi) {
  for (std::string& line : dmesg) dmesg_.push_back(std::move(line));
  if (!nvidia_smi.empty()) nvidia_smi_ = std::move(nvidia_smi);
}

std::string Container::collect(std::string_view worker) const {
  std::string text;
  const auto section = [&text](std::string_view name, const auto& lines) {
    text += fmt::format("@@ {}\n", name);
    for (const std::string& line : lines) text += line + "\n";
  };
  if (const ScriptRun* run = run_of(worker)) {
    text += "@@ status\n" + run->status();
    section("bootstrap", run->bootstrap_log());
    section("worker", run->worker_log());
  }
  using Lines = std::vector<std::string>;
  const std::string usual = "| NVIDIA-SMI 550.54.14   Driver Version: 550.54.14   CUDA Version: 12.4 |";
  section("nvidia_smi", Lines{nvidia_smi_.empty() ? usual : nvidia_smi_});
  section("df", Lines{"Filesystem 1048576-blocks  Used Available Capacity Mounted on",
                      "overlay            51200  9000     42200      18% /"});
  section("free", Lines{"               total        used        free",
                        "Mem:           64000       21000       43000"});
  section("ps", Lines{"    PID STAT     ELAPSED   RSS COMMAND", "      1 Ss      01:00:00  3000 start.sh"});
  if (!dmesg_.empty()) section("dmesg", dmesg_);
  return text + "@@ end\n";
}

}  // namespace gpuwarden::simulation
