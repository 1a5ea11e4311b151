#pragma once

#include <string>

#include "gpuwarden/base/result.hpp"

namespace gpuwarden::http {

/// What of a URL may be shown and what its route depends on.
struct UrlParts {
  std::string host;  ///< with the port where one is given
  std::string path;
  bool tls{false};
  bool loopback{false};
};

/// invalid_input when it is no http or https URL. The message never repeats the URL.
Result<UrlParts> parse_url(const std::string& url);

}  // namespace gpuwarden::http
