#include "gpuwarden/domain/failure_cause.hpp"

#include <algorithm>

namespace gpuwarden {
namespace {

using enum FailureCause;
using enum FailureScope;

const std::vector<CauseFacts> kCauses{
    {no_capacity, "no_capacity", "provision", false, placement,
     "Wait, or add GPU types or data centres: RUNPOD_GPU_TYPE, RUNPOD_DATA_CENTERS"},
    {insufficient_balance, "insufficient_balance", "provision", true, request,
     "Add funds to the Runpod account; spawning resumes by itself"},
    {invalid_request, "invalid_request", "provision", true, request,
     "Runpod refuses what we ask for: compare RUNPOD_* with `gpuwarden doctor`"},
    {unauthorized, "unauthorized", "provision", true, request,
     "The key is refused: set a valid RUNPOD_API_KEY with write permission, then `gpuwarden doctor`"},
    {image_pull_failed, "image_pull_failed", "provision", true, image_and_script,
     "Check RUNPOD_WORKER_IMAGE (name, tag, architecture) and RUNPOD_REGISTRY_ID for private images"},
    {provision_timeout, "provision_timeout", "provision", true, placement,
     "The pod did not start in time: try another data centre, a smaller image, or raise "
     "PROVISION_TIMEOUT_SEC"},
    {pod_exited, "pod_exited", "provision", true, image_and_script,
     "The container ended by itself: the image must keep running (start sshd); see the container log"},
    {pod_error, "pod_error", "provision", true, host,
     "Runpod could not run the container on that host; a new pod usually lands elsewhere"},
    {pod_vanished, "pod_vanished", "provision", true, host,
     "The pod is gone without our doing: check the Runpod console, balance and maintenance mails"},
    {ssh_unreachable, "ssh_unreachable", "connect", true, image_and_script,
     "The image must run sshd on port 22 and expose 22/tcp; check the container log"},
    {ssh_auth_failed, "ssh_auth_failed", "connect", true, image_and_script,
     "The image must put PUBLIC_KEY into ~/.ssh/authorized_keys; check RUNPOD_SSH_PRIVATE_KEY with "
     "`gpuwarden doctor`"},
    {ssh_host_key_mismatch, "ssh_host_key_mismatch", "connect", true, host,
     "The host showed another key than its log printed: no secret was sent; report it if it repeats"},
    {preflight_gpu, "preflight_gpu", "bootstrap", true, host,
     "nvidia-smi finds no usable GPU or too old a driver: set RUNPOD_MIN_CUDA or use another data centre"},
    {preflight_memory, "preflight_memory", "bootstrap", true, placement,
     "The pod has less RAM than RUNPOD_MIN_MEMORY_GB: choose a larger GPU type or lower the minimum"},
    {preflight_disk, "preflight_disk", "bootstrap", true, image_and_script,
     "Too little free disk: raise RUNPOD_CONTAINER_DISK_GB or clean up the volume"},
    {preflight_mount, "preflight_mount", "bootstrap", true, placement,
     "The volume is not mounted or not writable: check RUNPOD_STORAGE_NAME and RUNPOD_VOLUME_MOUNT_PATH"},
    {preflight_network, "preflight_network", "bootstrap", true, host,
     "The pod cannot reach Supabase: check SUPABASE_URL, DNS and the data centre's network"},
    {preflight_credentials, "preflight_credentials", "bootstrap", true, request,
     "Supabase refuses the pod's token or publishable key: check SUPABASE_PUBLISHABLE_KEY and the "
     "migrations"},
    {fetch_failed, "fetch_failed", "bootstrap", true, image_and_script,
     "The repository could not be fetched: check WORKER_REPO_URL, WORKER_REPO_REF and the access to it"},
    {setup_failed, "setup_failed", "bootstrap", true, image_and_script,
     "WORKER_SETUP_CMD failed: run it by hand in the image and mend what the evidence line names"},
    {start_failed, "start_failed", "bootstrap", true, image_and_script,
     "The worker ends at once: check WORKER_START_CMD and its arguments against WORKER_REPO_REF"},
    {bootstrap_timeout, "bootstrap_timeout", "bootstrap", true, image_and_script,
     "The startup script did not end in time: speed the setup up or raise SPAWNING_TIMEOUT_SEC"},
    {first_heartbeat_timeout, "first_heartbeat_timeout", "bootstrap", true, image_and_script,
     "The worker runs but never reported: check WORKER_HEARTBEAT and the pod's way to Supabase"},
    {worker_crashed, "worker_crashed", "runtime", true, image_and_script,
     "The worker process ended: see its last lines with `gpuwarden failures --json`"},
    {out_of_memory, "out_of_memory", "runtime", true, placement,
     "Memory ran out: choose a GPU type with more VRAM or RAM, or smaller batches"},
    {gpu_error, "gpu_error", "runtime", true, host,
     "The GPU failed: the pod is replaced; exclude the data centre if it repeats"},
    {disk_full, "disk_full", "runtime", true, image_and_script,
     "The disk is full: raise RUNPOD_CONTAINER_DISK_GB or clean up the volume"},
    {heartbeat_lost, "heartbeat_lost", "runtime", true, host,
     "The worker went silent and a second source agrees; see its last evidence"},
    {task_stuck, "task_stuck", "runtime", true, image_and_script,
     "A task ran longer than TASK_STUCK_TIMEOUT_SEC or its entry in TASK_STUCK_TYPES: raise that, exempt the "
     "type (TASK_STUCK_EXEMPT) or mend the worker"},
    {spot_reclaimed, "spot_reclaimed", "runtime", false, host,
     "The provider took the machine back; nothing to do"},
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
