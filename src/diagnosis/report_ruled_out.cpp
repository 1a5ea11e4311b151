#include <algorithm>
#include <initializer_list>
#include <string_view>

#include <fmt/format.h>

#include "report_parts.hpp"

namespace gpuwarden::diagnosis {
namespace {

/// What the failed workers have shown to work before they failed.
struct Shown {
  explicit Shown(const Incident& incident) : all(static_cast<int>(incident.failures.size())) {
    for (const FailedWorker& failed : incident.failures) {
      const Reached at = reached(failed);
      pods += failed.pod.empty() ? 0 : 1;
      script += at >= Reached::preflight ? 1 : 0;
      preflight += at >= Reached::fetch ? 1 : 0;
      fetched += at >= Reached::setup ? 1 : 0;
      set_up += at >= Reached::start ? 1 : 0;
      probed += failed.probed ? 1 : 0;
      reported += failed.reported ? 1 : 0;
      heartbeats += failed.heartbeat ? 1 : 0;
      claimed += failed.claimed ? 1 : 0;
    }
  }
  int all;
  int pods{0}, script{0}, preflight{0}, fetched{0}, set_up{0}, probed{0}, reported{0}, heartbeats{0},
      claimed{0};
};

struct List {
  const std::vector<ReportedCause>& causes;
  std::vector<RuledOut> out;

  /// Says so unless a failure has one of the `against` causes, or nothing has shown it.
  void add(int shown, std::initializer_list<std::string_view> against, std::string what,
           std::string evidence) {
    if (shown == 0) return;
    for (const ReportedCause& cause : causes) {
      if (std::find(against.begin(), against.end(), cause.cause) != against.end()) return;
    }
    out.push_back({std::move(what), std::move(evidence)});
  }
};

std::string share(int part, int all, std::string_view noun) {
  if (all == 1) return fmt::format("the failed {}", noun);
  return part == all ? fmt::format("all {} failed {}s", all, noun)
                     : fmt::format("{} of {} failed {}s", part, all, noun);
}

/// One place only is blamed by what happens in one place only.
void add_places(const ReportedCause& lead, List& list) {
  if (lead.data_centers.size() > 1)
    list.add(1, {}, "One data centre", "the same fault in " + listed(lead.data_centers));
  if (lead.gpus.size() > 1) list.add(1, {}, "One GPU type", "the same fault on " + listed(lead.gpus));
}

}  // namespace

std::vector<RuledOut> ruled_out(const Incident& incident, const std::vector<ReportedCause>& causes) {
  if (causes.empty()) return {};
  const Shown shown(incident);
  List list{causes, {}};
  std::string ssh;
  if (shown.script > 0)
    ssh = fmt::format("the startup script, which comes over SSH, ran on {}",
                      share(shown.script, shown.all, "pod"));
  if (shown.probed > 0)
    ssh += fmt::format("{}{} could be looked into over SSH after the failure", ssh.empty() ? "" : "; ",
                       shown.probed);
  list.add(shown.script + shown.probed, {"ssh_unreachable", "ssh_auth_failed", "ssh_host_key_mismatch"},
           "SSH", std::move(ssh));
  list.add(shown.pods, {"no_capacity", "insufficient_balance", "invalid_request", "unauthorized"},
           "Runpod's capacity and key",
           fmt::format("Runpod made the pods of {}", share(shown.pods, shown.all, "worker")));
  list.add(shown.script, {"image_pull_failed", "provision_timeout", "pod_exited", "pod_error"},
           "Pulling the image",
           fmt::format("its container ran the startup script on {}", share(shown.script, shown.all, "pod")));
  list.add(shown.preflight,
           {"preflight_gpu", "preflight_memory", "preflight_disk", "preflight_mount", "preflight_network",
            "preflight_credentials", "out_of_memory", "gpu_error", "disk_full"},
           "GPU, memory, disk, network",
           fmt::format("preflight passed on {}", share(shown.preflight, shown.all, "pod")));
  list.add(shown.reported,
           {"preflight_network", "preflight_credentials", "first_heartbeat_timeout", "heartbeat_lost"},
           "Supabase from the pods",
           fmt::format("{} wrote to the database themselves, with their own tokens",
                       share(shown.reported, shown.all, "pod")));
  list.add(shown.fetched, {"fetch_failed"}, "Fetching the repository",
           fmt::format("done on {}", share(shown.fetched, shown.all, "pod")));
  list.add(shown.set_up, {"fetch_failed", "setup_failed"}, "Setting the worker up",
           fmt::format("done on {}", share(shown.set_up, shown.all, "pod")));
  list.add(shown.heartbeats, {"heartbeat_lost", "first_heartbeat_timeout"}, "Heartbeats",
           fmt::format("they came from {} before the failure", share(shown.heartbeats, shown.all, "worker")));
  list.add(shown.claimed, {}, "Claiming tasks",
           fmt::format("{} had claimed one", share(shown.claimed, shown.all, "worker")));
  add_places(causes.front(), list);
  for (RuledOut& same : unchanged(failures_of(incident, causes.front()), incident.starts))
    list.out.push_back(std::move(same));
  return std::move(list.out);
}

}  // namespace gpuwarden::diagnosis
