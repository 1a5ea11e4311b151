#include "gpuwarden/bootstrap/script.hpp"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bash.hpp"
#include "bootstrap/pod_files.hpp"

namespace gpuwarden::bootstrap {
namespace {

using test::run_bash;
using testing::HasSubstr;
using testing::Not;

const WorkerId kWorker{"gpu-default-20261124010101-0badcafe"};

Settings some_settings() {
  Settings settings;
  settings.repo_url = "https://github.com/example/worker.git";
  settings.setup_cmd = "pip install -r requirements.txt";
  settings.start_cmd = "python worker.py --name 'a b'";
  settings.supabase_url = "https://project.supabase.co";
  settings.pass_env = {{"HF_TOKEN", "hf_planted_secret"}};
  return settings;
}
const WorkerSecrets kSecrets{Secret("token_planted_secret"), Secret("sb_publishable_planted")};

class Quoted : public testing::TestWithParam<std::string> {};
TEST_P(Quoted, IsOneWordOfBashAndTheSameText) {
  const auto ran = run_bash("set -- " + shell_quoted(GetParam()) + "; printf '%s|%s' $# \"$1\"");
  EXPECT_EQ(ran.output, "1|" + GetParam());
}
INSTANTIATE_TEST_SUITE_P(Texts, Quoted,
                         testing::Values("", "plain", "a b", "it's", "''", "'", "$(id)`id`$HOME", "\\",
                                         "a\nb\n", "\"", "!x", "*?[", "-n", "caf\xc3\xa9 \xff",
                                         "'\\''; exit 3; '"));

TEST(Payload, IsRefusedWholeByBashWhereverItBreaksOff) {
  const test::TempDir dir;
  const std::string payload = launch_payload(kWorker, some_settings(), kSecrets);
  const std::string file = dir.path + "/payload";
  for (std::size_t part = 1; part < 40; ++part) {
    std::ofstream(file, std::ios::binary) << payload.substr(0, payload.size() * part / 40);
    const auto ran = run_bash("GPUWARDEN_RUN_ROOT=" + dir.path + " bash -s <" + file);
    EXPECT_NE(ran.exit_code, 0) << part;
    EXPECT_FALSE(std::filesystem::exists(dir.path + "/gpuwarden-" + kWorker.str())) << part;
  }
}

TEST(Payload, AndEveryCommandIsValidBash) {
  const test::TempDir dir;
  const std::string file = dir.path + "/text";
  for (const std::string& text :
       {launch_payload(kWorker, some_settings(), kSecrets), launch_command(kWorker),
        follow_command(kWorker, 5), probe_command(kWorker), logs_command(kWorker, {}),
        collect_command(kWorker), env_file(kWorker, some_settings(), kSecrets)}) {
    std::ofstream(file, std::ios::binary | std::ios::trunc) << text;
    const auto ran = run_bash("bash -n " + file);
    EXPECT_EQ(ran.exit_code, 0) << ran.output;
  }
}

TEST(Commands, CarryNoSecretAndFitIntoOneSshPacket) {
  for (const std::string& text : {launch_command(kWorker), follow_command(kWorker, 5), probe_command(kWorker),
                                  logs_command(kWorker, {}), collect_command(kWorker)}) {
    EXPECT_THAT(text, Not(HasSubstr("planted")));
    EXPECT_LT(text.size(), 8192u);
  }
}

TEST(Commands, FollowSaysThatNothingRanYet) {
  const test::TempDir dir;
  EXPECT_EQ(run_bash("export GPUWARDEN_RUN_ROOT=" + dir.path + "; " + follow_command(kWorker, 0)).exit_code,
            kNotStarted);
}

TEST(Commands, ProbeSaysDeadWhereNothingRuns) {
  const test::TempDir dir;
  EXPECT_EQ(run_bash("export GPUWARDEN_RUN_ROOT=" + dir.path + "; " + probe_command(kWorker)).exit_code, 1);
}

TEST(Commands, ProbeEndsByItselfAndSaysNothingWhenTheDiskHangs) {
  const test::TempDir dir;
  const std::string run = dir.path + "/gpuwarden-" + kWorker.str();
  std::filesystem::create_directories(run);
  std::ofstream(run + "/lib.sh") << "\n";
  std::ofstream(run + "/probe.sh") << "sleep 60\n";
  // Runs the real one with less patience.
  std::ofstream(dir.path + "/timeout")
      << "#!/bin/bash\n[ \"$1 $2 $3\" = '-k 2 10' ] || exit 99\nshift 3\nexec /usr/bin/timeout 0.2 \"$@\"\n";
  std::filesystem::permissions(dir.path + "/timeout", std::filesystem::perms::owner_all);
  EXPECT_EQ(run_bash("export GPUWARDEN_RUN_ROOT=" + dir.path + " PATH=" + dir.path + ":$PATH; " +
                     probe_command(kWorker))
                .exit_code,
            124);
}

TEST(Commands, CollectBringsFiguresEvenWhereNothingRan) {
  const test::TempDir dir;
  const auto ran = run_bash("export GPUWARDEN_RUN_ROOT=" + dir.path + "; " + collect_command(kWorker));
  EXPECT_EQ(ran.exit_code, 0);
  for (const auto* section : {"@@ df\n", "@@ df_inodes\n", "@@ shm\n", "@@ free\n", "@@ ps\n"})
    EXPECT_THAT(ran.output, HasSubstr(section));
  for (const auto* name : {"nvidia_smi", "dmesg"})
    EXPECT_THAT(ran.output, testing::AnyOf(HasSubstr(std::string("@@ ") + name + "\n"),
                                           HasSubstr(std::string("@@ missing\n") + name + ": ")));
}

TEST(EnvFile, GivesTheWorkerWhatItIsPromised) {
  const test::TempDir dir;
  std::ofstream(dir.path + "/env") << env_file(kWorker, some_settings(), kSecrets);
  const auto ran =
      run_bash(". " + dir.path +
               "/env; env -0 | sort -z | tr '\\0' '\\n' | while IFS= read -r l; do case $l in "
               "WORKER_ID=*|SUPABASE_*|RUN_TYPE=*|"
               "HF_TOKEN=*|gw_*) printf '%s\\n' \"$l\";; esac; done; printf '%s' \"$gw_start_cmd\"");
  EXPECT_EQ(ran.output,
            "HF_TOKEN=hf_planted_secret\nRUN_TYPE=gpu\nSUPABASE_ANON_KEY=sb_publishable_planted\n"
            "SUPABASE_PUBLISHABLE_KEY=sb_publishable_planted\nSUPABASE_URL=https://project.supabase.co\n"
            "WORKER_ID=gpu-default-20261124010101-0badcafe\npython worker.py --name 'a b'");
}

TEST(EnvFile, KeepsCredentialsOutOfTheUrlThatGitGets) {
  Settings settings = some_settings();
  settings.repo_url = "https://me:p%40ss@github.com/a/b.git";
  const std::string text = env_file(kWorker, settings, kSecrets);
  EXPECT_THAT(text, HasSubstr("gw_repo_url='https://github.com/a/b.git'\n"));
  EXPECT_THAT(text, HasSubstr("gw_repo_user='me'\n"));
  EXPECT_THAT(text, HasSubstr("gw_repo_password='p@ss'\n"));
}

TEST(EnvFile, LeavesOutNamesThatWouldBreakTheShell) {
  Settings settings = some_settings();
  settings.pass_env = {{"UID", "1"}, {"BASH_ENV", "x"}, {"gw_token", "x"},
                       {"a b", "x"}, {"2X", "x"},       {"OK_1", "x"}};
  const std::string text = env_file(kWorker, settings, kSecrets);
  EXPECT_THAT(text, HasSubstr("gw_pass_names=(OK_1)\n"));
  EXPECT_THAT(text, Not(HasSubstr("export UID")));
  EXPECT_THAT(text, Not(HasSubstr("BASH_ENV")));
}

TEST(ReportConfig, UsesTheHeadersThatTheKindOfKeyNeeds) {
  const std::string modern = report_config(some_settings(), Secret("sb_publishable_x"));
  EXPECT_THAT(modern, HasSubstr("header = \"apikey: sb_publishable_x\"\n"));
  EXPECT_THAT(modern, Not(HasSubstr("Authorization")));
  const std::string legacy = report_config(some_settings(), Secret("eyJ.a.b"));
  EXPECT_THAT(legacy, HasSubstr("header = \"apikey: eyJ.a.b\"\n"));
  EXPECT_THAT(legacy, HasSubstr("header = \"Authorization: Bearer eyJ.a.b\"\n"));
  EXPECT_THAT(modern,
              HasSubstr("url = \"https://project.supabase.co/rest/v1/rpc/gpuwarden_worker_report\"\n"));
}

TEST(WorkerDir, DefaultsToTheRepositorysNameOnTheVolume) {
  Settings settings;
  const std::vector<std::pair<std::string, std::string>> cases{
      {"https://github.com/a/Some-Repo.git", "/workspace/Some-Repo"},
      {"https://github.com/a/Some-Repo/", "/workspace/Some-Repo"},
      {"git@github.com:repo.git", "/workspace/repo"},
      {"https://user:secret@host.example/x", "/workspace/x"},
      {"", "/workspace/worker"}};
  for (const auto& [url, dir] : cases) {
    settings.repo_url = url;
    EXPECT_EQ(worker_dir_of(settings), dir);
  }
  settings.worker_dir = "/data/w/";
  EXPECT_EQ(worker_dir_of(settings), "/data/w");
}

TEST(ScriptHash, IsTheSameForTheSame) {
  EXPECT_EQ(script_hash(some_settings(), "image"), script_hash(some_settings(), "image"));
  EXPECT_EQ(script_hash(some_settings(), "image").size(), 16u);
}

TEST(ScriptHash, ChangesWithEverythingThatShapesTheScript) {
  std::set<std::string> hashes{script_hash(some_settings(), "image"), script_hash(some_settings(), "other")};
  std::size_t expected = 2;
  const auto changed = [&](auto change) {
    Settings settings = some_settings();
    change(settings);
    hashes.insert(script_hash(settings, "image"));
    EXPECT_EQ(hashes.size(), ++expected);
  };
  changed([](Settings& s) { s.repo_url += "2"; });
  changed([](Settings& s) { s.repo_ref = "v2"; });
  changed([](Settings& s) { s.worker_dir = "/x"; });
  changed([](Settings& s) { s.setup_cmd += " "; });
  changed([](Settings& s) { s.start_cmd += " "; });
  changed([](Settings& s) { s.auto_start = false; });
  changed([](Settings& s) { s.agent_heartbeats = false; });
  changed([](Settings& s) { s.max_restarts = 1; });
  changed([](Settings& s) { s.heartbeat_interval = 21s; });
  changed([](Settings& s) { s.pod_lease = 21s; });
  changed([](Settings& s) { s.min_memory_gb = 1; });
  changed([](Settings& s) { s.min_cuda = "12.8"; });
  changed([](Settings& s) { s.supabase_url += "x"; });
  changed([](Settings& s) { s.pass_env["OTHER"] = ""; });
  changed([](Settings& s) { std::swap(s.setup_cmd, s.start_cmd); });
}

TEST(ScriptHash, DoesNotKnowSecrets) {
  Settings settings = some_settings();
  settings.pass_env["HF_TOKEN"] = "another";
  settings.repo_url = "https://me:secret@github.com/example/worker.git";
  EXPECT_EQ(script_hash(settings, "image"), script_hash(some_settings(), "image"));
}

}  // namespace
}  // namespace gpuwarden::bootstrap
