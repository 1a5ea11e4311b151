#include "held_port.hpp"

#include <utility>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace gpuwarden::sandbox {

HeldPort::~HeldPort() {
  if (fd_ >= 0) ::close(fd_);
}

HeldPort::HeldPort(HeldPort&& other) noexcept : fd_(std::exchange(other.fd_, -1)), number_(other.number_) {}

HeldPort& HeldPort::operator=(HeldPort&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(number_, other.number_);
  return *this;
}

Result<HeldPort> HeldPort::take(std::uint16_t port) {
  HeldPort held(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), port);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  // Bound without SO_REUSEADDR it is ours alone; with it from then on, the pod's server may bind it too.
  const int on = 1;
  if (held.fd_ < 0 || ::bind(held.fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::setsockopt(held.fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
    return fail(ErrorKind::conflict, fmt::format("port {} is taken", port));
  return held;
}

}  // namespace gpuwarden::sandbox
