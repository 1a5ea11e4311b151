#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gpuwarden/base/ids.hpp"
#include "gpuwarden/base/time.hpp"
#include "gpuwarden/domain/failure_cause.hpp"

namespace gpuwarden {

/// Evidence::channel: who told of a failure first.
namespace channel {
inline constexpr std::string_view ssh = "ssh";        ///< a status line, a probe or a refusal over our SSH
inline constexpr std::string_view report = "report";  ///< the pod's own report to the database
inline constexpr std::string_view container_log = "container_log";  ///< status lines in it, by Runpod's API
inline constexpr std::string_view runpod_api = "runpod_api";        ///< a pod's status, a create's answer
inline constexpr std::string_view deadline = "deadline";            ///< nobody: it was silent for too long
}  // namespace channel

/// Everything known about one failure; any field may be absent. Stored as one JSON document of at most 64 KB.
struct Evidence {
  std::string worker, phase, step;
  std::string channel;  ///< see namespace channel; empty = not known
  std::optional<int> exit_code;
  std::string signal;  ///< "SIGKILL"; a number is translated when read
  std::optional<double> heartbeat_age_s;
  struct Task {
    std::string id;
    std::optional<int> attempts;
  };
  std::optional<Task> task;
  struct PodFacts {
    std::string status, gpu, data_center, image;
    std::optional<double> uptime_s, cost_per_hr;
  };
  std::optional<PodFacts> pod;
  std::map<std::string, std::vector<std::string>> tails;  ///< bootstrap, worker, container, system
  std::map<std::string, std::string> probe;               ///< nvidia_smi, df, free, ps, ...
  struct ApiAnswer {
    std::string service;
    std::optional<int> status;
    std::string detail;
  };
  std::optional<ApiAnswer> api;
  std::vector<std::string> missing;  ///< what could not be had, with the reason
};

/// What diagnosis makes of the evidence.
struct Verdict {
  FailureCause cause{FailureCause::unclassified};
  std::string summary;        ///< one line for people
  std::string evidence_line;  ///< the line that decides
  std::string advice;
  FailureScope scope{FailureScope::image_and_script};
  bool counts_for_breaker{true};
  std::string fingerprint;  ///< same fault on another pod = same fingerprint
};

}  // namespace gpuwarden
