#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gpuwarden::config {

/// One NAME=value of an environment file.
struct Assignment {
  std::string name, value;
  int line{0};  ///< where it begins; the first line is 1
};
/// A line that cannot be read; the message repeats nothing of the value.
struct BadLine {
  int line{0};
  std::string message;
};
struct EnvText {
  std::vector<Assignment> assignments;
  std::vector<BadLine> bad_lines;
};

/// Reads text as systemd reads an EnvironmentFile=: comments with # or ;, values bare (quotes inside stay, a
/// backslash takes the next character literally and joins lines), in single quotes (literal) or in double
/// quotes (a backslash escapes " \ ` $ and joins lines); quoted values may span lines. Stricter than systemd
/// where its result surprises: text behind a closing quote, a quote without end, a line without "=" and a
/// name that is none are bad lines.
EnvText parse_env_text(std::string_view text);

}  // namespace gpuwarden::config
