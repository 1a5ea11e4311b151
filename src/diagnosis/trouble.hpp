#pragma once

#include <optional>

#include "gpuwarden/domain/failure_cause.hpp"

#include "stage.hpp"

namespace gpuwarden::diagnosis {

/// What a message speaks of, whatever the phase. With the stage it becomes a cause.
enum class Trouble {
  capacity,       ///< the provider has none
  balance,        ///< money
  bad_request,    ///< the provider refuses what was asked
  api_key,        ///< the provider refuses our key
  registry,       ///< an image that cannot be pulled
  container_gpu,  ///< the host cannot give the container a GPU
  container,      ///< the host cannot run the container
  entrypoint,     ///< the container's command cannot run, or the container ended
  pod_gone,
  spot,
  sshd,  ///< nobody answers on the SSH port
  ssh_auth,
  ssh_host_key,
  gpu,
  gpu_build,  ///< programs built for another GPU
  memory,     ///< RAM or VRAM
  disk,
  write,  ///< something could not be written: the disk's fault where the disk is full
  mount,
  network,
  credentials,  ///< of Supabase, as a pod uses them
  git,
  package,  ///< pip, apt, compilers
  code,     ///< imports, arguments, interpreter, uncaught exceptions
  crash,    ///< signals, aborts
  generic   ///< an error line of no known shape
};
inline constexpr std::size_t kTroubles = static_cast<std::size_t>(Trouble::generic) + 1;

/// None: such words at that stage decide nothing.
std::optional<FailureCause> cause_of(Trouble trouble, Stage stage);

}  // namespace gpuwarden::diagnosis
