#include "app/notify.hpp"

#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fakes/fake_clock.hpp"

namespace gpuwarden::app {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// A notify socket of the test's own, and the variables that point to it.
struct Notifying : testing::Test {
  fakes::FakeClock clock;
  std::string path = (std::filesystem::temp_directory_path() / "gpuwarden-notify.XXXXXX").string();
  int socket{-1};

  Notifying() {
    ::close(mkstemp(path.data()));
    ::unlink(path.c_str());
    socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
    ::unsetenv("WATCHDOG_PID");
    ::setenv("WATCHDOG_USEC", "60000000", 1);
  }
  ~Notifying() override {
    ::unsetenv("NOTIFY_SOCKET");
    ::unsetenv("WATCHDOG_USEC");
    ::close(socket);
    ::unlink(path.c_str());
  }
  /// What has come since the last call.
  std::vector<std::string> received() const {
    std::vector<std::string> messages;
    std::array<char, 256> buffer{};
    for (ssize_t length = 0; (length = ::recv(socket, buffer.data(), buffer.size(), 0)) > 0;)
      messages.emplace_back(buffer.data(), static_cast<std::size_t>(length));
    return messages;
  }
};

TEST_F(Notifying, ReadyAndStoppingAreSaidOnce) {
  Notify notify(clock);
  notify.ready();
  notify.ready();
  notify.stopping();
  notify.stopping();
  EXPECT_THAT(received(), ElementsAre("READY=1", "STOPPING=1"));
}

TEST_F(Notifying, TheWatchdogIsFedFourTimesPerInterval) {
  Notify notify(clock);
  notify.alive();
  clock.jump(14'999ms);
  notify.alive();
  EXPECT_THAT(received(), ElementsAre("WATCHDOG=1"));
  clock.jump(1ms);
  notify.alive();
  EXPECT_THAT(received(), ElementsAre("WATCHDOG=1"));
}

TEST_F(Notifying, WithoutAWatchdogNothingIsFed) {
  ::unsetenv("WATCHDOG_USEC");
  Notify notify(clock);
  notify.alive();
  EXPECT_THAT(received(), IsEmpty());
}

TEST_F(Notifying, TheStopIsExtendedEveryFiveSeconds) {
  Notify notify(clock);
  for (int i = 0; i < 40; ++i) {
    notify.extend_stop();
    clock.jump(250ms);
  }
  EXPECT_THAT(received(), ElementsAre("EXTEND_TIMEOUT_USEC=60000000", "EXTEND_TIMEOUT_USEC=60000000"));
}

}  // namespace
}  // namespace gpuwarden::app
