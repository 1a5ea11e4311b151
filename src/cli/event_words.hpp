#pragma once

#include <string>

#include "command.hpp"

namespace gpuwarden::cli {

/// What happened in a word or two: the phase that began ("bootstrapping:setup"), or "first heartbeat".
std::string event_name(const ports::EventRow& event);
/// The rest in one line; empty where the name says it all.
std::string event_text(const ports::EventRow& event);
Json event_json(const ports::EventRow& event);
/// The attempt at a task that an event tells of; 0 = it names none.
int event_attempt(const ports::EventRow& event);
/// Why a task came back, in the worker's or the daemon's words; may be empty.
std::string event_reason(const ports::EventRow& event);

}  // namespace gpuwarden::cli
