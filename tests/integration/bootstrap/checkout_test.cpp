#include <gmock/gmock.h>

#include "peer.hpp"
#include "pod.hpp"

namespace gpuwarden::bootstrap::test {
namespace {

using testing::AnyOf;
using testing::Contains;
using testing::HasSubstr;

struct Checkout : testing::Test {
  Site site;
  Peer peer;
  unsigned count{0};

  std::unique_ptr<Pod> pod() {
    auto made = std::make_unique<Pod>(site, peer.url, ++count);
    made->settings.auto_start = false;
    return made;
  }
  /// Commit that a pod with these settings fetches; the failing tail otherwise.
  std::string fetched(const std::string& ref) {
    const auto one = pod();
    one->settings.repo_ref = ref;
    const auto stream = one->launch();
    for (const StatusLine& line : stream.lines)
      if (!line.commit.empty()) return line.commit;
    return stream.last() && !stream.last()->tail.empty() ? stream.last()->tail.back() : stream.text;
  }
  int setups() const {
    const std::string log = read_text(site.volume + "/setups");
    return static_cast<int>(std::count(log.begin(), log.end(), '\n'));
  }
  std::string counting_setup() const {
    return "echo setup >>" + site.volume + "/setups; sleep 0.5; touch prepared";
  }
};

TEST_F(Checkout, TakesBranchesTagsAndCommitsWholeOrShort) {
  const std::string first = site.commit("echo 1");
  site.git("tag light");
  site.git("-c user.name=t -c user.email=t@e.invalid tag -a v1 -m one");
  const std::string second = site.commit("echo 2");
  site.git("branch feature/x " + first);
  EXPECT_EQ(fetched("main"), second);
  EXPECT_EQ(fetched("feature/x"), first);
  EXPECT_EQ(fetched("v1"), first) << "a tag's commit, not the tag object";
  EXPECT_EQ(fetched("light"), first);
  EXPECT_EQ(fetched(first), first);
  EXPECT_EQ(fetched(first.substr(0, 9)), first);
  EXPECT_EQ(fetched("refs/heads/main"), second);
  EXPECT_EQ(fetched(""), second);
}

TEST_F(Checkout, ARefThatDoesNotExistIsNamed) {
  EXPECT_EQ(fetched("no-such-branch"), "fatal: couldn't find remote ref no-such-branch");
  EXPECT_EQ(fetched("abcdef12"), "fatal: couldn't find remote ref abcdef12");
}

TEST_F(Checkout, ARepositoryThatDoesNotExistIsNamedWithGitsExitCode) {
  const auto one = pod();
  one->settings.repo_url = site.dir.path + "/missing.git";
  const auto stream = one->launch();
  EXPECT_EQ(stream.story().back(), "fetch fail");
  EXPECT_EQ(stream.last()->exit_code, 128);
  EXPECT_THAT(stream.last()->tail, Contains(HasSubstr("does not appear to be a git repository")));
}

TEST_F(Checkout, NetworkTroubleOfAMomentIsWaitedOut) {
  site.tool("git", "case \"$*\" in *ls-remote*) echo x >>" + site.volume + "/tries; if [ $(wc -l <" +
                       site.volume +
                       "/tries) -le 2 ]; then echo \"fatal: unable to access 'http://h/': Could not resolve "
                       "host: h\" >&2; "
                       "exit 128; fi ;; esac; PATH=${PATH#*:} exec git \"$@\"");
  const std::string commit = site.commit("echo late");
  EXPECT_EQ(fetched("main"), commit);
  EXPECT_EQ(read_text(site.volume + "/tries"), "x\nx\nx\n");
}

TEST_F(Checkout, NetworkTroubleThatStaysIsNamedInGitsWords) {
  site.tool("git",
            "case \"$*\" in *ls-remote*) echo \"fatal: unable to access 'http://h/': Could not resolve host: "
            "h\" >&2; "
            "exit 128 ;; esac; PATH=${PATH#*:} exec git \"$@\"");
  const auto one = pod();
  const auto stream = one->launch();
  EXPECT_EQ(stream.story().back(), "fetch fail");
  EXPECT_THAT(stream.last()->tail,
              Contains("fatal: unable to access 'http://h/': Could not resolve host: h"));
}

TEST_F(Checkout, SetupRunsAgainOnlyWhenCommitOrCommandChanged) {
  for (int i = 0; i < 2; ++i) {
    const auto one = pod();
    one->settings.setup_cmd = counting_setup();
    EXPECT_EQ(one->launch().story().back(), "start end");
  }
  EXPECT_EQ(setups(), 1);
  site.commit("echo changed");
  {
    const auto one = pod();
    one->settings.setup_cmd = counting_setup();
    one->launch();
  }
  EXPECT_EQ(setups(), 2);
  const auto one = pod();
  one->settings.setup_cmd = counting_setup() + "; true";
  one->launch();
  EXPECT_EQ(setups(), 3);
}

TEST_F(Checkout, TwoPodsThatShareAVolumeSetUpOnceAndBothRun) {
  const auto first = pod();
  const auto second = pod();
  for (Pod* each : {first.get(), second.get()}) {
    each->settings.setup_cmd = counting_setup();
    each->settings.auto_start = true;
    each->settings.start_cmd = "test -e prepared && exec sleep 1000";
  }
  Pod::Stream one, other;
  std::thread side([&] { one = first->launch(); });
  other = second->launch();
  side.join();
  EXPECT_EQ(one.story().back(), "start end") << one.text;
  EXPECT_EQ(other.story().back(), "start end") << other.text;
  EXPECT_EQ(setups(), 1);
  EXPECT_EQ(first->checkout(), second->checkout());
  EXPECT_THAT(
      read_text(first->directory() + "/bootstrap.log") + read_text(second->directory() + "/bootstrap.log"),
      HasSubstr("which prepares the same checkout"));
}

TEST_F(Checkout, ANewCommitDoesNotTouchTheFilesUnderARunningWorker) {
  const std::string old = site.commit("exec sleep 1000");
  const auto first = pod();
  first->settings.auto_start = true;
  first->launch();
  const std::string where = first->checkout();
  site.commit("echo new >version; exec sleep 1000");
  const auto second = pod();
  second->settings.auto_start = true;
  second->launch();
  EXPECT_NE(second->checkout(), where);
  EXPECT_EQ(read_text(where + "/worker.sh"), "exec sleep 1000\n");
  EXPECT_THAT(run_bash("git -C " + where + " rev-parse HEAD").output, HasSubstr(old));
}

TEST_F(Checkout, ADamagedOneIsMadeAnewBesideIt) {
  const auto first = pod();
  first->settings.setup_cmd = "touch prepared";
  first->settings.auto_start = true;
  first->launch();
  const std::string where = first->checkout();
  std::filesystem::remove_all(where + "/.git/refs");
  std::filesystem::remove(where + "/.git/HEAD");
  const auto second = pod();
  second->settings = first->settings;
  EXPECT_EQ(second->launch().story().back(), "start end");
  EXPECT_EQ(second->checkout(), where + "-2");
  EXPECT_TRUE(std::filesystem::exists(where + "/worker.sh")) << "another worker runs there";
}

TEST_F(Checkout, OneWhoseSetupFailedIsMadeAnew) {
  const auto first = pod();
  first->settings.setup_cmd =
      "test ! -e half; rest=$?; touch half; exit $((rest == 0 && ! $(cat ../../go 2>/dev/null || echo 0)))";
  EXPECT_EQ(first->launch().story().back(), "setup fail");
  std::ofstream(site.volume + "/go") << "1\n";
  const auto second = pod();
  second->settings.setup_cmd = first->settings.setup_cmd;
  const auto stream = second->launch();
  EXPECT_EQ(stream.story().back(), "start end") << stream.text;
}

TEST_F(Checkout, SetupFailuresCarryTheirLastLinesExitCodeAndNoOlderLines) {
  const auto one = pod();
  one->settings.setup_cmd =
      "echo Collecting torch; echo 'ERROR: No matching distribution found for torch==99' >&2; exit 5";
  const auto stream = one->launch();
  EXPECT_EQ(stream.story().back(), "setup fail");
  EXPECT_EQ(stream.last()->exit_code, 5);
  EXPECT_THAT(
      stream.last()->tail,
      testing::ElementsAre("Collecting torch", "ERROR: No matching distribution found for torch==99"));
}

TEST_F(Checkout, AReadyCommitNeedsNoNetworkAtAll) {
  const std::string commit = site.commit("echo pinned");
  EXPECT_EQ(fetched(commit), commit);
  std::filesystem::rename(site.repository, site.repository + ".away");
  EXPECT_EQ(fetched(commit), commit);
  std::filesystem::rename(site.repository + ".away", site.repository);
}

TEST_F(Checkout, WithoutARepositoryTheImagesOwnFilesAreUsed) {
  const auto one = pod();
  one->settings.repo_url = "";
  one->settings.worker_dir = site.tools;
  one->settings.setup_cmd = "pwd >" + site.volume + "/where";
  EXPECT_EQ(one->launch().story().back(), "start end");
  EXPECT_EQ(read_text(site.volume + "/where"), site.tools + "\n");
}

TEST_F(Checkout, WhatNobodyHasUsedForAWeekIsRemoved) {
  const std::string old = site.commit("echo old");
  fetched("main");
  const std::string marks = site.volume + "/worker/.gpuwarden/";
  const std::string before = run_bash("ls -d " + site.volume + "/worker/" + old.substr(0, 12) + "-*").output;
  ASSERT_THAT(before, HasSubstr(old.substr(0, 12)));
  run_bash("touch -d '8 days ago' " + marks + "*.used");
  site.commit("echo new");
  fetched("main");
  EXPECT_TRUE(eventually(5s, [&] {
    return run_bash("ls -d " + site.volume + "/worker/" + old.substr(0, 12) + "-*").exit_code != 0;
  }));
}

}  // namespace
}  // namespace gpuwarden::bootstrap::test
