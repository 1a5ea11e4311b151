#include <array>
#include <string_view>
#include <utility>

#include "gpuwarden/bootstrap/status_line.hpp"

namespace gpuwarden::bootstrap {
namespace {

using enum FailureCause;

constexpr std::array<std::pair<std::string_view, FailureCause>, 7> kChecks{
    {{"gpu", preflight_gpu},
     {"memory", preflight_memory},
     {"disk", preflight_disk},
     {"mount", preflight_mount},
     {"network", preflight_network},
     {"credentials", preflight_credentials},
     // Without curl or git the image can fetch nothing.
     {"tools", fetch_failed}}};

}  // namespace

FailureCause cause_of(const StatusLine& line) {
  switch (line.step) {
    case BootStep::preflight:
      for (const auto& [check, cause] : kChecks) {
        if (line.check == check) return cause;
      }
      return start_failed;
    case BootStep::fetch:
      return fetch_failed;
    case BootStep::setup:
      return setup_failed;
    case BootStep::start:
      return start_failed;
  }
  return start_failed;
}

}  // namespace gpuwarden::bootstrap
