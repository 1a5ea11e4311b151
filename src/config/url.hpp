#pragma once

#include <string>
#include <string_view>

#include "gpuwarden/base/result.hpp"

namespace gpuwarden::config {

struct UrlRules {
  bool path_allowed{false};
  bool query_allowed{false};
};

/// Scheme and host in lower case, no trailing slash. Refused: anything but https (http only to loopback),
/// user names and passwords, fragments, and what the rules forbid. Messages never repeat a password.
Result<std::string> checked_url(std::string_view text, UrlRules rules);

/// 127.0.0.0/8, ::1 or localhost.
bool is_loopback(std::string_view host);

}  // namespace gpuwarden::config
