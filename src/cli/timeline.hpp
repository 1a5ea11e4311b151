#pragma once

#include <optional>
#include <string>
#include <vector>

#include "gpuwarden/ports/task_store.hpp"

#include "command.hpp"
#include "table.hpp"

namespace gpuwarden::cli {

/// One line of a worker's life.
struct Moment {
  WallTime at{};
  Duration after{0};  ///< since the first event
  std::string what, detail;
  std::optional<Duration> took;  ///< a phase, a task: until its end, where that is known
  Colour colour{Colour::none};
};

/// Events of one worker, oldest first, with how long each phase and each task took.
std::vector<Moment> timeline(const std::vector<ports::EventRow>& events);
Json timeline_json(const std::vector<Moment>& moments);
/// At most `most` lines: what is left out in the middle is counted.
void print_timeline(const std::vector<Moment>& moments, std::size_t most, Output& output);

/// One attempt at a task.
struct Attempt {
  int number{0};
  std::string worker;
  std::optional<WallTime> began, ended;
  std::string how,
      error;  ///< "completed", "failed, queued again", "its worker failed: gpu_error, queued again"
};

/// Each attempt, oldest first, from events, failures and the row itself.
std::vector<Attempt> attempts_of(const ports::TaskStory& story);

}  // namespace gpuwarden::cli
