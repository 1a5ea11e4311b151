#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpuwarden::ports {

enum class LogLevel { debug, info, warning, error };

/// Fields of a log line: worker, pod, cause, duration_s, ... Values are plain text.
using LogFields = std::vector<std::pair<std::string, std::string>>;

/// Where the rooms' log lines go. The implementation redacts and formats.
class Log {
 public:
  virtual ~Log() = default;
  virtual void write(LogLevel level, std::string_view event, std::string_view message,
                     const LogFields& fields) = 0;

  void info(std::string_view event, std::string_view message, const LogFields& fields = {}) {
    write(LogLevel::info, event, message, fields);
  }
  void warning(std::string_view event, std::string_view message, const LogFields& fields = {}) {
    write(LogLevel::warning, event, message, fields);
  }
  void error(std::string_view event, std::string_view message, const LogFields& fields = {}) {
    write(LogLevel::error, event, message, fields);
  }
  void debug(std::string_view event, std::string_view message, const LogFields& fields = {}) {
    write(LogLevel::debug, event, message, fields);
  }
};

}  // namespace gpuwarden::ports
