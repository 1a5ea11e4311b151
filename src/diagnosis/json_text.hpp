#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace gpuwarden::diagnosis {

// Reads single fields of JSON that may be cut anywhere: no parser, never an error.

/// Text of the string whose first character is at `at`; moves `at` behind the closing quote.
std::string json_string(std::string_view text, std::size_t& at);
/// Behind `"key":` and blanks; npos when there is none.
std::size_t json_value_at(std::string_view text, std::string_view key);
/// Empty where the field is absent or no string.
std::string json_string_of(std::string_view text, std::string_view key);

}  // namespace gpuwarden::diagnosis
