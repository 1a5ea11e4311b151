#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "gpuwarden/ports/evidence_json.hpp"

namespace gpuwarden::ports {
namespace {

// Linux on x86-64 and arm64: where pods run, whatever this program runs on.
constexpr std::array<std::string_view, 32> kNames{
    "",          "SIGHUP",  "SIGINT",    "SIGQUIT", "SIGILL",   "SIGTRAP", "SIGABRT", "SIGBUS",
    "SIGFPE",    "SIGKILL", "SIGUSR1",   "SIGSEGV", "SIGUSR2",  "SIGPIPE", "SIGALRM", "SIGTERM",
    "SIGSTKFLT", "SIGCHLD", "SIGCONT",   "SIGSTOP", "SIGTSTP",  "SIGTTIN", "SIGTTOU", "SIGURG",
    "SIGXCPU",   "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO",   "SIGPWR",  "SIGSYS"};

}  // namespace

std::string signal_name(long number) {
  if (number <= 0) return {};
  if (static_cast<unsigned long>(number) < kNames.size()) {
    return std::string(kNames.at(static_cast<std::size_t>(number)));
  }
  return fmt::format("SIG{}", number);
}

std::string signal_name(std::string_view text) {
  long number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec == std::errc() && read.ptr == text.data() + text.size()) return signal_name(number);
  std::string with_prefix = "SIG" + std::string(text);
  if (!text.empty() && std::find(kNames.begin(), kNames.end(), with_prefix) != kNames.end())
    return with_prefix;
  return std::string(text);
}

}  // namespace gpuwarden::ports
