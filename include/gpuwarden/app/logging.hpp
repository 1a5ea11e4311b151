#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "gpuwarden/base/redact.hpp"
#include "gpuwarden/base/result.hpp"
#include "gpuwarden/ports/clock.hpp"
#include "gpuwarden/ports/log.hpp"

namespace gpuwarden::app {

struct LogSettings {
  std::string level{"info"};  ///< debug, info, warning, error
  bool json{false};           ///< one JSON object a line; otherwise plain text
  bool colour{false};
  std::string file;  ///< also there, rotated at 20 MB, five files kept; empty = only standard error
};

/// The level of that name; info for an unknown one.
ports::LogLevel log_level(std::string_view name);

/// spdlog behind ports::Log: standard error and, where asked for, a file, which never gets colours. Every
/// text passes the redactor. A file that cannot be opened is told in one line, and standard error remains.
std::unique_ptr<ports::Log> make_log(const LogSettings& settings, const Redactor& redactor,
                                     const ports::Clock& clock);

/// One line as it is written, without the newline; for tests.
std::string log_line(const LogSettings& settings, const Redactor& redactor, WallTime at,
                     ports::LogLevel level, std::string_view event, std::string_view message,
                     const ports::LogFields& fields);

}  // namespace gpuwarden::app
