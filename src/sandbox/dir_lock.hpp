#pragma once

#include <string>

#include "gpuwarden/base/result.hpp"

namespace gpuwarden::sandbox {

/// Keeps a directory for one process: held until it is destroyed or the process ends, however that happens.
class DirLock {
 public:
  DirLock() = default;
  ~DirLock() { release(); }
  DirLock(DirLock&& other) noexcept;
  DirLock& operator=(DirLock&& other) noexcept;

  /// Errors: conflict with the holder's pid and what to do, internal when the file can't be made.
  static Result<DirLock> take(const std::string& dir);
  void release();

 private:
  explicit DirLock(int fd) : fd_(fd) {}
  int fd_{-1};
};

}  // namespace gpuwarden::sandbox
