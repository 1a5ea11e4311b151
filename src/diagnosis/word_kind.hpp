#pragma once

#include <string>
#include <string_view>

namespace gpuwarden::diagnosis {

/// What stays of a word between two pods with the same fault: "#" for numbers, amounts, times, addresses and
/// ids, the file's name for a path, the host and the last name for a URL, else the word without its numbers.
/// Lower case; empty for mere punctuation.
std::string kind_of(std::string_view word);

/// "GiB", "seconds", "%": follows an amount and varies with it.
bool is_unit(std::string_view low);

}  // namespace gpuwarden::diagnosis
