#pragma once

#include "gpuwarden/domain/pod.hpp"

namespace gpuwarden::runpod {

/// The least that makes a pod.
inline PodSpec plain_spec() {
  PodSpec spec;
  spec.name = "gpu-default-20261124010203-00c0ffee";
  spec.placement.gpu = "NVIDIA GeForce RTX 4090";
  spec.image = "runpod/pytorch:1";
  spec.ssh_public_key = "ssh-ed25519 AAAA test";
  return spec;
}

}  // namespace gpuwarden::runpod
