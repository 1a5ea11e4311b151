#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "gpuwarden/ports/log.hpp"

namespace gpuwarden::fakes {

/// Keeps every line.
class RecordingLog final : public ports::Log {
 public:
  struct Line {
    ports::LogLevel level;
    std::string event, message;
    ports::LogFields fields;
  };
  std::vector<Line> lines;

  void write(ports::LogLevel level, std::string_view event, std::string_view message,
             const ports::LogFields& fields) override {
    lines.push_back({level, std::string(event), std::string(message), fields});
  }
  long count(std::string_view event) const {
    return std::count_if(lines.begin(), lines.end(), [&](const Line& line) { return line.event == event; });
  }
  /// Value of a field in the newest line of that event; empty = none.
  std::string field(std::string_view event, std::string_view name) const {
    for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
      if (line->event != event) continue;
      for (const auto& [key, value] : line->fields) {
        if (key == name) return value;
      }
    }
    return "";
  }
};

}  // namespace gpuwarden::fakes
