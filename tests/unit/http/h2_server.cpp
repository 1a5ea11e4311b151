#include "h2_server.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace gpuwarden::http {
namespace {

/// A certificate authority, and a certificate by it for localhost.
constexpr const char* kMakeCertificates = R"(set -e
key() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$1.key" "${@:2}"; }
{
  key ca -x509 -days 2 -subj '/CN=authority of a test' -out ca.pem
  key server -subj /CN=localhost -out server.csr
  printf subjectAltName=DNS:localhost >names
  openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.pem
} >openssl.log 2>&1
)";

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

}  // namespace

H2Server::H2Server() {
  std::string pattern = (std::filesystem::temp_directory_path() / "gpuwarden-h2-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary directory");
  directory_ = pattern;
  std::ofstream(directory_ + "/make") << kMakeCertificates;
  if (std::system(("cd '" + directory_ + "' && bash make").c_str()) != 0)
    throw std::runtime_error("no certificates: see " + directory_ + "/openssl.log");
  std::filesystem::create_directory(directory_ + "/files");
  std::ofstream(directory_ + "/files/small") << "ok";
  std::ofstream(directory_ + "/files/big").put('\n');
  std::filesystem::resize_file(directory_ + "/files/big", kBig);
  // The port may be taken between the probe and the server's bind: another one then.
  for (int tries = 0; tries < 5 && process_ < 0; ++tries) {
    port_ = free_port();
    start();
  }
  if (process_ < 0) throw std::runtime_error("nghttpd does not start: is nghttp2-server installed? " + log());
}

H2Server::~H2Server() {
  kill();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void H2Server::start() {
  const std::string log = directory_ + "/log";
  const std::string port = std::to_string(port_);
  process_ = ::fork();
  if (process_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ::dup2(out, STDOUT_FILENO);
    ::dup2(out, STDERR_FILENO);
    if (::chdir(directory_.c_str()) == 0) {
      ::execlp("nghttpd", "nghttpd", "-v", "-a", "127.0.0.1", "-d", "files", "--echo-upload", port.c_str(),
               "server.key", "server.pem", static_cast<char*>(nullptr));
    }
    ::_exit(127);
  }
  for (int waited = 0; waited < 1000; ++waited) {
    if (::waitpid(process_, nullptr, WNOHANG) == process_) {
      process_ = -1;
      return;
    }
    if (answers(port_)) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  kill();
}

void H2Server::kill() {
  if (process_ < 0) return;
  ::kill(process_, SIGKILL);
  ::waitpid(process_, nullptr, 0);
  process_ = -1;
}

std::string H2Server::url(const std::string& path, const std::string& host) const {
  return "https://" + host + ":" + std::to_string(port_) + path;
}

void H2Server::freeze() const {
  ::kill(process_, SIGSTOP);
}

void H2Server::thaw() const {
  ::kill(process_, SIGCONT);
}

void H2Server::replace() {
  kill();
  start();
  if (process_ < 0) throw std::runtime_error("nghttpd does not start again: " + log());
}

std::string H2Server::log() const {
  std::stringstream text;
  text << std::ifstream(directory_ + "/log").rdbuf();
  return text.str();
}

int H2Server::logged(std::string_view text) const {
  const std::string all = log();
  int count = 0;
  for (auto at = all.find(text); at != std::string::npos; at = all.find(text, at + text.size())) ++count;
  return count;
}

int H2Server::most_open() const {
  std::istringstream lines(log());
  int open = 0;
  int most = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.find("recv HEADERS") != std::string::npos) most = std::max(most, ++open);
    if (line.find("stream_id=") != std::string::npos && line.ends_with("closed")) --open;
  }
  return most;
}

}  // namespace gpuwarden::http
