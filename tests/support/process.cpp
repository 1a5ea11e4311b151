#include "support/process.hpp"

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace gpuwarden::test {
namespace {

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (std::string& text : strings) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

}  // namespace

Process::Process(std::vector<std::string> argv, const std::map<std::string, std::string>& environment,
                 const std::string& log, const std::string& out) {
  std::vector<std::string> variables;
  for (const auto& [name, value] : environment) variables.push_back(name + "=" + value);
  const std::vector<char*> arguments = pointers(argv);
  const std::vector<char*> env = pointers(variables);
  const pid_t test = getpid();
  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("fork failed");
  if (pid_ > 0) return;
  // A test that is killed (by a time limit) must leave nothing running: destructors do not run then.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != test) _exit(126);  // it died before the line above
  setpgid(0, 0);
  const int log_fd = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  const int out_fd = out.empty() ? log_fd : open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  const int in_fd = open("/dev/null", O_RDONLY);
  dup2(in_fd, 0);
  dup2(out_fd, 1);
  dup2(log_fd, 2);
  execve(arguments[0], arguments.data(), env.data());
  _exit(127);
}

Process::~Process() {
  if (!running()) return;
  signal(SIGTERM);
  if (!wait(std::chrono::seconds(15))) {
    kill(-pid_, SIGKILL);
    wait(std::chrono::seconds(5));
  }
}

bool Process::running() {
  return !wait(std::chrono::milliseconds(0)).has_value();
}

void Process::signal(int number) {
  if (running()) kill(pid_, number);
}

std::optional<int> Process::wait(std::chrono::milliseconds limit) {
  const auto until = std::chrono::steady_clock::now() + limit;
  while (!exit_code_) {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      exit_code_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
      break;
    }
    if (std::chrono::steady_clock::now() >= until) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return exit_code_;
}

Finished run(std::vector<std::string> argv, const std::map<std::string, std::string>& environment,
             std::chrono::milliseconds limit) {
  std::string path = (std::filesystem::temp_directory_path() / "gpuwarden-run.XXXXXX").string();
  close(mkstemp(path.data()));
  Finished finished;
  {
    Process process(std::move(argv), environment, path);
    finished.exit_code = process.wait(limit).value_or(-1);
  }
  finished.output = read_file(path);
  std::filesystem::remove(path);
  return finished;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::map<std::string, std::string> own_environment() {
  std::map<std::string, std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text(*entry);
    const std::size_t equals = text.find('=');
    if (equals != std::string::npos) result[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return result;
}

}  // namespace gpuwarden::test
