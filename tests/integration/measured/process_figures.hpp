#pragma once

#include <cstdlib>
#include <fstream>
#include <string>

#include <sched.h>
#include <sys/types.h>
#include <unistd.h>

#include "support/stack.hpp"

namespace gpuwarden::test {

inline int from_environment(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::atoi(text);
}

inline double resident_mb(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/statm");
  long size = 0, resident = 0;
  file >> size >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1024.0 * 1024.0);
}

/// A fleet on the daemon's own machine takes its processors away. Where we may, the daemon goes before all
/// others, so that a stall is what it did itself; says whether it does.
inline bool goes_first(pid_t pid) {
  const sched_param real_time{.sched_priority = 1};
  return ::sched_setscheduler(pid, SCHED_RR, &real_time) == 0;
}

/// The longest since the daemon's start, so that a later one shows only where it is longer; 0 without an
/// answer.
inline double longest_stall_ms(Stack& stack) {
  const Json status = stack.status();
  return status.is_object() ? status["daemon"].value("longest_stall_ms", 0.0) : 0.0;
}

}  // namespace gpuwarden::test
