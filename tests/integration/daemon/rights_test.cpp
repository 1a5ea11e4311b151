#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/stack.hpp"

namespace gpuwarden::test {
namespace {

using namespace std::chrono_literals;

constexpr unsigned kNobody = 65534;

void expect_a_whole_life(Stack& stack) {
  stack.add_tasks(2);
  stack.start_daemon();
  EXPECT_TRUE(eventually(120s, [&] { return all_complete_and_no_pod(stack, 2); })) << stack.daemon_log();
  expect_each_task_completed_once(stack, 2);
  EXPECT_EQ(stack.stop_daemon(), 0);
}

TEST(Rights, AUserWithoutAnyRunsSandboxAndDaemon) {
  if (geteuid() != 0) GTEST_SKIP() << "every other test runs as this user already";
  const std::string id = std::to_string(kNobody);
  for (const std::string program : {GPUWARDEN_PROGRAM, GPUWARDEN_SANDBOX_PROGRAM}) {
    if (run({"/usr/bin/setpriv", "--reuid", id, "--regid", id, "--clear-groups", "--", "/usr/bin/test", "-x",
             program},
            own_environment())
            .exit_code != 0)
      GTEST_SKIP() << "user nobody may not run " << program;
  }
  Stack::Options options;
  options.user = kNobody;
  Stack stack(options);
  stack.start_daemon();
  ASSERT_TRUE(eventually(20s, [&] { return stack.status().is_object(); }));
  // The kernel gives the files of a process that must not be dumped to root.
  struct stat status {};
  ASSERT_EQ(stat(("/proc/" + std::to_string(stack.daemon().pid()) + "/environ").c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 0u) << "other processes of the same user could read the keys";
  EXPECT_EQ(stack.stop_daemon(), 0);
  expect_a_whole_life(stack);
}

TEST(Rights, PodsThatAreOnlyDirectoriesLiveAndDieToo) {
  Stack::Options options;
  options.sandbox_arguments = {"--no-namespaces"};
  Stack stack(options);
  EXPECT_EQ(stack.state().at("isolation"), "directories only");
  expect_a_whole_life(stack);
}

}  // namespace
}  // namespace gpuwarden::test
