#include "gpuwarden/app/logging.hpp"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/config/config.hpp"

namespace gpuwarden::app {
namespace {

constexpr std::size_t kFileBytes = std::size_t{20} * 1024 * 1024;
constexpr std::size_t kFilesKept = 5;

std::string_view name_of(ports::LogLevel level) {
  switch (level) {
    case ports::LogLevel::debug:
      return "debug";
    case ports::LogLevel::info:
      return "info";
    case ports::LogLevel::warning:
      return "warning";
    case ports::LogLevel::error:
      return "error";
  }
  return "info";
}

spdlog::level::level_enum spdlog_level(ports::LogLevel level) {
  switch (level) {
    case ports::LogLevel::debug:
      return spdlog::level::debug;
    case ports::LogLevel::info:
      return spdlog::level::info;
    case ports::LogLevel::warning:
      return spdlog::level::warn;
    case ports::LogLevel::error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

std::string_view colour_of(ports::LogLevel level) {
  switch (level) {
    case ports::LogLevel::debug:
      return "\x1b[2m";
    case ports::LogLevel::info:
      return "";
    case ports::LogLevel::warning:
      return "\x1b[33m";
    case ports::LogLevel::error:
      return "\x1b[31m";
  }
  return "";
}

bool needs_quotes(std::string_view value) {
  return value.empty() || value.find_first_of(" \"=") != std::string_view::npos;
}

std::string json_line(const Redactor& redactor, WallTime at, ports::LogLevel level, std::string_view event,
                      std::string_view message, const ports::LogFields& fields) {
  nlohmann::ordered_json line{{"ts", format_time_ms(at)},
                              {"level", name_of(level)},
                              {"event", event},
                              {"msg", printable(redactor.redact(message))}};
  for (const auto& [name, value] : fields) {
    if (!value.empty()) line[name] = printable(redactor.redact(value));
  }
  return line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::string plain_line(const LogSettings& settings, const Redactor& redactor, WallTime at,
                       ports::LogLevel level, std::string_view event, std::string_view message,
                       const ports::LogFields& fields) {
  const std::string_view colour = settings.colour ? colour_of(level) : "";
  std::string line = fmt::format("{} {}{:<7} {:<14} {}", format_time_ms(at), colour, name_of(level), event,
                                 printable(redactor.redact(message)));
  for (const auto& [name, value] : fields) {
    if (value.empty()) continue;
    const std::string text = printable(redactor.redact(value));
    line += needs_quotes(text) ? fmt::format(" {}=\"{}\"", name, text) : fmt::format(" {}={}", name, text);
  }
  if (!colour.empty()) line += "\x1b[0m";
  return line;
}

/// Opens the rotating file; null, with the system's words in `why`, when that fails.
spdlog::sink_ptr open_file(const std::string& path, std::string& why) {
  errno = 0;
  try {
    return std::make_shared<spdlog::sinks::rotating_file_sink_st>(path, kFileBytes, kFilesKept);
  } catch (const spdlog::spdlog_ex& failure) {
    why = errno != 0 ? std::strerror(errno) : failure.what();
    return nullptr;
  }
}

class SpdLog : public ports::Log {
 public:
  SpdLog(LogSettings settings, const Redactor& redactor, const ports::Clock& clock)
      : settings_(std::move(settings)),
        least_(log_level(settings_.level)),
        redactor_(redactor),
        clock_(clock),
        terminal_(make("terminal", std::make_shared<spdlog::sinks::stderr_sink_st>())) {}

  /// Writes to the file as well, or says why it can't.
  void add_file() {
    if (settings_.file.empty()) return;
    std::string why;
    auto sink = open_file(settings_.file, why);
    if (!sink) {
      warning("log_file_unusable", "LOG_FILE " + config::log_file_problem(settings_.file, why),
              {{"name", "LOG_FILE"}});
      return;
    }
    file_ = make("file", std::move(sink));
    file_settings_ = settings_;
    file_settings_.colour = false;
  }

  void write(ports::LogLevel level, std::string_view event, std::string_view message,
             const ports::LogFields& fields) override {
    if (level < least_) return;
    const WallTime at = clock_.wall();
    terminal_->log(spdlog_level(level), log_line(settings_, redactor_, at, level, event, message, fields));
    if (!file_) return;
    file_->log(spdlog_level(level), log_line(file_settings_, redactor_, at, level, event, message, fields));
  }

 private:
  static std::unique_ptr<spdlog::logger> make(const char* name, spdlog::sink_ptr sink) {
    auto logger = std::make_unique<spdlog::logger>(name, std::move(sink));
    logger->set_pattern("%v");
    logger->set_level(spdlog::level::trace);  // what is below the level never gets here
    logger->flush_on(spdlog::level::trace);
    return logger;
  }

  LogSettings settings_, file_settings_;
  ports::LogLevel least_;
  const Redactor& redactor_;
  const ports::Clock& clock_;
  std::unique_ptr<spdlog::logger> terminal_, file_;
};

}  // namespace

std::string log_line(const LogSettings& settings, const Redactor& redactor, WallTime at,
                     ports::LogLevel level, std::string_view event, std::string_view message,
                     const ports::LogFields& fields) {
  return settings.json ? json_line(redactor, at, level, event, message, fields)
                       : plain_line(settings, redactor, at, level, event, message, fields);
}

ports::LogLevel log_level(std::string_view name) {
  for (const auto level : {ports::LogLevel::debug, ports::LogLevel::warning, ports::LogLevel::error}) {
    if (name == name_of(level)) return level;
  }
  return ports::LogLevel::info;
}

std::unique_ptr<ports::Log> make_log(const LogSettings& settings, const Redactor& redactor,
                                     const ports::Clock& clock) {
  auto log = std::make_unique<SpdLog>(settings, redactor, clock);
  log->add_file();
  return log;
}

}  // namespace gpuwarden::app
