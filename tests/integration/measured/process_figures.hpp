#pragma once

#include <fstream>
#include <string>

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

}  // namespace gpuwarden::test
