#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gpuwarden/config/config.hpp"

extern char** environ;

namespace gpuwarden::config {
namespace {

constexpr std::size_t kLargestFile = 1U << 20U;

ErrorKind kind_of(int error) {
  if (error == ENOENT || error == ENOTDIR) return ErrorKind::not_found;
  return error == EACCES || error == EPERM ? ErrorKind::unauthorized : ErrorKind::invalid_input;
}

Result<std::string> read_file(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return fail(kind_of(errno), std::strerror(errno));
  std::string text;
  char buffer[4096];
  ssize_t got = 0;
  while ((got = ::read(file, buffer, sizeof buffer)) > 0 && text.size() <= kLargestFile)
    text.append(buffer, static_cast<std::size_t>(got));
  const int error = errno;
  ::close(file);
  if (got < 0) return fail(ErrorKind::invalid_input, std::strerror(error));
  if (text.size() > kLargestFile) return fail(ErrorKind::invalid_input, "larger than 1 MiB");
  return text;
}

/// Of a path that does not exist, the nearest directory that does decides: the others would be made.
Result<void> may_append(const std::string& path) {
  if (::access(path.c_str(), F_OK) == 0) {
    struct stat facts {};
    if (::stat(path.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode))
      return fail(ErrorKind::invalid_input, std::strerror(EISDIR));
    if (::access(path.c_str(), W_OK) == 0) return {};
    return fail(ErrorKind::invalid_input, std::strerror(errno));
  }
  std::string directory = path;
  do {
    const auto slash = directory.rfind('/');
    directory = slash == std::string::npos ? "." : slash == 0 ? "/" : directory.substr(0, slash);
  } while (::access(directory.c_str(), F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR) &&
           directory != "/" && directory != ".");
  struct stat facts {};
  if (::stat(directory.c_str(), &facts) == 0 && !S_ISDIR(facts.st_mode))
    return fail(ErrorKind::invalid_input, std::strerror(ENOTDIR));
  if (::access(directory.c_str(), W_OK | X_OK) == 0) return {};
  return fail(ErrorKind::invalid_input, std::strerror(errno));
}

std::string value(const Source& source, const std::string& name) {
  const auto at = source.environment.find(name);
  return at == source.environment.end() ? std::string() : at->second;
}

std::string state_directory(const Source& source) {
  // systemd separates several directories by colons; the first is ours.
  if (const std::string given = value(source, "STATE_DIRECTORY"); !given.empty())
    return given.substr(0, given.find(':'));
  if (::geteuid() == 0) return "/var/lib/gpuwarden";
  if (const std::string base = value(source, "XDG_STATE_HOME"); base.starts_with('/'))
    return base + "/gpuwarden";
  const std::string home = value(source, "HOME");
  return home.empty() ? "/var/lib/gpuwarden" : home + "/.local/state/gpuwarden";
}

}  // namespace

Source process_source() {
  Source source;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const auto equals = text.find('=');
    if (equals == std::string_view::npos || equals == 0) continue;
    source.environment.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  source.read_file = read_file;
  source.may_append = may_append;
  source.credentials_directory = value(source, "CREDENTIALS_DIRECTORY");
  source.state_directory = state_directory(source);
  return source;
}

}  // namespace gpuwarden::config
