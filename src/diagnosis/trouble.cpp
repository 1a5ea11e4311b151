#include "trouble.hpp"

#include <array>

namespace gpuwarden::diagnosis {
namespace {

using Cell = std::optional<FailureCause>;
using Row = std::array<Cell, kStages>;

// Short names keep the table readable.
using enum FailureCause;
constexpr Cell no{};

// clang-format off
/// The same words in another phase are another cause.
constexpr std::array<Row, kTroubles> kCauseByStage{{
  //  provision            connect                preflight              fetch                setup                start                awaiting                  runtime               unknown
  {{ no_capacity,         no_capacity,           no_capacity,           no,                  no,                  no,                  no,                       no,                   no_capacity }},           // capacity
  {{ insufficient_balance,insufficient_balance,  insufficient_balance,  insufficient_balance,insufficient_balance,insufficient_balance,insufficient_balance,     insufficient_balance, insufficient_balance }},  // balance
  {{ invalid_request,     no,                    no,                    no,                  no,                  no,                  no,                       no,                   invalid_request }},       // bad_request
  {{ unauthorized,        no,                    no,                    no,                  no,                  no,                  no,                       no,                   unauthorized }},          // api_key
  {{ image_pull_failed,   image_pull_failed,     no,                    no,                  setup_failed,        start_failed,        no,                       no,                   image_pull_failed }},     // registry
  {{ pod_error,           pod_error,             preflight_gpu,         no,                  no,                  gpu_error,           gpu_error,                gpu_error,            pod_error }},             // container_gpu
  {{ pod_error,           pod_error,             no,                    no,                  no,                  no,                  no,                       pod_error,            pod_error }},             // container
  {{ pod_exited,          pod_exited,            no,                    fetch_failed,        setup_failed,        start_failed,        start_failed,             worker_crashed,       pod_exited }},            // entrypoint
  {{ pod_vanished,        pod_vanished,          pod_vanished,          pod_vanished,        pod_vanished,        pod_vanished,        pod_vanished,             pod_vanished,         pod_vanished }},          // pod_gone
  {{ spot_reclaimed,      spot_reclaimed,        spot_reclaimed,        spot_reclaimed,      spot_reclaimed,      spot_reclaimed,      spot_reclaimed,           spot_reclaimed,       spot_reclaimed }},        // spot
  {{ no,                  ssh_unreachable,       no,                    fetch_failed,        setup_failed,        no,                  no,                       no,                   ssh_unreachable }},       // sshd
  {{ no,                  ssh_auth_failed,       no,                    fetch_failed,        setup_failed,        start_failed,        no,                       no,                   ssh_auth_failed }},       // ssh_auth
  {{ no,                  ssh_host_key_mismatch, no,                    fetch_failed,        setup_failed,        start_failed,        no,                       no,                   ssh_host_key_mismatch }}, // ssh_host_key
  {{ pod_error,           pod_error,             preflight_gpu,         gpu_error,           gpu_error,           gpu_error,           gpu_error,                gpu_error,            gpu_error }},             // gpu
  {{ pod_exited,          pod_exited,            preflight_gpu,         no,                  setup_failed,        start_failed,        start_failed,             gpu_error,            gpu_error }},             // gpu_build
  {{ out_of_memory,       out_of_memory,         preflight_memory,      out_of_memory,       out_of_memory,       out_of_memory,       out_of_memory,            out_of_memory,        out_of_memory }},         // memory
  {{ pod_error,           disk_full,             preflight_disk,        disk_full,           disk_full,           disk_full,           disk_full,                disk_full,            disk_full }},             // disk
  {{ no,                  no,                    preflight_disk,        fetch_failed,        setup_failed,        start_failed,        start_failed,             worker_crashed,       worker_crashed }},        // write
  {{ pod_error,           pod_error,             preflight_mount,       fetch_failed,        setup_failed,        start_failed,        start_failed,             worker_crashed,       preflight_mount }},       // mount
  {{ no,                  ssh_unreachable,       preflight_network,     fetch_failed,        setup_failed,        start_failed,        first_heartbeat_timeout,  worker_crashed,       no }},                    // network
  {{ no,                  no,                    preflight_credentials, fetch_failed,        setup_failed,        start_failed,        first_heartbeat_timeout,  worker_crashed,       preflight_credentials }}, // credentials
  {{ no,                  no,                    fetch_failed,          fetch_failed,        setup_failed,        start_failed,        no,                       worker_crashed,       fetch_failed }},          // git
  {{ no,                  no,                    no,                    fetch_failed,        setup_failed,        start_failed,        start_failed,             worker_crashed,       setup_failed }},          // package
  {{ pod_exited,          pod_exited,            no,                    fetch_failed,        setup_failed,        start_failed,        start_failed,             worker_crashed,       worker_crashed }},        // code
  {{ pod_exited,          pod_exited,            no,                    fetch_failed,        setup_failed,        start_failed,        start_failed,             worker_crashed,       worker_crashed }},        // crash
  {{ no,                  no,                    no,                    fetch_failed,        setup_failed,        start_failed,        start_failed,             worker_crashed,       no }},                    // generic
}};
// clang-format on

}  // namespace

std::optional<FailureCause> cause_of(Trouble trouble, Stage stage) {
  return kCauseByStage.at(static_cast<std::size_t>(trouble)).at(static_cast<std::size_t>(stage));
}

}  // namespace gpuwarden::diagnosis
