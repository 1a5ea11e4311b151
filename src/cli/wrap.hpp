#pragma once

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace gpuwarden::cli {

/// `text` in lines of at most `first` columns for the first and `rest` for the others, broken at blanks, or
/// inside a word that is longer than a line. At least one line.
std::vector<std::string> wrapped(std::string_view text, std::size_t first, std::size_t rest);

/// `head` and `text`, control characters replaced, wrapped to `width` columns; later lines are indented by
/// `indent`. `head` is printed as it is, colours included, and takes `head_width` columns.
void print_wrapped(std::ostream& out, std::string_view head, std::size_t head_width, std::string_view text,
                   std::size_t indent, int width);

}  // namespace gpuwarden::cli
