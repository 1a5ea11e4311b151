#include "gpuwarden/bootstrap/script.hpp"

#include <array>
#include <cstdint>

#include <fmt/format.h>

#include "kScripts.hpp"
#include "pod_files.hpp"
#include "quote.hpp"

namespace gpuwarden::bootstrap {
namespace {

/// How long one follow command stays before it says that the script still runs.
constexpr int kFollowSeconds = 45;
/// How long a probe may take on the pod; the caller waits a little longer.
constexpr int kProbeSeconds = 10;

/// Finds the worker's directory on the pod: the places that launch.sh tries, in its order.
std::string find_directory(const WorkerId& worker) {
  return fmt::format(
      "run=; for root in \"${{GPUWARDEN_RUN_ROOT:-}}\" /dev/shm \"${{TMPDIR:-}}\" /tmp; do "
      "if [ -n \"$root\" ] && [ -f \"$root/gpuwarden-{0}/lib.sh\" ]; then run=$root/gpuwarden-{0}; break; "
      "fi; done; ",
      worker.str());
}

/// What only we ask for comes along with its command.
bool runs_on_pods(std::string_view script) {
  return script != "logs.sh";
}

/// The session's own shell may be any; bash is what the scripts need.
std::string in_bash(const std::string& script) {
  return "exec bash -c " + shell_quoted(script);
}

class Hash {
 public:
  void add(std::string_view text) {
    for (const char c : text) step(static_cast<unsigned char>(c));
    step(kSeparator);
  }
  std::string hex() const { return fmt::format("{:016x}", value_); }

 private:
  static constexpr unsigned kSeparator = 0x100;  // no byte: fields can't run into each other
  void step(unsigned value) {
    value_ ^= value;
    value_ *= 1099511628211ull;
  }
  std::uint64_t value_{14695981039346656037ull};
};

}  // namespace

std::string launch_payload(const WorkerId& worker, const Settings& settings, const WorkerSecrets& secrets) {
  std::string out = "{\n";
  out += fmt::format("gw_worker={}\ngw_follow_seconds={}\ngw_files=(\n", shell_quoted(worker.str()),
                     kFollowSeconds);
  const auto file = [&out](std::string_view name, std::string_view text) {
    out += fmt::format("{} {}\n", shell_quoted(name), shell_quoted(text));
  };
  for (const EmbeddedFile& script : kScripts) {
    if (script.name != "launch.sh" && runs_on_pods(script.name)) file(script.name, script.text);
  }
  file("env", env_file(worker, settings, secrets));
  file("curl.conf", report_config(settings, secrets.publishable_key));
  file("token", std::string(secrets.token.reveal()) + "\n");
  out += ")\n";
  out += script_text("launch.sh");
  out += "}\n";
  return out;
}

std::string launch_command(const WorkerId& worker) {
  return "exec bash -s -- " + shell_quoted("gpuwarden-launch " + worker.str());
}

std::string follow_command(const WorkerId& worker, std::size_t offset) {
  return in_bash(find_directory(worker) +
                 fmt::format("[ -n \"$run\" ] || exit {}; exec bash \"$run/follow.sh\" \"$run\" {} {}",
                             kNotStarted, offset, kFollowSeconds));
}

std::string probe_command(const WorkerId& worker) {
  // A disk that hangs must not keep one more process with every probe.
  return fmt::format("exec timeout -k 2 {} bash -c ", kProbeSeconds) +
         shell_quoted(find_directory(worker) +
                      "[ -n \"$run\" ] || exit 1; exec bash \"$run/probe.sh\" \"$run\"");
}

std::string collect_command(const WorkerId& worker) {
  // Where nothing ever ran, the script comes along.
  return in_bash(find_directory(worker) +
                 "if [ -n \"$run\" ]; then exec bash \"$run/collect.sh\" \"$run\"; fi\n" +
                 std::string(script_text("collect.sh")));
}

std::string logs_command(const WorkerId& worker, const LogRequest& request) {
  return in_bash(find_directory(worker) +
                 fmt::format("[ -n \"$run\" ] || exit {}; set -- \"$run\" {} {} {} {}\n", kNotStarted,
                             request.log == PodLog::worker ? "worker" : "bootstrap", request.lines,
                             request.follow ? kFollowSeconds : 0,
                             request.offset ? std::to_string(*request.offset) : "-1") +
                 std::string(script_text("logs.sh")));
}

std::string script_hash(const Settings& settings, std::string_view image) {
  Hash hash;
  for (const EmbeddedFile& script : kScripts) {
    if (!runs_on_pods(script.name)) continue;
    hash.add(script.name);
    hash.add(script.text);
  }
  hash.add(image);
  hash.add(split_credentials(settings.repo_url).url);
  for (const std::string& text :
       {settings.repo_ref, worker_dir_of(settings), settings.mount_path, settings.setup_cmd,
        settings.start_cmd, settings.min_cuda, settings.supabase_url}) {
    hash.add(text);
  }
  hash.add(fmt::format("{:d} {:d} {} {:d} {} {} {} {}", settings.has_volume, settings.agent_heartbeats,
                       settings.max_restarts, settings.auto_start, settings.heartbeat_interval.count(),
                       settings.pod_lease.count(), settings.min_memory_gb.value_or(0),
                       settings.min_disk_free_mb));
  for (const auto& [name, value] : settings.pass_env) hash.add(name);
  return hash.hex();
}

}  // namespace gpuwarden::bootstrap
