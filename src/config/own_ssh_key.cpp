#include "own_ssh_key.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gpuwarden/base/format.hpp"

#include "text.hpp"

namespace gpuwarden::config {
namespace {

std::string reason(int error) {
  return std::generic_category().message(error);
}

/// What a child process wrote to its standard error, read to the end.
std::string drain(int descriptor) {
  std::string text;
  std::array<char, 512> buffer{};
  ssize_t got = 0;
  while ((got = ::read(descriptor, buffer.data(), buffer.size())) > 0 || (got < 0 && errno == EINTR)) {
    if (got > 0 && text.size() < 4096) text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return text;
}

Result<void> run_ssh_keygen(const std::string& path) {
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return fail(ErrorKind::internal, reason(errno));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, pipe[1], STDERR_FILENO);
  std::vector<std::string> words{"ssh-keygen", "-q", "-t",        "ed25519", "-N",
                                 "",           "-C", "gpuwarden", "-f",      path};
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::string search = "PATH=/usr/local/bin:/usr/bin:/bin";  // nothing of our environment: it holds secrets
  std::array<char*, 2> environment{search.data(), nullptr};
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, "ssh-keygen", &actions, nullptr, argv.data(), environment.data());
  posix_spawn_file_actions_destroy(&actions);
  ::close(pipe[1]);
  const std::string said = error == 0 ? drain(pipe[0]) : std::string();
  ::close(pipe[0]);
  if (error != 0)
    return fail(ErrorKind::internal,
                "cannot run ssh-keygen: " + reason(error) + ". Install it: apt-get install openssh-client");
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return fail(ErrorKind::internal, "ssh-keygen failed: " + printable(trimmed(said)));
  return {};
}

/// A private directory that goes away with everything in it.
struct ScratchDirectory {
  explicit ScratchDirectory(const std::string& parent) : path(parent + "/.new-key-XXXXXX") {
    if (::mkdtemp(path.data()) == nullptr) {
      error = errno;
      path.clear();
    }
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  ~ScratchDirectory() {
    std::error_code ignored;
    if (!path.empty()) std::filesystem::remove_all(path, ignored);
  }
  std::string path;
  int error{0};
};

void sync(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  ::fsync(file);
  ::close(file);
}

/// A key that root makes belongs to the user whose directory it is: the daemon must be able to read it.
Result<void> give_to_owner(const std::string& directory, const std::string& key) {
  struct stat status {};
  if (::geteuid() != 0 || ::stat(directory.c_str(), &status) != 0 || status.st_uid == 0) return {};
  for (const std::string& file : {key, key + ".pub"}) {
    if (::chown(file.c_str(), status.st_uid, status.st_gid) != 0)
      return fail(ErrorKind::internal, fmt::format("cannot hand {} to its user: {}", file, reason(errno)));
  }
  return {};
}

}  // namespace

std::string own_key_path(const std::string& state_directory) {
  return state_directory + "/ssh_ed25519";
}

Result<void> make_own_key(const std::string& state_directory) {
  const std::filesystem::path directory(state_directory);
  std::error_code error;
  if (directory.has_parent_path()) std::filesystem::create_directories(directory.parent_path(), error);
  if (::mkdir(state_directory.c_str(), 0700) != 0 && errno != EEXIST)
    return fail(ErrorKind::internal, fmt::format("cannot make {}: {}", state_directory, reason(errno)));
  const ScratchDirectory scratch(state_directory);
  if (scratch.path.empty())
    return fail(ErrorKind::internal,
                fmt::format("cannot write in {}: {}", state_directory, reason(scratch.error)));
  const std::string fresh = scratch.path + "/key";
  if (auto made = run_ssh_keygen(fresh); !made) return made;
  ::chmod(fresh.c_str(), 0600);
  if (auto given = give_to_owner(state_directory, fresh); !given) return given;
  sync(fresh);
  // A link, unlike a rename, never replaces the key that another start has just made.
  const std::string final_path = own_key_path(state_directory);
  if (::link(fresh.c_str(), final_path.c_str()) != 0) {
    if (errno == EEXIST) return {};
    return fail(ErrorKind::internal, fmt::format("cannot write {}: {}", final_path, reason(errno)));
  }
  ::rename((fresh + ".pub").c_str(), (final_path + ".pub").c_str());
  sync(state_directory);
  return {};
}

}  // namespace gpuwarden::config
