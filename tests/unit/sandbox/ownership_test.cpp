// What a sandbox takes for itself: its directory, its pods' ports, its database's directory.
#include <filesystem>
#include <fstream>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sandbox/dir_lock.hpp"
#include "sandbox/held_port.hpp"
#include "sandbox/postgres_host.hpp"

namespace gpuwarden::sandbox {
namespace {

namespace fs = std::filesystem;

/// A directory of its own, which only its owner may enter.
class OwnDirectory : public testing::Test {
 protected:
  void SetUp() override {
    auto pattern = (fs::temp_directory_path() / "gpuwarden-unit.XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    dir = pattern;
  }
  void TearDown() override { fs::remove_all(dir); }
  std::string dir;
};

TEST_F(OwnDirectory, ASecondSandboxIsToldWhoHasIt) {
  auto first = DirLock::take(dir);
  ASSERT_TRUE(first);
  const auto second = DirLock::take(dir);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::conflict);
  EXPECT_THAT(second.error().message,
              testing::HasSubstr(fmt::format("another sandbox (pid {}) runs in {}", ::getpid(), dir)));
  first->release();
  EXPECT_TRUE(DirLock::take(dir));
}

TEST_F(OwnDirectory, WhatAKilledServerLeftElsewhereIsRemovedByTheNext) {
  const auto user = server_user();
  if (!user) GTEST_SKIP() << "a server that runs as we do needs no other directory";
  const auto left = server_directory(dir + "/postgres", user);
  ASSERT_TRUE(left);
  ASSERT_NE(*left, dir + "/postgres") << "the user of the server cannot go there";
  std::ofstream(*left + "/data") << "x";
  const auto next = server_directory(dir + "/postgres", user);
  ASSERT_TRUE(next);
  EXPECT_FALSE(fs::exists(*left));
  EXPECT_TRUE(fs::exists(*next));
  fs::remove_all(*next);
}

TEST_F(OwnDirectory, OnlyADirectoryOfOurOwnMakingIsRemoved) {
  const auto user = server_user();
  if (!user) GTEST_SKIP() << "a server that runs as we do needs no other directory";
  fs::create_directories(dir + "/precious");
  fs::create_directories(dir + "/postgres");
  std::ofstream(dir + "/postgres/elsewhere") << dir << "/precious\n";
  const auto made = server_directory(dir + "/postgres", user);
  ASSERT_TRUE(made);
  EXPECT_TRUE(fs::exists(dir + "/precious"));
  fs::remove_all(*made);
}

/// What sshd does.
bool can_listen(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool listens = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
                       ::listen(fd, 1) == 0 && !HeldPort::take(port);
  ::close(fd);
  return listens;
}

TEST(HeldPort, NobodyElseGetsItWhileTheServerItIsMeantForMayListen) {
  const auto port = free_port().value();
  {
    auto held = HeldPort::take(port);
    ASSERT_TRUE(held);
    EXPECT_EQ(held->number(), port);
    EXPECT_FALSE(HeldPort::take(port)) << "a second sandbox looks for ports in the same way";
    EXPECT_TRUE(can_listen(port));
    const auto moved = std::move(*held);
    EXPECT_FALSE(HeldPort::take(port)) << "before the server listens again";
  }
  EXPECT_TRUE(HeldPort::take(port));
}

}  // namespace
}  // namespace gpuwarden::sandbox
