#include <atomic>
#include <set>

#include <gmock/gmock.h>

#include "peer.hpp"
#include "pod.hpp"

namespace gpuwarden::bootstrap::test {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string command_lines() {
  std::string all;
  std::error_code error;
  for (std::filesystem::directory_iterator entry("/proc", error), end; !error && entry != end;
       entry.increment(error)) {
    std::string line = read_text(entry->path() / "cmdline");
    std::replace(line.begin(), line.end(), '\0', ' ');
    all += line + "\n";
  }
  return all;
}

TEST(Case16Secrets, StandInNoCommandLineStatusLineLogReportOrEvidence) {
  const Site site;
  Peer peer;
  Pod pod(site, peer.url);
  const std::vector<std::string> secrets{"token_planted_secret", "sb_publishable_planted",
                                         "hf_planted_secret", "git_planted_password"};
  pod.settings.repo_url = "http://planted_git_user:git_planted_password@127.0.0.1:1/worker.git";
  // The repository behind the address with credentials is this one.
  pod.environment["GIT_CONFIG_COUNT"] = "1";
  pod.environment["GIT_CONFIG_KEY_0"] = "url." + site.repository + ".insteadOf";
  pod.environment["GIT_CONFIG_VALUE_0"] = "http://127.0.0.1:1/worker.git";
  pod.settings.pass_env = {{"HF_TOKEN", "hf_planted_secret"}};
  pod.settings.setup_cmd = "echo setup has $HF_TOKEN; sleep 0.5";
  site.commit(
      "echo \"token $GPUWARDEN_WORKER_TOKEN key $SUPABASE_PUBLISHABLE_KEY hf $HF_TOKEN\"; "
      "trap 'exit 3' USR1; while :; do sleep 0.05; done");
  std::atomic<bool> over{false};
  std::set<std::string> seen;
  std::thread watcher([&] {
    while (!over) {
      const std::string lines = command_lines();
      for (const std::string& secret : secrets)
        if (lines.find(secret) != std::string::npos) seen.insert(secret);
    }
  });
  const auto stream = pod.launch();
  ::kill(pod.pid_in("worker.pid"), SIGUSR1);
  EXPECT_TRUE(eventually(5s, [&] { return peer.reports("crash").size() == 1; })) << stream.text;
  over = true;
  watcher.join();
  EXPECT_THAT(seen, testing::IsEmpty());

  ASSERT_EQ(stream.story().back(), "start end") << stream.text;
  const std::string evidence = pod.run(collect_command(pod.worker)).output;
  EXPECT_THAT(evidence, HasSubstr("token [redacted] key [redacted] hf [redacted]"))
      << "the test would see them";
  std::string reports;
  for (const auto& each : peer.reports()) reports += each.report.dump();
  for (const std::string& secret : secrets) {
    EXPECT_THAT(evidence, Not(HasSubstr(secret)));
    EXPECT_THAT(stream.text, Not(HasSubstr(secret)));
    EXPECT_THAT(pod.file("status"), Not(HasSubstr(secret)));
    EXPECT_THAT(reports, Not(HasSubstr(secret)));
  }
  EXPECT_THAT(run_bash("grep -rl git_planted_password " + site.volume + " || echo none").output, "none\n")
      << "the volume outlives the pod";
}

TEST(Case16Secrets, OfTheContainersEnvironmentAreTakenOutOfWhatAWorkerPrints) {
  const Site site;
  Peer peer;
  Pod pod(site, peer.url);
  const std::map<std::string, std::string> planted{
      {"RUNPOD_API_KEY", "pod_key_planted"},
      {"JUPYTER_PASSWORD", "jupyter_planted"},
      {"MY_SUPABASE_SERVICE_ROLE", "service_role_planted"},
      {"NEXT_PUBLIC_SUPABASE_ANON_KEY", "anon_planted"},
      {"SOMETHING", "sb_secret_planted_under_no_name"},
  };
  for (const auto& [name, value] : planted) pod.environment[name] = value;
  pod.environment["DATABASE_URL"] = "postgresql://someone:database_planted@db.invalid/postgres";
  pod.environment["SSH_PUBLIC_KEY"] = "public_key_is_no_secret";
  pod.settings.pass_env = {{"CERT", "-----BEGIN PRIVATE KEY-----\npem_line_planted\n-----END-----"}};
  site.commit(
      "trap 'env; echo \"login with database_planted\"; exit 3' USR1; echo up; while :; do sleep 0.05; "
      "done");
  const auto stream = pod.launch();
  ASSERT_EQ(stream.story().back(), "start end") << stream.text;
  ::kill(pod.pid_in("worker.pid"), SIGUSR1);
  ASSERT_TRUE(eventually(5s, [&] { return peer.reports("crash").size() == 1; })) << pod.file("bootstrap.log");
  // A session of SSH has none of the container's environment.
  for (const auto& [name, value] : planted) pod.environment.erase(name);
  pod.environment.erase("DATABASE_URL");
  const std::string evidence = pod.run(collect_command(pod.worker)).output;
  const std::string probed = pod.run(probe_command(pod.worker)).output;
  EXPECT_THAT(evidence, HasSubstr("SSH_PUBLIC_KEY=public_key_is_no_secret")) << "the worker printed it all";
  EXPECT_THAT(evidence, HasSubstr("RUNPOD_API_KEY=[redacted]"));
  EXPECT_THAT(evidence, HasSubstr("login with [redacted]"));
  EXPECT_THAT(peer.reports("crash")[0].report.dump() + evidence + probed + pod.file("status"),
              Not(HasSubstr("planted")));
}

TEST(Case16Secrets, OfARepositoryReachItsServerAndNothingElse) {
  const Site site;
  Peer peer;
  Pod pod(site, peer.url);
  pod.settings.repo_url = "http://planted_git_user:git_planted_password@" +
                          peer.url.substr(std::string("http://").size()) + "/private/worker.git";
  const auto stream = pod.launch();
  EXPECT_EQ(stream.story().back(), "fetch fail") << stream.text;
  EXPECT_THAT(peer.logins(), testing::Contains("Basic cGxhbnRlZF9naXRfdXNlcjpnaXRfcGxhbnRlZF9wYXNzd29yZA=="));
  EXPECT_THAT(stream.text, Not(HasSubstr("git_planted_password")));
}

}  // namespace
}  // namespace gpuwarden::bootstrap::test
