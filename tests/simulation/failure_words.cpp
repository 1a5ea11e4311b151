#include "simulation/failure_words.hpp"

#include <map>

namespace gpuwarden::simulation {
namespace {

using enum FailureCause;
using Choices = std::vector<FailureWords>;

FailureWords preflight(const char* check, const char* words) {
  return {1, "", check, {std::string("preflight: ") + check + ": " + words}, {}, ""};
}
FailureWords script(int exit_code, std::vector<std::string> tail) {
  return {exit_code, "", "", std::move(tail), {}, ""};
}
FailureWords system(std::vector<std::string> lines) {
  return {std::nullopt, "", "", {}, std::move(lines), ""};
}

const std::map<FailureCause, Choices>& provision_words() {
  static const std::map<FailureCause, Choices> words{
      {image_pull_failed,
       {system({"error creating container: Error response from daemon: manifest for acme/worker:9 not found: "
                "manifest unknown: manifest unknown"}),
        system({"error creating container: Error response from daemon: pull access denied for acme/worker, "
                "repository does not exist or may require 'docker login'"})}},
      {pod_error,
       {system({"error starting container: Error response from daemon: failed to create task for container: "
                "nvidia-container-cli: initialization error: nvml error: driver not loaded: unknown"}),
        system({"error creating container: layer does not exist"})}},
      {pod_exited,
       {{1, "", "", {"/start.sh: line 12: exec: sshd: not found"}, {"stop container: exited"}, ""}}},
      {spot_reclaimed, {system({"spot instance interrupted: the machine was reclaimed by the provider"})}},
  };
  return words;
}

const std::map<FailureCause, Choices>& script_words() {
  static const std::map<FailureCause, Choices> words{
      {preflight_gpu,
       {preflight("gpu",
                  "nvidia-smi failed with exit code 9: NVIDIA-SMI has failed because it couldn't communicate "
                  "with the NVIDIA driver."),
        preflight("gpu", "no GPU: nvidia-smi: command not found"),
        preflight("gpu", "driver 470.82.01 offers CUDA 11.4, 12.4 is wanted (RUNPOD_MIN_CUDA)")}},
      {preflight_memory,
       {preflight("memory", "not enough memory: 23 GB of RAM, 48 GB wanted (RUNPOD_MIN_MEMORY_GB)")}},
      {preflight_disk,
       {preflight("disk", "not enough free disk: 312 MB on /, 1024 MB wanted"),
        preflight("disk", "the volume at /workspace is full: Disk quota exceeded")}},
      {preflight_mount,
       {preflight("mount", "/workspace does not exist: the volume is not mounted"),
        preflight("mount", "the volume at /workspace is not writable: no answer within 20 s")}},
      {preflight_network,
       {preflight("network",
                  "cannot reach Supabase at project.supabase.co: curl: (28) Connection timed out after 5001 "
                  "milliseconds"),
        preflight("network",
                  "DNS cannot resolve project.supabase.co: curl: (6) Could not resolve host: "
                  "project.supabase.co")}},
      {preflight_credentials,
       {preflight("credentials",
                  "Supabase refuses this worker's key or token: Supabase answered HTTP 401: "
                  "{\"message\":\"Invalid API key\"}")}},
      {fetch_failed,
       {script(128, {"remote: Repository not found.",
                     "fatal: repository 'https://github.com/acme/worker.git/' not found"}),
        script(128, {"fatal: couldn't find remote ref mian"}),
        script(128, {"remote: Support for password authentication was removed on August 13, 2021.",
                     "fatal: Authentication failed for 'https://github.com/acme/worker.git/'"})}},
      {setup_failed,
       {script(1,
               {"Collecting torch==2.9.9",
                "ERROR: Could not find a version that satisfies the requirement torch==2.9.9 (from versions: "
                "2.0.0, 2.1.0)",
                "ERROR: No matching distribution found for torch==2.9.9"}),
        script(100, {"Reading package lists...", "E: Unable to locate package ffmpeg7"})}},
      {start_failed,
       {script(2, {"usage: worker.py [-h] [--db-type {sqlite,supabase}]",
                   "worker.py: error: argument --db-type: invalid choice: 'supabse' (choose from 'sqlite', "
                   "'supabase')"}),
        script(1, {"Traceback (most recent call last):",
                   "  File \"/workspace/worker/worker.py\", line 3, in <module>",
                   "ModuleNotFoundError: No module named 'imageio_ffmpeg'"}),
        script(127, {"bash: line 1: ./start.sh: No such file or directory"})}},
  };
  return words;
}

const std::map<FailureCause, Choices>& runtime_words() {
  static const std::map<FailureCause, Choices> words{
      {worker_crashed,
       {script(1, {"Traceback (most recent call last):",
                   "  File \"/workspace/worker/worker.py\", line 512, in run", "    frames = out[\"frames\"]",
                   "KeyError: 'frames'"}),
        {139, "SIGSEGV", "", {"Fatal Python error: Segmentation fault"}, {}, ""}}},
      {out_of_memory,
       {script(
            1,
            {"Traceback (most recent call last):", "  File \"/workspace/worker/worker.py\", line 88, in run",
             "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.50 GiB (GPU 0; 23.69 GiB "
             "total capacity; 21.03 GiB already allocated)"}),
        {137,
         "SIGKILL",
         "",
         {"INFO loading vae"},
         {"Out of memory: Killed process 8123 (python) total-vm:91203948kB, anon-rss:62012332kB"},
         ""}}},
      {gpu_error,
       {{1,
         "",
         "",
         {"Traceback (most recent call last):",
          "  File \"/workspace/worker/worker.py\", line 99, in <module>",
          "RuntimeError: CUDA error: unknown error"},
         {"NVRM: Xid (PCI:0000:01:00): 79, GPU has fallen off the bus."},
         "Unable to determine the device handle for GPU0000:01:00.0: GPU is lost.  Reboot the system to "
         "recover this GPU"},
        script(1, {"Traceback (most recent call last):",
                   "  File \"/workspace/worker/worker.py\", line 99, in <module>",
                   "RuntimeError: CUDA error: an illegal memory access was encountered"})}},
      {disk_full,
       {script(1, {"Traceback (most recent call last):",
                   "  File \"/workspace/worker/worker.py\", line 4, in save",
                   "OSError: [Errno 28] No space left on device"})}},
  };
  return words;
}

}  // namespace

FailureWords failure_words(FailureCause cause, Random& random) {
  for (const auto* words : {&provision_words(), &script_words(), &runtime_words()}) {
    if (const auto found = words->find(cause); found != words->end()) return random.one_of(found->second);
  }
  return {};
}

}  // namespace gpuwarden::simulation
