#include <fmt/format.h>

#include "text.hpp"
#include "types.hpp"

namespace gpuwarden::config {
namespace {

Type cloud() {
  return {"SECURE, COMMUNITY or ANY", [](std::string_view value, Draft& draft) -> std::string {
            const std::string word = lower(value);
            if (word != "secure" && word != "community" && word != "any")
              return fmt::format("must be SECURE, COMMUNITY or ANY, not {}", quoted(value));
            draft.config.policy.cloud = word == "community" ? Cloud::community : Cloud::secure;
            draft.config.policy.any_cloud = word == "any";
            return {};
          }};
}

Type persistent_disk() {
  constexpr long kSmallest = 10;
  return {"0 (none) or at least 10", [=](std::string_view value, Draft& draft) -> std::string {
            const auto size = parse_whole(value);
            if (!size || *size < 0 || *size > kMany || (*size > 0 && *size < kSmallest))
              return fmt::format("must be 0 (none) or at least {}, not {}", kSmallest, quoted(value));
            draft.config.control.persistent_disk_gb = static_cast<int>(*size);
            return {};
          }};
}

Type cuda_version() {
  return {"a version such as 12.4", [](std::string_view value, Draft& draft) -> std::string {
            const auto dot = value.find('.');
            if (dot == std::string_view::npos || !parse_whole(value.substr(0, dot)) ||
                !parse_whole(value.substr(dot + 1)) || !parse_decimal(value))
              return fmt::format("must be a version such as 12.4, not {}", quoted(value));
            draft.config.control.min_cuda = value;
            return {};
          }};
}

std::vector<Variable> ssh_variables(const std::string& group) {
  return {
      {.name = "RUNPOD_SSH_PRIVATE_KEY",
       .group = group,
       .type = text(in(&Draft::ssh_private_key)),
       .unset_means = "the daemon makes its own key once, in its state directory",
       .meaning =
           "Text of an ed25519 or ECDSA private key without passphrase; in quotes, with line breaks as \\n.",
       .example = "\"-----BEGIN OPENSSH PRIVATE KEY-----\\n...\\n-----END OPENSSH PRIVATE KEY-----\\n\"",
       .secret = true,
       .restart = true},
      {.name = "RUNPOD_SSH_PRIVATE_KEY_PATH",
       .group = group,
       .type = text(in(&Draft::ssh_private_key_path)),
       .unset_means = "none",
       .meaning = "File that holds such a key, instead of RUNPOD_SSH_PRIVATE_KEY.",
       .example = "/etc/gpuwarden/ssh_key",
       .restart = true},
      {.name = "RUNPOD_SSH_PUBLIC_KEY",
       .group = group,
       .type = text(in(&Draft::ssh_public_key)),
       .unset_means = "derived from the private key",
       .meaning = "The public key that pods shall accept; must belong to the private key.",
       .example = "ssh-ed25519 AAAA...",
       .restart = true},
      {.name = "RUNPOD_SSH_PUBLIC_KEY_PATH",
       .group = group,
       .type = text(in(&Draft::ssh_public_key_path)),
       .unset_means = "none",
       .meaning = "File that holds it, instead of RUNPOD_SSH_PUBLIC_KEY.",
       .example = "/etc/gpuwarden/ssh_key.pub",
       .restart = true},
  };
}

}  // namespace

std::vector<Variable> runpod_variables() {
  const std::string group = "Runpod";
  std::vector<Variable> all = {
      {.name = "RUNPOD_API_KEY",
       .group = group,
       .type = secret_text(in(&Config::runpod, &RunpodSettings::api_key)),
       .meaning = "Key of the account that rents the pods, with read and write permission.",
       .example = "rpa_...",
       .required = true,
       .secret = true,
       .restart = true},
      {.name = "RUNPOD_API_URL",
       .group = group,
       .type = url(in(&Config::runpod, &RunpodSettings::api_url), true),
       .default_value = "https://api.runpod.io/v2",
       .meaning = "REST v2 of Runpod.",
       .restart = true},
      {.name = "RUNPOD_GPU_TYPE",
       .group = group,
       .type = list(in(&Config::policy, &policy::Settings::gpu_types), "names, separated by commas"),
       .meaning = "GPU types to rent, first choice first, by catalogue id or display name.",
       .example = "NVIDIA GeForce RTX 4090, NVIDIA L4",
       .required = true},
      {.name = "RUNPOD_CLOUD",
       .group = group,
       .type = cloud(),
       .default_value = "SECURE",
       .meaning =
           "Which of Runpod's clouds; ANY takes the cheaper one first. Network volumes are in SECURE only."},
      {.name = "RUNPOD_DATA_CENTERS",
       .group = group,
       .type = list(in(&Config::policy, &policy::Settings::data_centers), "names, separated by commas"),
       .unset_means = "anywhere",
       .meaning = "Data centres to rent in, first choice first.",
       .example = "EU-RO-1, US-TX-3"},
      {.name = "RUNPOD_STORAGE_NAME",
       .group = group,
       .type = list(in(&Config::policy, &policy::Settings::volume_names), "names, separated by commas"),
       .unset_means = "no network volume",
       .meaning =
           "Network volumes to mount, one a pod, first choice first; each binds pods to its data centre.",
       .example = "models-eu, models-us"},
      {.name = "RUNPOD_VOLUME_MOUNT_PATH",
       .group = group,
       .type = absolute_path(in(&Config::control, &control::Settings::mount_path)),
       .default_value = "/workspace",
       .meaning = "Where the volume or persistent disk is mounted on the pod."},
      {.name = "RUNPOD_WORKER_IMAGE",
       .group = group,
       .type = text(in(&Config::control, &control::Settings::image)),
       .unset_means = "required unless RUNPOD_TEMPLATE_ID is set",
       .meaning = "Container image of the pods; must start an SSH server.",
       .example = "runpod/pytorch:2.4.0-py3.11-cuda12.4.1-devel-ubuntu22.04"},
      {.name = "RUNPOD_TEMPLATE_ID",
       .group = group,
       .type = text(in(&Config::control, &control::Settings::template_id)),
       .unset_means = "none",
       .meaning = "Runpod template to start pods from.",
       .example = "abc123def4"},
      {.name = "RUNPOD_REGISTRY_ID",
       .group = group,
       .type = text(in(&Config::control, &control::Settings::registry_id)),
       .unset_means = "public images only",
       .meaning = "Id of the registry credentials, stored at Runpod, for a private image.",
       .example = "clx1example"},
      {.name = "RUNPOD_CONTAINER_DISK_GB",
       .group = group,
       .type = whole_number(in(&Config::control, &control::Settings::container_disk_gb), 1, kMany),
       .default_value = "50",
       .meaning = "Size of the container's own disk."},
      {.name = "RUNPOD_DISK_SIZE_GB",
       .group = group,
       .type = persistent_disk(),
       .default_value = "0",
       .meaning = "Size of a persistent disk of the pod; not together with RUNPOD_STORAGE_NAME."},
      {.name = "RUNPOD_MIN_VCPU_COUNT",
       .group = group,
       .type = optional_whole_number(in(&Config::control, &control::Settings::min_vcpu), 1, kMany),
       .unset_means = "any",
       .meaning = "Fewest virtual CPUs of a pod.",
       .example = "8"},
      {.name = "RUNPOD_MIN_MEMORY_GB",
       .group = group,
       .type = optional_whole_number(in(&Config::control, &control::Settings::min_memory_gb), 1, kMany),
       .unset_means = "any",
       .meaning = "Least main memory of a pod.",
       .example = "32"},
      {.name = "RUNPOD_MIN_CUDA",
       .group = group,
       .type = cuda_version(),
       .unset_means = "any",
       .meaning = "Oldest CUDA version that the host's driver must support.",
       .example = "12.4"},
  };
  for (Variable& variable : ssh_variables(group)) all.push_back(std::move(variable));
  return all;
}

}  // namespace gpuwarden::config
