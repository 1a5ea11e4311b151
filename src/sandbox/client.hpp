#pragma once

#include <string>

#include "gpuwarden/base/result.hpp"

namespace gpuwarden::sandbox {

/// Sends one request to the control API of the sandbox that runs in `dir`; returns the body of the answer.
/// Errors: not_found (no sandbox there), unavailable, refused (with the API's words).
Result<std::string> ask(const std::string& dir, const std::string& method, const std::string& path,
                        const std::string& body = "");

}  // namespace gpuwarden::sandbox
