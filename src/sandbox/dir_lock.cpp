#include "dir_lock.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

namespace gpuwarden::sandbox {

DirLock::DirLock(DirLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

DirLock& DirLock::operator=(DirLock&& other) noexcept {
  if (this != &other) {
    release();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

void DirLock::release() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Result<DirLock> DirLock::take(const std::string& dir) {
  const auto path = dir + "/lock";
  DirLock lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (lock.fd_ < 0) return fail(ErrorKind::internal, fmt::format("{}: {}", path, std::strerror(errno)));
  if (::flock(lock.fd_, LOCK_EX | LOCK_NB) != 0) {
    char holder[16]{};
    const auto count = ::pread(lock.fd_, holder, sizeof holder - 1, 0);
    return fail(
        ErrorKind::conflict,
        fmt::format("another sandbox (pid {}) runs in {}; stop it (gpuwarden-sandbox stop --dir {}) or "
                    "name another --dir",
                    count > 0 ? std::atol(holder) : 0L, dir, dir));
  }
  // Whoever is refused reads from it who holds it.
  const auto pid = fmt::format("{}\n", ::getpid());
  if (::ftruncate(lock.fd_, 0) != 0 ||
      ::pwrite(lock.fd_, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size()))
    return fail(ErrorKind::internal, fmt::format("{}: {}", path, std::strerror(errno)));
  return lock;
}

}  // namespace gpuwarden::sandbox
