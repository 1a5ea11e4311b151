#pragma once

#include <fstream>
#include <string>

#include <sched.h>
#include <sys/types.h>
#include <unistd.h>

namespace gpuwarden::test {

inline double resident_mb(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/statm");
  long size = 0, resident = 0;
  file >> size >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1024.0 * 1024.0);
}

/// Milliseconds for which the process could have run and was kept waiting by others; nothing where the kernel
/// does not count it.
inline double waited_ms(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/schedstat");
  double ran = 0, waited = 0;
  file >> ran >> waited;
  return waited / 1e6;
}

/// A fleet on the daemon's own machine takes its processors away. Where we may, the daemon goes before all
/// others, so that a stall is what it did itself; says whether it does.
inline bool goes_first(pid_t pid) {
  const sched_param real_time{.sched_priority = 1};
  return ::sched_setscheduler(pid, SCHED_RR, &real_time) == 0;
}

}  // namespace gpuwarden::test
