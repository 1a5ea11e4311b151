#include "status_text.hpp"

#include <charconv>

#include "json_text.hpp"

namespace gpuwarden::diagnosis {
namespace {

constexpr std::size_t kMostTailLines = 200;

}  // namespace

std::optional<StatusText> read_status(std::string_view line) {
  const std::size_t mark = line.find("@gpuwarden {");
  if (mark == std::string_view::npos) return std::nullopt;
  const std::string_view text = line.substr(mark);
  StatusText status;
  const std::string_view head = text.substr(0, text.find("\"tail\""));
  status.step = json_string_of(head, "step");
  status.event = json_string_of(head, "event");
  status.check = json_string_of(text, "check");
  if (const std::size_t at = json_value_at(head, "exit"); at != std::string_view::npos) {
    int value = 0;
    if (std::from_chars(text.data() + at, text.data() + text.size(), value).ec == std::errc())
      status.exit_code = value;
  }
  std::size_t at = json_value_at(text, "tail");
  if (at == std::string_view::npos || text[at] != '[') return status;
  for (++at; at < text.size() && text[at] != ']' && status.tail.size() < kMostTailLines;) {
    if (text[at] == '"')
      status.tail.push_back(json_string(text, ++at));
    else
      ++at;
  }
  return status;
}

}  // namespace gpuwarden::diagnosis
