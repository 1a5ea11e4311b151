#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>

#include "gpuwarden/policy/decide.hpp"

namespace gpuwarden::policy {
namespace {

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// The needle is put together at run time, so that the test itself does not hold it.
std::string joined(const char* head, const char* tail) {
  return std::string(head) + tail;
}

TEST(Purity, TheDecisionsLinkNeitherNetworkNorEventLoopNorClock) {
  EXPECT_FALSE(decide(Observation{}, Memory{}, Settings{}, MonoTime{}, 1).plan.gates.empty());
  const std::string program = contents("/proc/self/exe");
  ASSERT_NE(program.find(joined("gpuwarden6policy", "6decide")), std::string::npos);
  EXPECT_EQ(program.find(joined("5boost4", "asio")), std::string::npos);
  EXPECT_EQ(program.find(joined("curl_easy_", "perform")), std::string::npos);
  EXPECT_EQ(program.find(joined("libssh2_", "session")), std::string::npos);
  const std::string mapped = contents("/proc/self/maps");
  ASSERT_NE(mapped.find("libc"), std::string::npos);
  EXPECT_EQ(mapped.find("libcurl"), std::string::npos);
  EXPECT_EQ(mapped.find("libssh2"), std::string::npos);
}

}  // namespace
}  // namespace gpuwarden::policy
