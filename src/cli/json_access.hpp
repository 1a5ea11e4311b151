#pragma once

#include <optional>
#include <string>

#include "command.hpp"

/// Reading of JSON that another program made: what is absent or of another kind is empty.
namespace gpuwarden::cli {

/// Null where there is no such field.
const Json& at(const Json& json, const char* name);
/// Safe for a terminal; empty when it is no text.
std::string text(const Json& json, const char* name);
long number(const Json& json, const char* name);
/// Of a number of seconds.
std::optional<Duration> duration(const Json& json, const char* name);
/// "5m 12s" of a number of seconds; empty when there is none.
std::string span(const Json& json, const char* name);

}  // namespace gpuwarden::cli
