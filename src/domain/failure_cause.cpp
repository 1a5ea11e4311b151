#include "gpuwarden/domain/failure_cause.hpp"

#include <algorithm>

namespace gpuwarden {
namespace {

using enum FailureCause;
using enum FailureScope;

const std::vector<CauseFacts> kCauses{
    {no_capacity, "no_capacity", "provision", false, placement,
     "Wait, or add GPU types or data centres (RUNPOD_GPU_TYPE, RUNPOD_DATA_CENTERS), then `systemctl reload "
     "gpuwarden`"},
    {insufficient_balance, "insufficient_balance", "provision", true, request,
     "Add funds to the Runpod account; then spawning resumes by itself: `gpuwarden status`"},
    {invalid_request, "invalid_request", "provision", true, request,
     "Runpod refuses what we ask for: compare RUNPOD_* with the evidence, `gpuwarden config --explain` and "
     "`gpuwarden doctor`"},
    {unauthorized, "unauthorized", "provision", true, request,
     "The key is refused: set a valid RUNPOD_API_KEY with write permission, or a valid SUPABASE_SECRET_KEY "
     "where the evidence names Supabase, then `gpuwarden doctor`"},
    {image_pull_failed, "image_pull_failed", "provision", true, image_and_script,
     "Check RUNPOD_WORKER_IMAGE (name, tag, architecture) and RUNPOD_REGISTRY_ID for private images, then "
     "`systemctl reload gpuwarden`"},
    {provision_timeout, "provision_timeout", "provision", true, placement,
     "The pod did not start in time: try another data centre or a smaller image, or raise "
     "PROVISION_TIMEOUT_SEC, then `systemctl reload gpuwarden`"},
    {pod_exited, "pod_exited", "provision", true, image_and_script,
     "The container ended by itself: the image must keep running (start sshd); see `gpuwarden logs WORKER "
     "--source container`"},
    {pod_error, "pod_error", "provision", true, host,
     "Runpod could not run the container on that host; a new pod usually lands elsewhere. If it repeats: "
     "`gpuwarden report`"},
    {pod_vanished, "pod_vanished", "provision", true, host,
     "The pod is gone without our doing: check the Runpod console, balance and maintenance mails, then "
     "`gpuwarden doctor`"},
    {ssh_unreachable, "ssh_unreachable", "connect", true, image_and_script,
     "The image must run sshd on port 22 and expose 22/tcp; see `gpuwarden logs WORKER --source container`, "
     "try `gpuwarden doctor --pod`"},
    {ssh_auth_failed, "ssh_auth_failed", "connect", true, image_and_script,
     "The image must put PUBLIC_KEY into ~/.ssh/authorized_keys; check RUNPOD_SSH_PRIVATE_KEY with "
     "`gpuwarden doctor`"},
    {ssh_host_key_mismatch, "ssh_host_key_mismatch", "connect", true, host,
     "The host showed another key than its log printed: no secret was sent; report it to Runpod if "
     "`gpuwarden report` shows more"},
    {preflight_gpu, "preflight_gpu", "bootstrap", true, host,
     "No usable GPU or too old a driver on that host: set RUNPOD_MIN_CUDA or leave the data centre out, then "
     "`gpuwarden doctor --pod`"},
    {preflight_memory, "preflight_memory", "bootstrap", true, placement,
     "The pod has less RAM than RUNPOD_MIN_MEMORY_GB: choose a larger GPU type or lower the minimum, then "
     "`systemctl reload gpuwarden`"},
    {preflight_disk, "preflight_disk", "bootstrap", true, image_and_script,
     "Too little free disk: raise RUNPOD_CONTAINER_DISK_GB or clean up the volume, then `gpuwarden doctor "
     "--pod`"},
    {preflight_mount, "preflight_mount", "bootstrap", true, placement,
     "The volume is not mounted or not writable: check RUNPOD_STORAGE_NAME and RUNPOD_VOLUME_MOUNT_PATH, "
     "then `gpuwarden doctor --pod`"},
    {preflight_network, "preflight_network", "bootstrap", true, host,
     "The pod cannot reach Supabase: check SUPABASE_URL, DNS and the data centre's network, then `gpuwarden "
     "doctor --pod`"},
    {preflight_credentials, "preflight_credentials", "bootstrap", true, request,
     "Supabase refuses the pod's token or publishable key: check SUPABASE_PUBLISHABLE_KEY and the migrations "
     "with `gpuwarden doctor`"},
    {fetch_failed, "fetch_failed", "bootstrap", true, image_and_script,
     "The repository could not be fetched: check WORKER_REPO_URL, WORKER_REPO_REF and the access to it, then "
     "`systemctl reload gpuwarden`"},
    {setup_failed, "setup_failed", "bootstrap", true, image_and_script,
     "WORKER_SETUP_CMD failed: mend what the evidence line names (`gpuwarden logs WORKER --source bootstrap` "
     "shows the rest)"},
    {start_failed, "start_failed", "bootstrap", true, image_and_script,
     "The worker ends at once: check WORKER_START_CMD and its arguments against WORKER_REPO_REF; see "
     "`gpuwarden logs WORKER`"},
    {bootstrap_timeout, "bootstrap_timeout", "bootstrap", true, image_and_script,
     "The startup script did not end in time: see where with `gpuwarden worker WORKER`; speed that up or "
     "raise SPAWNING_TIMEOUT_SEC"},
    {first_heartbeat_timeout, "first_heartbeat_timeout", "bootstrap", true, image_and_script,
     "The worker runs but never reported: check WORKER_HEARTBEAT and the pod's way to Supabase; see "
     "`gpuwarden logs WORKER`"},
    {worker_crashed, "worker_crashed", "runtime", true, image_and_script,
     "The worker process ended: see its last lines with `gpuwarden logs WORKER`"},
    {out_of_memory, "out_of_memory", "runtime", true, placement,
     "Memory ran out: choose a GPU type with more VRAM or RAM (RUNPOD_GPU_TYPE, RUNPOD_MIN_MEMORY_GB) or "
     "smaller batches, then `systemctl reload gpuwarden`"},
    {gpu_error, "gpu_error", "runtime", true, host,
     "The GPU failed: the pod is replaced. Leave the data centre out if `gpuwarden report` shows it again "
     "there"},
    {disk_full, "disk_full", "runtime", true, image_and_script,
     "The disk is full: raise RUNPOD_CONTAINER_DISK_GB or clean up the volume, then `systemctl reload "
     "gpuwarden`"},
    {heartbeat_lost, "heartbeat_lost", "runtime", true, host,
     "The worker went silent and a second source agrees: see its last evidence with `gpuwarden worker "
     "WORKER`"},
    {task_stuck, "task_stuck", "runtime", true, image_and_script,
     "A task ran longer than TASK_STUCK_TIMEOUT_SEC or its entry in TASK_STUCK_TYPES: raise that, exempt the "
     "type (TASK_STUCK_EXEMPT) or mend the worker; see `gpuwarden tasks --status in-progress`"},
    {spot_reclaimed, "spot_reclaimed", "runtime", false, host,
     "The provider took the machine back; nothing to do: `gpuwarden status` shows its replacement"},
    {unclassified, "unclassified", "runtime", true, image_and_script,
     "No rule knows this evidence: please report it with `gpuwarden failures --json`"},
};

}  // namespace

const std::vector<CauseFacts>& all_causes() {
  return kCauses;
}

const CauseFacts& facts(FailureCause cause) {
  return kCauses.at(static_cast<std::size_t>(cause));
}

std::string_view to_string(FailureCause cause) {
  return facts(cause).name;
}

std::string_view to_string(FailureScope scope) {
  switch (scope) {
    case request:
      return "request";
    case placement:
      return "placement";
    case image_and_script:
      return "image_and_script";
    case host:
      return "host";
    case network:
      return "network";
    case database:
      return "database";
  }
  return "image_and_script";
}

std::optional<FailureCause> parse_failure_cause(std::string_view name) {
  const auto found =
      std::find_if(kCauses.begin(), kCauses.end(), [&](const CauseFacts& f) { return f.name == name; });
  if (found == kCauses.end()) return std::nullopt;
  return found->cause;
}

}  // namespace gpuwarden
