#include "process.hpp"

#include <array>
#include <cstdlib>
#include <random>

#include <fmt/format.h>
#include <malloc.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace gpuwarden::app {
namespace {

constexpr std::size_t kBurst = 8;  ///< actions at once

}  // namespace

void harden_process() {
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  prctl(PR_SET_DUMPABLE, 0);
}

config::Source read_source() {
  config::Source source = config::process_source();
  config::read_env_file(source);
  return source;
}

void BurstMemory::after_tick(std::size_t in_flight) {
  if (in_flight >= kBurst) {
    burst_ = true;
  } else if (in_flight == 0 && burst_) {
    burst_ = false;
    malloc_trim(0);
  }
}

std::string holder_name() {
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  std::random_device random;
  return fmt::format("{}:{}:{:08x}", host.data(), getpid(), random());
}

std::string operator_name() {
  for (const char* variable : {"SUDO_USER", "USER", "LOGNAME"}) {
    if (const char* name = std::getenv(variable); name != nullptr && *name != '\0') return name;
  }
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 4096> buffer{};
  if (getpwuid_r(getuid(), &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr)
    return found->pw_name;
  return fmt::format("user {}", getuid());
}

}  // namespace gpuwarden::app
