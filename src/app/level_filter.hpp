#pragma once

#include <memory>
#include <string_view>
#include <utility>

#include "gpuwarden/ports/log.hpp"

namespace gpuwarden::app {

/// A log whose level can change while everybody holds it; the log behind it writes whatever it gets.
class LevelFilter : public ports::Log {
 public:
  LevelFilter(std::unique_ptr<ports::Log> behind, std::string_view level) : behind_(std::move(behind)) {
    set_level(level);
  }

  /// debug, info, warning or error.
  void set_level(std::string_view level) {
    least_ = level == "debug"     ? ports::LogLevel::debug
             : level == "warning" ? ports::LogLevel::warning
             : level == "error"   ? ports::LogLevel::error
                                  : ports::LogLevel::info;
  }
  void write(ports::LogLevel level, std::string_view event, std::string_view message,
             const ports::LogFields& fields) override {
    if (level >= least_) behind_->write(level, event, message, fields);
  }

 private:
  std::unique_ptr<ports::Log> behind_;
  ports::LogLevel least_{ports::LogLevel::info};
};

}  // namespace gpuwarden::app
