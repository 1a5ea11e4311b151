#pragma once

#include <cstdint>

#include "gpuwarden/base/result.hpp"

namespace gpuwarden::sandbox {

/// A loopback port that nobody else gets, while a server that sets SO_REUSEADDR, as sshd does, may listen on
/// it.
class HeldPort {
 public:
  HeldPort() = default;
  ~HeldPort();
  HeldPort(HeldPort&& other) noexcept;
  HeldPort& operator=(HeldPort&& other) noexcept;

  /// Errors: conflict when somebody holds it or listens on it.
  static Result<HeldPort> take(std::uint16_t port);
  std::uint16_t number() const { return number_; }

 private:
  HeldPort(int fd, std::uint16_t number) : fd_(fd), number_(number) {}
  int fd_{-1};
  std::uint16_t number_{0};
};

}  // namespace gpuwarden::sandbox
