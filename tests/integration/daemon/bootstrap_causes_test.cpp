#include <algorithm>
#include <cctype>

#include <gtest/gtest.h>

#include "support/stack.hpp"

namespace gpuwarden::test {
namespace {

using namespace std::chrono_literals;

/// What is wrong with a start, the cause that it must get, and words of the line that shows it.
struct Broken {
  std::string name, cause, evidence, scenario;
  std::map<std::string, std::string> overrides;
};

std::ostream& operator<<(std::ostream& out, const Broken& broken) {
  return out << broken.name;
}

class BootstrapCause : public testing::TestWithParam<Broken> {};

TEST_P(BootstrapCause, Case13IsNamedWithItsEvidenceAndThePodIsGoneHalfAMinuteAfterTheVerdict) {
  const Broken& broken = GetParam();
  Stack::Options options;
  options.scenario = broken.scenario;
  options.sandbox_arguments = {"--fast"};
  options.overrides = {{"MAX_ACTIVE_GPUS", "1"}};
  for (const auto& [name, value] : broken.overrides) options.overrides[name] = value;
  Stack stack(options);
  stack.add_tasks(1);
  stack.start_daemon();
  Json ended;
  // The verdict counts once the crash bundle is in.
  EXPECT_TRUE(eventually(90s, [&] {
    ended = stack.sql(
        "select f.cause, f.evidence_line, f.summary, f.advice, extract(epoch from w.ended_at - f.created_at) "
        "as seconds "
        "from gpuwarden_failures f join gpuwarden_workers w using (worker_id) where w.ended_at is not null "
        "order by "
        "f.created_at limit 1");
    return !ended.empty();
  })) << stack.daemon_log();
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0]["cause"], broken.cause) << ended[0].dump(1);
  EXPECT_NE(ended[0]["evidence_line"].get<std::string>().find(broken.evidence), std::string::npos)
      << ended[0].dump(1);
  EXPECT_LE(ended[0]["seconds"].get<double>(), 30.0);
}

INSTANTIATE_TEST_SUITE_P(
    EndToEnd, BootstrapCause,
    testing::Values(
        Broken{"preflight_gpu", "preflight_gpu", "nvidia-smi", "script-failure:preflight", {}},
        Broken{"preflight_gpu_driver", "preflight_gpu", "CUDA", "healthy", {{"RUNPOD_MIN_CUDA", "99.0"}}},
        Broken{"preflight_network", "preflight_network", "", "heartbeat-loss", {}},
        Broken{"preflight_credentials",
               "preflight_credentials",
               "",
               "healthy",
               {{"SUPABASE_PUBLISHABLE_KEY", "sb_publishable_of_another_project_0123456789"}}},
        Broken{"fetch_failed", "fetch_failed", "", "script-failure:fetch", {}},
        Broken{"fetch_failed_ref",
               "fetch_failed",
               "no-such-branch",
               "healthy",
               {{"WORKER_REPO_REF", "no-such-branch"}}},
        Broken{"setup_failed",
               "setup_failed",
               "No matching distribution",
               "healthy",
               {{"WORKER_SETUP_CMD", "echo 'ERROR: No matching distribution found for torch==9.9'; exit 1"}}},
        Broken{"setup_disk_full",
               "disk_full",
               "No space left on device",
               "healthy",
               {{"WORKER_SETUP_CMD",
                 "echo \"OSError: [Errno 28] No space left on device: '/opt/venv/lib/torch'\" >&2; exit 1"}}},
        Broken{"start_failed", "start_failed", "unrecognized arguments", "worker-crash:argument", {}},
        Broken{"start_failed_venv",
               "start_failed",
               "No such file or directory",
               "healthy",
               {{"WORKER_START_CMD", "/opt/venv/bin/python worker.py"}}},
        Broken{"bootstrap_timeout",
               "bootstrap_timeout",
               "",
               "healthy",
               {{"WORKER_SETUP_CMD", "echo downloading; sleep 600"}, {"SPAWNING_TIMEOUT_SEC", "12"}}},
        Broken{"first_heartbeat_timeout",
               "first_heartbeat_timeout",
               "",
               "healthy",
               {{"WORKER_START_CMD", "sleep 600"},
                {"WORKER_HEARTBEAT", "worker"},
                {"SPAWNING_TIMEOUT_SEC", "14"}}}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace gpuwarden::test
