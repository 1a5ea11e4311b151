#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "gpuwarden/base/result.hpp"
#include "gpuwarden/control/loop.hpp"
#include "gpuwarden/policy/note.hpp"

/// A journal is JSON lines: a "start" with settings and memory at the head of each file and each process, a
/// "settings" where they changed, and a "tick" for each decision.
namespace gpuwarden::app::journal {

using Json = nlohmann::ordered_json;

inline constexpr int kFormat = 1;

/// A process began, or a new file of the same process.
struct Start {
  int format{kFormat};
  std::string version;  ///< of the program
  WallTime at{};
  policy::Settings settings;
  policy::Memory memory;  ///< before the next tick
};
/// One decision with everything that it was made from.
struct Tick {
  std::uint64_t number{0};
  WallTime at{};
  MonoTime now{};
  std::uint64_t random{0};
  std::vector<policy::Note> notes;  ///< to be told to the memory before
  policy::Observation seen;
  Json plan;
};

Json start_json(const Start& start);
Json settings_json(const policy::Settings& settings);
Json tick_json(const control::DecisionRecord& record);
/// {actions: [{do, worker, …, why}], gates, scale}: equal for equal plans.
Json plan_json(const Plan& plan);

/// One line: exactly one of the three is set.
struct Line {
  std::optional<Start> start;
  std::optional<policy::Settings> settings;
  std::optional<Tick> tick;
};
/// malformed: it is no line of a journal, or of a newer format.
Result<Line> parse_line(std::string_view text);

}  // namespace gpuwarden::app::journal
