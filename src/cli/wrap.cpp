#include "wrap.hpp"

#include <algorithm>

#include "gpuwarden/base/format.hpp"

#include "table.hpp"

namespace gpuwarden::cli {
namespace {

constexpr std::size_t kNarrowest = 20;

/// Bytes of `text` that fit into `width` columns; never ends inside a character, never none.
std::size_t fitting(std::string_view text, std::size_t width) {
  std::size_t end = 0;
  while (end < text.size()) {
    std::size_t next = end + 1;
    while (next < text.size() && (static_cast<unsigned char>(text[next]) & 0xC0U) == 0x80U) ++next;
    if (end > 0 && display_width(text.substr(0, next)) > width) break;
    end = next;
  }
  return end;
}

}  // namespace

std::vector<std::string> wrapped(std::string_view text, std::size_t first, std::size_t rest) {
  std::vector<std::string> lines;
  do {
    const std::size_t width = std::max(kNarrowest, lines.empty() ? first : rest);
    std::size_t end = fitting(text, width);
    std::size_t next = end;
    if (end < text.size()) {
      if (const std::size_t blank = text.rfind(' ', end); blank != std::string_view::npos && blank > 0) {
        end = blank;
        next = blank + 1;
      }
    }
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(next);
  } while (!text.empty());
  return lines;
}

void print_wrapped(std::ostream& out, std::string_view head, std::size_t head_width, std::string_view text,
                   std::size_t indent, int width) {
  const auto columns = static_cast<std::size_t>(std::max(width, 0));
  const auto room = [&](std::size_t taken) { return columns > taken ? columns - taken : 0; };
  const std::vector<std::string> lines = wrapped(printable(text), room(head_width), room(indent));
  out << head << lines.front() << "\n";
  for (auto line = lines.begin() + 1; line != lines.end(); ++line)
    out << std::string(indent, ' ') << *line << "\n";
}

}  // namespace gpuwarden::cli
