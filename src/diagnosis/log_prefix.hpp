#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace gpuwarden::diagnosis {

/// What loggers put before a message: time stamps, levels, logger names, "[rank0]:", syslog's host and
/// program, "stderr F", box drawings.
struct LogPrefix {
  std::size_t content{0};  ///< behind the prefix and one blank: the line as the program printed it
  std::size_t message{0};  ///< its first character that is no blank
};
LogPrefix log_prefix(std::string_view line);

/// The text of a line that a JSON logger wrote ({"level":"error","message":"…"},
/// {"log":"…","stream":"stderr"}); nothing for other JSON, which is an answer of some service and speaks as a
/// whole.
std::optional<std::string> json_log_text(std::string_view line);

}  // namespace gpuwarden::diagnosis
