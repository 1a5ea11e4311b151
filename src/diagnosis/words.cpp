#include "words.hpp"

namespace gpuwarden::diagnosis {

std::string_view words_for(FailureCause cause) {
  switch (cause) {
    case FailureCause::no_capacity:
      return "no such GPU is free";
    case FailureCause::insufficient_balance:
      return "the Runpod account has no money left";
    case FailureCause::invalid_request:
      return "Runpod refuses what was asked for";
    case FailureCause::unauthorized:
      return "the API key is refused";
    case FailureCause::image_pull_failed:
      return "the image could not be pulled";
    case FailureCause::provision_timeout:
      return "the pod did not start in time";
    case FailureCause::pod_exited:
      return "the container ended";
    case FailureCause::pod_error:
      return "the host could not run the container";
    case FailureCause::pod_vanished:
      return "the pod is gone";
    case FailureCause::ssh_unreachable:
      return "SSH could not be reached";
    case FailureCause::ssh_auth_failed:
      return "SSH refused the key";
    case FailureCause::ssh_host_key_mismatch:
      return "the host showed another SSH key";
    case FailureCause::preflight_gpu:
      return "no usable GPU";
    case FailureCause::preflight_memory:
      return "too little memory";
    case FailureCause::preflight_disk:
      return "too little disk space";
    case FailureCause::preflight_mount:
      return "the volume is not usable";
    case FailureCause::preflight_network:
      return "the network does not work";
    case FailureCause::preflight_credentials:
      return "Supabase refused the worker's credentials";
    case FailureCause::fetch_failed:
      return "the repository could not be fetched";
    case FailureCause::setup_failed:
      return "the setup command failed";
    case FailureCause::start_failed:
      return "the worker did not start";
    case FailureCause::bootstrap_timeout:
      return "the startup script did not end in time";
    case FailureCause::first_heartbeat_timeout:
      return "the worker never reported";
    case FailureCause::worker_crashed:
      return "the worker crashed";
    case FailureCause::out_of_memory:
      return "memory ran out";
    case FailureCause::gpu_error:
      return "the GPU failed";
    case FailureCause::disk_full:
      return "the disk is full";
    case FailureCause::heartbeat_lost:
      return "the worker went silent";
    case FailureCause::task_stuck:
      return "a task does not end";
    case FailureCause::spot_reclaimed:
      return "the provider took the machine back";
    case FailureCause::unclassified:
      return "no rule knows this evidence";
  }
  return "no rule knows this evidence";
}

}  // namespace gpuwarden::diagnosis
