#include "ssh_host.hpp"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace gpuwarden::ssh {
namespace {

constexpr const char* kSshd = "/usr/sbin/sshd";

void shell(const std::string& command) {
  if (std::system(command.c_str()) != 0) throw std::runtime_error("failed: " + command);
}

void make_key(const std::string& path, const std::string& type, const std::string& passphrase = "") {
  shell("ssh-keygen -q -t " + type + " -N '" + passphrase + "' -C test -f '" + path + "'");
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

std::uint16_t free_port() {
  const int probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t length = sizeof address;
  const bool bound = ::bind(probe, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
                     ::getsockname(probe, reinterpret_cast<sockaddr*>(&address), &length) == 0;
  ::close(probe);
  if (!bound) throw std::runtime_error("no free port");
  return ntohs(address.sin_port);
}

bool answers(std::uint16_t port) {
  const int probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  const bool connected = ::connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(probe);
  return connected;
}

pid_t start(const std::string& config, const std::string& log) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::execl(kSshd, kSshd, "-D", "-E", log.c_str(), "-f", config.c_str(), static_cast<char*>(nullptr));
    ::_exit(127);
  }
  return child;
}

}  // namespace

std::string read_text(const std::string& path) {
  const std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

SshHost::SshHost(Options options) {
  std::string pattern = (std::filesystem::temp_directory_path() / "gpuwarden-sshd-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary directory");
  directory_ = pattern;
  user_ = ::getpwuid(::geteuid())->pw_name;
  if (::geteuid() == 0) std::filesystem::create_directories("/run/sshd");  // sshd's privilege separation
  std::string host_keys;
  for (const std::string& type : options.host_keys) {
    make_key(directory_ + "/host_" + type, type);
    host_keys += "HostKey " + directory_ + "/host_" + type + "\n";
  }
  make_key(directory_ + "/user_ed25519", "ed25519");
  // As PEM: libssh2 1.10 loses 112 bytes whenever it reads an ECDSA key in OpenSSH's own format.
  make_key(directory_ + "/user_ecdsa", "ecdsa -m PEM");
  make_key(directory_ + "/user_encrypted", "ed25519", "open sesame");
  make_key(directory_ + "/stranger", "ed25519");
  shell("cat '" + directory_ + "'/user_*.pub > '" + directory_ + "/authorized_keys'");
  // The port may be taken between the probe and sshd's bind: another one then.
  for (int tries = 0; tries < 5; ++tries) {
    port_ = free_port();
    std::ofstream(directory_ + "/config")
        << "ListenAddress 127.0.0.1:" << port_ << "\n"
        << host_keys << "AuthorizedKeysFile " << directory_ << "/authorized_keys\n"
        << "PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nLogLevel DEBUG1\n"
        << "MaxStartups 500:100:500\nPermitRootLogin yes\n"
        // Debian's bash reads ~/.bashrc under sshd unless it believes to be a nested shell.
        << "SetEnv SHLVL=5\n"
        << options.more_config;
    shell(": > '" + directory_ + "/log'");
    sshd_ = start(directory_ + "/config", directory_ + "/log");
    for (int waited = 0; waited < 500; ++waited) {
      if (answers(port_)) return;
      if (::waitpid(sshd_, nullptr, WNOHANG) == sshd_) {
        sshd_ = -1;
        break;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
  throw std::runtime_error("sshd does not start: " + log());
}

SshHost::~SshHost() {
  if (sshd_ > 0) {
    ::kill(sshd_, SIGTERM);
    ::waitpid(sshd_, nullptr, 0);
  }
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

std::string SshHost::fingerprint(const std::string& type) const {
  shell("ssh-keygen -l -E sha256 -f '" + directory_ + "/host_" + type + ".pub' | cut -d' ' -f2 > '" +
        directory_ + "/fingerprint'");
  std::string text = read_text(directory_ + "/fingerprint");
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

std::string SshHost::user_key(const std::string& type) const {
  return read_text(directory_ + "/user_" + type);
}

std::string SshHost::stranger_key() const {
  return read_text(directory_ + "/stranger");
}

std::string SshHost::log() const {
  return read_text(directory_ + "/log");
}

}  // namespace gpuwarden::ssh
