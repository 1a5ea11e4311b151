#include "gpuwarden/app/logging.hpp"

#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <unistd.h>

#include "gpuwarden/base/format.hpp"

namespace gpuwarden::app {
namespace {

constexpr std::size_t kFileBytes = 20 * 1024 * 1024;
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

class SpdLog : public ports::Log {
 public:
  SpdLog(LogSettings settings, const Redactor& redactor, const ports::Clock& clock)
      : settings_(std::move(settings)), redactor_(redactor), clock_(clock) {
    std::vector<spdlog::sink_ptr> sinks{std::make_shared<spdlog::sinks::stderr_sink_st>()};
    if (!settings_.file.empty()) {
      sinks.push_back(
          std::make_shared<spdlog::sinks::rotating_file_sink_st>(settings_.file, kFileBytes, kFilesKept));
    }
    logger_ = std::make_unique<spdlog::logger>("gpuwarden", sinks.begin(), sinks.end());
    logger_->set_pattern("%v");
    logger_->set_level(settings_.level == "warning" ? spdlog::level::warn
                       : settings_.level == "error" ? spdlog::level::err
                                                    : spdlog::level::from_str(settings_.level));
    logger_->flush_on(spdlog::level::debug);
  }

  void write(ports::LogLevel level, std::string_view event, std::string_view message,
             const ports::LogFields& fields) override {
    if (!logger_->should_log(spdlog_level(level))) return;
    logger_->log(spdlog_level(level),
                 log_line(settings_, redactor_, clock_.wall(), level, event, message, fields));
  }

 private:
  LogSettings settings_;
  const Redactor& redactor_;
  const ports::Clock& clock_;
  std::unique_ptr<spdlog::logger> logger_;
};

}  // namespace

std::string log_line(const LogSettings& settings, const Redactor& redactor, WallTime at,
                     ports::LogLevel level, std::string_view event, std::string_view message,
                     const ports::LogFields& fields) {
  return settings.json ? json_line(redactor, at, level, event, message, fields)
                       : plain_line(settings, redactor, at, level, event, message, fields);
}

std::unique_ptr<ports::Log> make_log(const LogSettings& settings, const Redactor& redactor,
                                     const ports::Clock& clock) {
  return std::make_unique<SpdLog>(settings, redactor, clock);
}

}  // namespace gpuwarden::app
