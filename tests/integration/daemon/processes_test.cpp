#include <array>
#include <csignal>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/stack.hpp"

namespace gpuwarden::test {
namespace {

using namespace std::chrono_literals;

bool runs(pid_t pid) {
  const std::string stat = read_file("/proc/" + std::to_string(pid) + "/stat");
  const auto name_end = stat.rfind(')');
  return name_end != std::string::npos && stat[name_end + 2] != 'Z';
}

TEST(Processes, OfATestThatIsKilledAreKilledWithIt) {
  std::array<int, 2> pipe_ends{};
  ASSERT_EQ(pipe(pipe_ends.data()), 0);
  const pid_t test = fork();
  ASSERT_GE(test, 0);
  if (test == 0) {
    const Process child({"/usr/bin/sleep", "300"}, own_environment(), "/dev/null");
    const pid_t pid = child.pid();
    (void)!write(pipe_ends[1], &pid, sizeof pid);
    while (true) pause();
  }
  pid_t child = 0;
  ASSERT_EQ(read(pipe_ends[0], &child, sizeof child), static_cast<ssize_t>(sizeof child));
  // Once it sleeps, it has asked for its death.
  EXPECT_TRUE(eventually(5s, [&] {
    return read_file("/proc/" + std::to_string(child) + "/cmdline").starts_with("/usr/bin/sleep");
  }));
  kill(test, SIGKILL);
  waitpid(test, nullptr, 0);
  EXPECT_TRUE(eventually(5s, [&] { return !runs(child); }));
  if (runs(child)) kill(child, SIGKILL);
  close(pipe_ends[0]);
  close(pipe_ends[1]);
}

}  // namespace
}  // namespace gpuwarden::test
